"""Slow rule groups delay only themselves, and nothing keeps the collector from ending in time."""

import os
import signal
import struct
import threading
import time
import urllib.parse

import pytest
from attacks import MB, AttackedSite
from harness import LONG, WRITE_HEADERS, message, now_ms, snappy, varint

GROUPS = "rule groups that are evaluated at once"
EVALUATION = "the evaluation of a rule, with the queries of its templates"
END = "end of the collector after SIGTERM"
LONGEST_END = 2.0  # seconds
RULE_MEMORY = 160_000_000
HOSTS = tuple(f"web-{i:02d}" for i in range(1, 31))

LOOPS = "{{ $s := query `x` }}" + "{{ range $s }}" * 5 + "{{ end }}" * 5
HEAVY = "+".join(["quantile_over_time(0.5, vector(time())[9000s:1s])"] * 50)


def group(name, rule):
    return f"  - name: {name}\n    interval: 1s\n    rules: [ {rule} ]\n"


def slow_groups(count):
    """Groups whose expression or whose template takes minutes."""
    rules = []
    for i in range(count):
        if i % 2:
            rules.append(group(f"slow{i}", f"{{ record: slow{i}, expr: 'max_over_time(({HEAVY})[1h:1s])' }}"))
        else:
            rules.append(group(f"slow{i}", f"{{ alert: Slow{i}, expr: vector(1), annotations: {{ text: '{LOOPS}' }} }}"))
    return "".join(rules)


def write_rules(site, rules):
    os.makedirs(site.collector.path("rules"), exist_ok=True)
    with open(site.collector.path("rules/test.yml"), "w") as out:
        out.write("groups:\n" + rules)


def reload(site):
    before = site.collector.log_text().count("the rules were reloaded")
    site.collector.process.send_signal(signal.SIGHUP)
    site.until(lambda: site.collector.log_text().count("the rules were reloaded") > before)


def status(site, name):
    for each in site.collector.people("/api/v1/rules").json()["data"]["groups"]:
        if each["name"] == name:
            return each
    return None


def evaluations(site, name):
    text = site.collector.people("/metrics").body.decode()
    found = [line for line in text.splitlines() if line.startswith("lapwing_rule_evaluations_total") and f";{name}\"" in line]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0


def write_series(site, count=1000):
    now = now_ms()
    series = [({"__name__": "x", "instance": "web-01", "k": str(i)}, [(now, 1.0)]) for i in range(count)]
    assert site.attacker().write(series).status == 204


def test_slow_groups(site):
    write_series(site)
    quick = group("quick", "{ record: quick, expr: vector(1) }")
    write_rules(site, quick)
    reload(site)
    site.until(lambda: evaluations(site, "quick") >= 1)
    with site.attack("20 rule groups that take minutes, beside a quick group", limit=GROUPS, memory=8 * RULE_MEMORY) as attacked:
        write_rules(site, quick + slow_groups(20))
        reload(site)
        before = evaluations(site, "quick")
        site.until(lambda: evaluations(site, "quick") >= before + 8)
        attacked.told = "the quick group is evaluated"
        assert all(evaluations(site, f"slow{i}") == 0 for i in range(20))
        began = time.monotonic()
        write_rules(site, quick)
        reload(site)
        assert time.monotonic() - began < 20


def test_a_template_ends_in_time():
    with AttackedSite("promql: { timeout: 2s }\n") as site:
        write_series(site)
        with site.attack("five nested loops over a query's thousand elements", limit=EVALUATION, memory=RULE_MEMORY) as attacked:
            write_rules(site, slow_groups(1))
            reload(site)
            site.until(lambda: evaluations(site, "slow0") >= 1)
            alert = status(site, "slow0")["rules"][0]["alerts"][0]
            assert "timed out" in alert["annotations"]["text"], alert
            attacked.told = alert["annotations"]["text"]


def query_all(site, path, parameters):
    """Clients whose answers nobody reads."""
    def ask():
        try:
            site.collector.people(path + "?" + urllib.parse.urlencode(parameters))
        except Exception:  # the collector ends meanwhile
            pass
    for _ in range(4):
        threading.Thread(target=ask, daemon=True).start()
    time.sleep(1)


def during_rules(site):
    write_series(site)
    write_rules(site, slow_groups(12))
    reload(site)
    site.until(lambda: status(site, "slow0") is not None)
    time.sleep(2)


def during_queries(site):
    query_all(site, "/api/v1/query_range", {"query": HEAVY, "start": 0, "end": 900, "step": 1})


def during_regular_expressions(site):
    write_series(site, 5000)
    query_all(site, "/api/v1/query", {"query": "x{" + ",".join(['k=~".{0,900}.{0,900}"'] * 200) + "}"})


def during_label_functions(site):
    write_series(site, 5000)
    query_all(site, "/api/v1/query", {"query": "label_replace(" * 300 + "x" + ',"b","$1$2","k","(.{0,500})(.{0,500})")' * 300})


def during_the_analysis(site):
    """Many hosts with many listeners."""
    now = now_ms()
    for host in HOSTS:
        series = [({"__name__": "lapwing_agent_info", "instance": host, "version": "1"}, [(now, 1.0)])]
        series += [({"__name__": "lapwing_listener_info", "instance": host, "protocol": "tcp", "family": "ipv4", "address": "0.0.0.0", "port": str(port)}, [(now, 1.0)])
                   for port in range(1000, 1200)]
        site.attacker(host).write(series)
    time.sleep(10)  # a round of the analysis begins meanwhile


def during_a_compaction(site):
    """Half a million samples in a thousand blocks of each series."""
    connection, now = site.attacker(), now_ms()
    for k in range(6):
        samples = b"".join(message(2, b"\x09" + struct.pack("<d", i) + b"\x10" + varint(now - 89 * 86_400_000 + i * 77_000)) for i in range(99_000))
        labels = (("__name__", "many"), ("instance", "web-01"), ("k", str(k)))
        body = snappy(message(1, b"".join(message(1, message(1, a.encode()) + message(2, b.encode())) for a, b in labels) + samples))
        assert connection.post("/api/v1/write", body, WRITE_HEADERS).status == 204


BUSY = [during_rules, during_queries, during_regular_expressions, during_label_functions]
BUSY += [during_the_analysis, during_a_compaction] if LONG else []


@pytest.mark.parametrize("busy", BUSY, ids=lambda each: each.__name__)
def test_the_end(busy):
    with AttackedSite(attackers=HOSTS if busy is during_the_analysis else HOSTS[:1]) as site:
        with site.attack(f"SIGTERM {busy.__name__.replace('_', ' ')}", limit=END) as attacked:
            busy(site)
            began = time.monotonic()
            code = site.collector.stop()
            took = time.monotonic() - began
            attacked.told = f"{took:.1f} s"
            assert code == 0 and took <= LONGEST_END, f"{code} after {took:.2f} s: {site.collector.log_text()[-2000:]}"
            site.collector.launch()
            site.collector.wait_until_ready(300)  # it compacts a long log first
            attacked.process = site.collector.process
