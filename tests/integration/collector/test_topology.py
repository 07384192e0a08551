"""Dependencies from the API and outages from `lapwing-collector whatif`, on a running collector."""

import json

import pytest
from harness import Collector, now_ms
from sink import eventually

collector = Collector("site: { entry: [ http://10.77.0.10/ ], replication: [ { primary: web-01, replica: web-02 } ] }\n")
bundles = {}
ADDRESSES = {"web-01": "10.77.0.11", "web-02": "10.77.0.12"}


def samples(host, states):
    yield "lapwing_agent_info", {"job": "agent", "machine_id": host}, 1
    yield "lapwing_agent_address_info", {"job": "agent", "address": ADDRESSES[host], "family": "ipv4", "interface": "eth0"}, 1
    yield "nginx_up", {"job": "nginx"}, 1
    yield "probe_success", {"job": "app", "url": "http://127.0.0.1:8000/"}, 1
    yield "mysql_up", {"job": "mysql"}, 1
    if host == "web-01":
        yield "up", {"job": "haproxy", "instance": "lb-01", "via": "http"}, 1
        for server, state in states.items():
            here = {"job": "haproxy", "instance": "lb-01", "via": "http", "proxy": "web", "server": server}
            yield "lapwing_haproxy_server_info", {**here, "address": ADDRESSES[server] + ":80", "role": "active", "check": "L7"}, 1
            for each in ("UP", "DOWN"):
                yield "haproxy_server_status", {**here, "state": each}, float(each == state)


def write(states):
    for host, bundle in bundles.items():
        series = [({"__name__": name, "instance": host, **labels}, [(now_ms(), float(value))])
                  for name, labels, value in samples(host, states)]
        answer = collector.agent(bundle).write(series)
        assert answer.status == 204, (answer.status, answer.body)


def topology():
    return collector.people("/api/lapwing/v1/topology").json()["data"]


def singles(service, view):
    [found] = [s for s in topology()["services"] if s["name"] == service]
    return {tuple(c["components"]) for c in found[view] if len(c["components"]) == 1}


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        bundles.update((host, collector.enrol(host)) for host in ADDRESSES)
        collector.start()
        yield
    finally:
        collector.close()


def test_the_topology_says_what_hangs_on_what():
    write({"web-01": "UP", "web-02": "UP"})
    eventually(lambda: any(c["id"] == "haproxy@lb-01" for c in topology()["components"]), "lb-01", 40)
    data = topology()
    assert all(edge["evidence"] and edge["evidence"][0]["source"] for edge in data["edges"]), data["edges"]
    assert {(e["from"], e["to"]) for e in data["edges"] if e["kind"] == "balances"} == {
        ("haproxy@lb-01", "web@web-01"), ("haproxy@lb-01", "web@web-02")}
    # Whether an application asks another database is not known.
    assert singles("read", "design") == {("haproxy@lb-01",), ("lb-01",), ("mysql@web-01",), ("mysql@web-02",)}
    assert {("mysql@web-01",), ("web-01",)} < singles("write", "design")
    found = collector.query('lapwing_topology_cut_set_info{service="read",view="design",size="1"}')
    assert {(s["metric"]["components"], s["metric"]["confidence"]) for s in found} == {
        ("haproxy@lb-01", "confirmed"), ("lb-01", "confirmed"), ("mysql@web-01", "suspected"), ("mysql@web-02", "suspected")}, found


def test_what_if_answers_for_people_and_programs():
    lost = collector.run("whatif", "web-01")
    assert lost.returncode == 1 and "reading over HTTP: still works" in lost.stdout and "writing over HTTP: STOPS" in lost.stdout, lost
    answer = json.loads(collector.run("whatif", "haproxy@lb-01", "--add", "haproxy@lb-02", "--json").stdout)["data"]
    [read] = [s for s in answer["services"] if s["name"] == "read"]
    assert (read["before"], read["after"]) == ("yes", "yes"), read
    second = collector.run("whatif", "--add", "haproxy@lb-02")
    assert second.returncode == 0 and "reading over HTTP: still works\n  single points then: mysql@web-01 (suspected), mysql@web-02 (suspected)\n" in second.stdout, second


def test_what_does_not_exist_is_refused_with_the_names_that_do():
    wrong = collector.run("whatif", "web-09")
    assert wrong.returncode == 2 and 'no component "web-09"' in wrong.stderr and "haproxy@lb-01" in wrong.stderr, wrong
    wrong = collector.run("whatif", "--add", "teapot@web-01")
    assert wrong.returncode == 2 and "haproxy, web, mysql and watchdog" in wrong.stderr, wrong
    assert collector.run("whatif").returncode == 2
    assert collector.people("/api/lapwing/v1/whatif?component=%00%1b").status == 400


def test_a_server_that_is_down_makes_the_other_a_single_point_now():
    write({"web-01": "UP", "web-02": "DOWN"})
    eventually(lambda: ("web@web-01",) in singles("read", "now"), "web-01 as a single point", 40)
    assert ("web@web-01",) not in singles("read", "design")
    found = collector.people("/api/lapwing/v1/findings").json()["data"]
    assert {"R2", "R4"} <= {f["id"] for f in found}, found
    write({"web-01": "UP", "web-02": "UP"})
    eventually(lambda: not {"R2", "R4"} & {f["id"] for f in collector.people("/api/lapwing/v1/findings").json()["data"]}, "the end of R2 and R4", 40)


def test_remedies_are_printed_as_lines_that_can_be_pasted():
    told = json.loads(collector.run("findings", "--json").stdout)["data"]
    remedies = [each["remedy"] for each in told]
    assert any("\n" in each for each in remedies), remedies
    printed = collector.run("findings").stdout
    for each in remedies:
        assert "\n  Remedy:\n\n" + each.rstrip("\n") + "\n" in printed, each
