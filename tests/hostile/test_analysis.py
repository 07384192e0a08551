"""Agents that describe a site which the analysis cannot finish: too many parts, too many ways, too many targets, documents too large."""

import hashlib
import json
import re
import zlib

import pytest
from attacks import MB, AttackedSite
from harness import LONG, now_ms

ROUND = "a round of the analysis"
PAIRS = "search for pairs of failures that stop a service"
CHAINS = "ways through web servers that pass requests to web servers"
TARGETS = "targets that one agent tries"
TEXTS = "a ruleset, an inventory or an error text that the analysis reads"
HONEST_P99 = 2.0  # seconds; the machine of the test may be busy
PATIENCE = 600  # seconds; a round that takes five of processor time takes minutes on a busy machine
HOSTS = [f"web-{i:02d}" for i in range(1, 13)]
CONFIG = "site: { entry: [ 'http://10.77.0.10/' ] }\n"


@pytest.fixture
def site():
    with AttackedSite(CONFIG, attackers=HOSTS) as attacked:
        yield attacked


def sample(name, value=1.0, **labels):
    return ({"__name__": name, **labels}, [(now_ms(), float(value))])


def write(site, host, series):
    """Stores all of them."""
    connection = site.attacker(host)
    for first in range(0, len(series), 10_000):
        answer = connection.write(series[first : first + 10_000])
        assert answer.status == 204, (answer.status, answer.body[-300:])
    connection.close()


def agent(host, number, ports=(80,)):
    """What the agent on a web server says of it."""
    here = {"instance": host}
    return [
        sample("lapwing_agent_info", job="agent", version="1", **here),
        sample("lapwing_agent_address_info", job="agent", address=f"10.77.1.{number}", family="ipv4", interface="eth0", **here),
        sample("up", job="sockets", **here), sample("up", job="firewall", **here),
        *[sample("lapwing_listener_info", job="sockets", protocol="tcp", family="ipv4", address="0.0.0.0", port=str(port), process="nginx", **here) for port in ports],
    ]


def server(proxy, name, address):
    """A server of the load balancer lb-01."""
    labels = {"instance": "lb-01", "job": "haproxy", "proxy": proxy, "server": name, "via": "http"}
    return [sample("haproxy_server_status", state="UP", **labels), sample("lapwing_haproxy_server_info", address=address, role="active", check="L7", **labels)]


def balancer():
    return [sample("up", instance="lb-01", job="haproxy", via="http")]


def pools(count):
    """So many pools of two servers each: two failures stop any of them."""
    out = balancer()
    for i in range(count):
        for side in ("left", "right"):
            out += server(f"p{i:05d}", f"{side}-{i:05d}", f"10.{len(side)}.{i // 250}.{i % 250 + 1}:80")
    return out


def rounds(site, result):
    for line in site.collector.people("/metrics").body.decode().splitlines():
        if line.startswith("lapwing_analysis_rounds_total{") and f'"{result}"' in line:
            return float(line.rsplit(" ", 1)[1])
    return 0


def findings(site):
    return {(each["id"], each["subject"]) for each in site.collector.people("/api/lapwing/v1/findings").json()["data"]}


def not_assessed(site):
    """What the services list as not assessed."""
    services = site.collector.people("/api/lapwing/v1/topology").json()["data"]["services"]
    return {text for service in services for text in service["not_assessed"]}


def test_more_pairs_of_failures_than_are_tried_and_a_round_without_end(site):
    some, many = 650, 10_000 if LONG else 2500
    write(site, "web-01", agent("web-01", 1))
    with site.attack(f"a load balancer with {some:,} pools of two servers", limit=PAIRS, memory=128 * MB, p99=HONEST_P99) as attack:
        write(site, "web-02", pools(some))
        site.until(lambda: "some pairs of failures: the site is too large to try them all" in not_assessed(site), PATIENCE)
        attack.told = "not assessed: some pairs"
    known = findings(site)
    with site.attack(f"a load balancer with {many:,} pools of two servers", limit=ROUND, memory=512 * MB, p99=HONEST_P99) as attack:
        write(site, "web-02", pools(many))
        site.until(lambda: rounds(site, "unfinished") > 0, PATIENCE)
        assert re.search(r"not finished after 5000 ms of processor time for (one host|\d+ hosts); the findings stay as they were", site.collector.log_text())
        assert known <= findings(site), known - findings(site)
        assert site.collector.people("/api/v1/rules").status == 200
        attack.told = "the findings stay"


def route(host, upstream, address):
    return sample("lapwing_nginx_route_info", instance=host, job="inventory", port="80", server_names="", default_server="yes", upstream=upstream, address=address, role="active")


