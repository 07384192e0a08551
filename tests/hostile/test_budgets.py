"""Series without end: of one agent, of all together, with long labels, of rules, and new ones every hour."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from attacks import MB, AttackedSite
from harness import LONG, now_ms

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "soak"))
from fast_clock import LIBRARY, Clock, Time

SHIPPED = Path(__file__).resolve().parents[2] / "dashboards/alerts/lapwing.rules.yml"
OF_AN_AGENT = "active series of one agent"
OF_ALL = "active series of all agents and local ingest"
SHARE = "a sender's share of these"
BYTES_OF_AN_AGENT = "bytes of the labels of one agent's active series"
BYTES_OF_ALL = "bytes of the labels of all active series"
OWN = "active series of the collector itself (metrics, findings, verdicts, `ALERTS`), and of the results of recording rules"
KEPT = "series of the whole retention, active or not"
IDLE = "time until a series without samples leaves memory"
ALL, EACH, MOST_OWN = (1_000_000, 100_000, 200_000) if LONG else (4000, 1500, 1000)
BATCH = 10_000  # series in a request
SERIES_BYTES = 1500  # of memory for each series, at most


def few(name, first, count, **more):
    return [({"__name__": name, "i": str(i), "job": "t", **more}, [(now_ms(), float(i))]) for i in range(first, first + count)]


def written(site, host, name, count, **more):
    """Writes so many series. Returns how many are refused, and the last refusal."""
    connection = site.attacker(host)
    refused, text = 0, ""
    for first in range(0, count, BATCH):
        answer = connection.write(few(name, first, min(BATCH, count - first), **more))
        while answer.status == 429:
            time.sleep(int(answer.headers["Retry-After"]))
            answer = connection.write(few(name, first, min(BATCH, count - first), **more))
        assert answer.status in (204, 400), (answer.status, answer.body)
        if answer.status == 400:
            refused += int(answer.headers["X-Lapwing-Refused"])
            text = answer.body.decode()
            assert len(text) < 10_000, len(text)
    connection.close()
    return refused, text


def metric(site, name, **labels):
    for line in site.collector.people("/metrics").body.decode().splitlines():
        if line.split("{")[0].split(" ")[0] == name and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return 0


def senders(site):
    """{sender: active series} of agents."""
    lines = site.collector.people("/metrics").body.decode().splitlines()
    found = [line.split('"') for line in lines if line.startswith("lapwing_collector_active_series{")]
    return {parts[1]: float(parts[2].split()[-1]) for parts in found if not parts[1].startswith("@")}


def alerts(site):
    found = site.collector.people("/api/v1/alerts").json()["data"]["alerts"]
    return {(each["labels"]["alertname"], each["labels"].get("sender")) for each in found}


def test_series_without_end():
    limits = "" if LONG else f"max_series: {ALL}, max_own_series: {MOST_OWN}, agent: {{ max_series: {EACH} }}"
    hosts = [f"web-{i:02d}" for i in range(1, 16)]
    made = AttackedSite(attackers=hosts)
    made.collector.write_config(f"rules: [ {SHIPPED}, {made.collector.path('rules')}/*.yml ]\ningest: {{ {limits} }}\nrules_interval: 1s\n")
    with made as site:
        with site.attack(f"an agent with {2 * EACH:,} series", limit=OF_AN_AGENT, memory=16 * MB + EACH * SERIES_BYTES) as attack:
            refused, text = written(site, "web-01", "many", 2 * EACH)
            assert refused == EACH and f"web-01 has {EACH} already (ingest.agent.max_series)" in text, (refused, text)
            assert written(site, "web-01", "many", EACH) == (0, "")
            assert written(site, "web-02", "up", 5) == (0, "")
            assert senders(site)["web-01"] == EACH and metric(site, "lapwing_collector_series_limit_refused_total", sender="web-01") == EACH
            assert metric(site, "lapwing_collector_series_limit_refused_total", sender="honest-01") == 0
            attack.told = f"400, {EACH:,} are stored"

        with site.attack("a rule whose result has more series than the collector itself may have", limit=OWN, memory=32 * MB + 2 * MOST_OWN * SERIES_BYTES) as attack:
            copies = "" if not LONG else "\n".join(f'  - {{ record: "copy{i}", expr: many }}' for i in range(2)) + "\n"
            os.makedirs(site.collector.path("rules"), exist_ok=True)
            Path(site.collector.path("rules/copies.yml")).write_text(
                "groups:\n- name: copies\n  interval: 1s\n  rules:\n  - { record: first, expr: vector(1) }\n" + copies + '  - { record: "copy", expr: many }\n')
            site.collector.process.send_signal(signal.SIGHUP)

            def failing():
                rules = [rule for group in site.collector.people("/api/v1/rules").json()["data"]["groups"] for rule in group["rules"]]
                return [rule for rule in rules if rule["name"] == "copy" and rule["health"] == "err" and "ingest.max_own_series" in rule["lastError"]]

            site.until(failing, 300)
            site.until(lambda: metric(site, "lapwing_rule_failing", rule="copy") == 1)
            assert metric(site, "lapwing_collector_own_samples_refused_total") > 0
            assert site.collector.query("first") and site.collector.query('up{job="collector"}')
            assert metric(site, "lapwing_collector_series_limit_refused_total", sender="honest-01") == 0
            attack.told = "the rule is err"

        others = iter(hosts[2:])
        with site.attack("agents that each take what they may", limit=SHARE, memory=16 * MB + ALL * SERIES_BYTES) as attack:
            text = ""
            while "the rest is for senders with fewer (ingest.max_series)" not in text:
                _, text = written(site, next(others), "many", EACH)
            share = ALL // (len(senders(site)) + 2)
            newcomer = next(others)
            assert written(site, newcomer, "many", share - 1) == (0, "")
            attack.told = f"a newcomer has its share, {share:,}"

        with site.attack("agents with more series than all may have", limit=OF_ALL, memory=16 * MB + ALL * SERIES_BYTES) as attack:
            while "(ingest.max_series)" not in text or "the rest" in text:
                _, text = written(site, next(others), "many", EACH)
            assert f"there are {ALL} already (ingest.max_series)" in text, text
            assert sum(senders(site).values()) == ALL
            # Whatever is known goes on.
            assert written(site, "web-01", "many", EACH) == (0, "")
            attack.told = f"400, {ALL:,} are stored"

        def told():
            written(site, "web-01", "many", EACH + 10)
            return {("SeriesRefused", "web-01"), ("OwnSamplesRefused", None)} <= alerts(site) and "web-01 has 100 %" in site.collector.run("status").stdout

        site.until(told)
        assert ("SeriesRefused", "honest-01") not in alerts(site), alerts(site)


OF_ALL_BYTES, OF_EACH_BYTES = (512_000_000, 64_000_000) if LONG else (3_000_000, 1_000_000)


def test_labels_without_end():
    """Labels of 80 KB for each series."""
    limits = "" if LONG else f"max_label_bytes: 3MB, agent: {{ max_label_bytes: 1MB }}"
    hosts = [f"web-{i:02d}" for i in range(1, 16)]

    def fat(site, host, size):
        """Writes series whose labels have `size` bytes together. Returns the last refusal."""
        connection, text = site.attacker(host), ""
        for first in range(0, size // 80_000, 10):
            series = []
            for i in range(first, min(first + 10, size // 80_000)):
                values = {f"l{n:02d}": f"{host} {i} {n} ".ljust(3990, "v") for n in range(20)}
                series.append(({"__name__": "fat", "i": str(i), **values}, [(now_ms(), 1.0)]))
            answer = connection.write(series)
            assert answer.status in (204, 400), (answer.status, answer.body)
            text = answer.body.decode() if answer.status == 400 else text
        connection.close()
        assert len(text) < 100_000, len(text)
        return text

    def bytes_of(site, host):
        return metric(site, "lapwing_collector_active_label_bytes", sender=host)

    with AttackedSite(f"ingest: {{ {limits} }}\n", attackers=hosts) as site:
        with site.attack("an agent with long labels", limit=BYTES_OF_AN_AGENT, memory=16 * MB + 2 * OF_EACH_BYTES) as attack:
            assert "(ingest.agent.max_label_bytes)" in fat(site, "web-01", 2 * OF_EACH_BYTES)
            assert OF_EACH_BYTES - 100_000 < bytes_of(site, "web-01") <= OF_EACH_BYTES
            assert written(site, "web-01", "up", 1) == (0, "")
            attack.told = f"400, {OF_EACH_BYTES:,} bytes are kept"
        others = iter(hosts[1:])
        with site.attack("agents with long labels", limit=BYTES_OF_ALL, memory=16 * MB + 2 * OF_ALL_BYTES) as attack:
            text = ""
            while "the rest is for senders with fewer: ingest.max_label_bytes" not in text:
                text = fat(site, next(others), OF_EACH_BYTES - 100_000)
            count = len(senders(site))
            assert fat(site, next(others), OF_ALL_BYTES // (count + 2) - 20_000) == ""
            while "(ingest.max_label_bytes)" not in text:
                text = fat(site, next(others), OF_EACH_BYTES - 100_000)
            assert sum(bytes_of(site, host) for host in senders(site)) <= OF_ALL_BYTES
            attack.told = f"400, {OF_ALL_BYTES:,} bytes are kept"


@pytest.mark.skipif(not os.path.exists(LIBRARY), reason="lapwing-fast-clock.so is not built")
def test_new_series_every_hour():
    """An hour without samples passes by a leap of the collector's clocks."""
    new = 1000
    made = AttackedSite("ingest: { max_series: 2000, max_kept_series: 3000 }\nrules: []\n")
    clock = Clock(Time(time.time(), 1), made.collector.path("clock"))
    made.collector.environment = clock.environment
    hour = 0

    def churn():
        connection = site.attacker()
        at = now_ms() + hour * 4_800_000
        answer = connection.write([({"__name__": "churn", "hour": str(hour), "i": str(i)}, [(at, 1.0)]) for i in range(new)])
        connection.close()
        return answer

    def pass_an_hour():
        nonlocal hour
        for quarter in range(1, 5):
            clock.leap(hour * 4800 + quarter * 1200)
            time.sleep(0.5)
        hour += 1

    with made as site:
        with site.attack("1,000 new series every hour", limit=IDLE, memory=24 * MB) as attack:
            assert churn().status == 204
            pass_an_hour()
            site.until(lambda: senders(site).get("web-01", 0) == 0)
            assert churn().status == 204
            at = time.time() + hour * 4800
            assert site.collector.query('count(count_over_time(churn{hour="0"}[3h]))', at)[0]["value"][1] == str(new)
            attack.told = "the old ones have left memory"
        with site.attack("new series every hour, until the store keeps no more", limit=KEPT, memory=24 * MB) as attack:
            pass_an_hour()
            site.until(lambda: senders(site).get("web-01", 0) == 0)
            answer = churn()
            assert answer.status == 400 and b"the store keeps 3000 already (ingest.max_kept_series)" in answer.body, answer.body
            attack.told = "400"