def test_web_servers_that_all_pass_requests_to_each_other(site):
    with site.attack(f"{len(HOSTS)} web servers that all pass requests to each other", limit=CHAINS, memory=384 * MB, p99=HONEST_P99) as attack:
        for number, host in enumerate(HOSTS, 1):
            others = [route(host, "all", f"10.77.1.{other}:80") for other in range(1, len(HOSTS) + 1) if other != number]
            write(site, host, [*agent(host, number), *others])
        write(site, "web-01", [*balancer(), *[line for number, host in enumerate(HOSTS, 1) for line in server("web", host, f"10.77.1.{number}:80")]])
        site.until(lambda: "web servers behind further web servers: there are too many ways" in not_assessed(site), PATIENCE)
        assert rounds(site, "unfinished") == 0
        attack.told = "not assessed: too many ways"


def put(site, host, kind, text):
    """Stores a document, in parts if need be. Returns its digest."""
    digest = hashlib.sha256(text).hexdigest()
    body = b"LWZ1" + zlib.compress(text, 9)
    assert len(body) <= MB, len(body)
    answer = site.attacker(host).post(f"/api/lapwing/v1/documents?kind={kind}", body, {})
    assert answer.status == 200 and answer.body.decode().strip() == digest, (answer.status, answer.body)
    return digest


def ruleset(size, entry):
    return b'{"nftables":[' + entry * (size // len(entry)) + b"{}]}"


RULE = b'{"rule":{"family":"ip","table":"t","chain":"c","expr":[{"accept":null}]}},'


def try_many_ports(site):
    ports = 20_000
    with site.attack(f"a host that says that it listens on {ports:,} ports", limit=TARGETS, memory=128 * MB, p99=HONEST_P99) as attack:
        for number, host in enumerate(HOSTS[4:8], 5):
            write(site, host, agent(host, number, range(1000, 1000 + ports) if number == 5 else (80, 443)))

        def targets(host):
            connection = site.attacker(host)
            answer = connection.get_answer("/api/lapwing/v1/assignments?version=")
            connection.close()
            assert answer.status == 200 and len(answer.body) < 128 * 1024, (answer.status, len(answer.body))
            return [each["host"] for each in json.loads(answer.body)["attempts"]]

        site.until(lambda: all(targets(host) for host in HOSTS[4:8]), 60)
        tried = {host: targets(host) for host in HOSTS[4:8]}
        assert all(len(each) <= 256 for each in tried.values()), {host: len(each) for host, each in tried.items()}
        assert any(len(each) == 256 for each in tried.values()), {host: len(each) for host, each in tried.items()}
        # All agents together try every host.
        assert {host for each in tried.values() for host in each} >= set(HOSTS[4:8]), tried
        attack.told = "256 each"


def test_documents_and_ports_that_the_analysis_reads(site):
    """Two agents name rulesets, an inventory and an error text; what is too large stays unknown. Another listens on very many ports."""
    write(site, "web-03", agent("web-03", 3))
    before = rounds(site, "complete")
    large, entries = 17 * MB, 2 * MB
    with site.attack("rulesets of 17 MB and of 30,000 rules, an inventory of 5 MB, error texts of 2 MB", limit=TEXTS, memory=8 * MB + 6 * entries + 64 * MB, p99=HONEST_P99) as attack:
        named = {"web-01": put(site, "web-01", "ruleset", ruleset(large, RULE)), "web-02": put(site, "web-02", "ruleset", ruleset(entries, RULE))}
        inventory = put(site, "web-01", "inventory", b"/etc/x 0644\n" * (5 * MB // 12))
        error = put(site, "web-01", "mysql_error", b"no space left on device " * (2 * MB // 24))
        for number, (host, digest) in enumerate(named.items(), 1):
            write(site, host, [*agent(host, number), sample("lapwing_ruleset_info", instance=host, job="firewall", digest=digest)])
        write(site, "web-01", [sample("lapwing_inventory_info", instance="web-01", job="inventory", set="packages", digest=inventory),
                               sample("mysql_up", instance="web-01", job="mysql"), sample("up", instance="web-01", job="mysql"),
                               sample("lapwing_mysql_replica_error_info", instance="web-01", job="mysql", channel_name="", thread="applier", errno="1", digest=error)])
        try_many_ports(site)
        site.until(lambda: rounds(site, "complete") >= before + 2, PATIENCE)
        assert not {each for each in findings(site) if each[0] != "F14" and "web-01" in each[1]}, findings(site)
        assert rounds(site, "unfinished") == rounds(site, "failed") == 0
        attack.told = "unknown"
