"""A second load balancer with a moving address ends R1. A rule that stops the address from moving brings R1 back."""

import contextlib
import re

import pytest
from lab import api, fault, findings, inside, note, svc, until, value

ENTRY = "10.77.0.100"


def ids():
    return {(each["id"], each["subject"]) for each in findings()}


def holders():
    return {host for host in ("lb-01", "lb-02") if f" {ENTRY}/" in inside(host, "ip", "-4", "address", "show", "eth0")}


def served():
    return inside("client", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", f"http://{ENTRY}/",
                  check=False).stdout == "200"


def works(component):
    found = {each["id"]: each["works"] for each in api("/api/lapwing/v1/topology")["data"]["components"]}
    return found.get(component)


def nothing_wrong_with_the_balancers():
    found = {each for each in ids() if each[0] in ("R1", "R8", "R9")}
    assert not found, found
    assert works("haproxy@lb-01") == "yes" and works("haproxy@lb-02") == "yes"
    return True


@contextlib.contextmanager
def rules(host, *lines):
    """Loads a table of its own in the host for the length of the block."""
    try:
        inside(host, "nft", "-f", "-", text="table inet way { chain before { type filter hook input priority -1;\n" +
               "\n".join(lines) + "\n}\n}\n")
        yield
    finally:
        inside(host, "nft", "delete", "table", "inet", "way", check=False)


@pytest.fixture(scope="module", autouse=True)
def second_load_balancer():
    with fault("second-load-balancer"):
        yield


def test_r1_goes_with_a_second_load_balancer():
    until(nothing_wrong_with_the_balancers, 120, "no R1, R8 or R9")
    read = next(each for each in api("/api/lapwing/v1/topology")["data"]["services"] if each["name"] == "read")
    # Whether pages need the database that an application is connected to is not known.
    singles = {each["components"][0] for each in read["design"] if len(each["components"]) == 1 and each["confidence"] == "confirmed"}
    assert not singles, singles
    assert value(f'keepalived_vrrp_state{{instance="lb-01",ip_address="{ENTRY}"}}') == 2
    assert value(f'keepalived_vrrp_state{{instance="lb-02",ip_address="{ENTRY}"}}') == 1


def test_blocking_protocol_112_brings_it_back():
    with rules("lb-02", "ip protocol vrrp drop"):
        def found():
            assert {("R1", "haproxy@lb-01"), ("R8", ENTRY), ("R9", "haproxy@lb-02")} <= ids(), ids()
            return True
        until(found, 120, "R1, R8 and R9")
        [standby] = findings(id="R9")
        assert standby["severity"] == "high" and "meta l4proto 112 accept" in standby["remedy"], standby
        assert any("112" in each["text"] and each["source"] == "ruleset of lb-02" for each in standby["evidence"]), standby
        [single] = findings(id="R1")
        assert single["severity"] == "critical" and single["confidence"] == "confirmed", single
    until(nothing_wrong_with_the_balancers, 120, "no R1, R8 or R9 after the rule is gone")


@pytest.mark.long
def test_the_other_takes_over():
    svc("lb-01", "haproxy", "stop")
    try:
        until(lambda: holders() == {"lb-02"}, 20, "the address on lb-02")
        until(served, 10, "the site is served by lb-02")
        until(lambda: ("R9", "haproxy@lb-01") in ids(), 60, "R9 about the one that stopped")
        assert ("R9", "haproxy@lb-02") not in ids() and ("R8", ENTRY) not in ids(), ids()
    finally:
        svc("lb-01", "haproxy", "start")
    until(lambda: holders() == {"lb-01"}, 30, "the address on lb-01 again")
    until(nothing_wrong_with_the_balancers, 60, "no R1, R8 or R9")


@pytest.mark.long
def test_a_keepalived_that_does_not_run():
    svc("lb-02", "keepalived", "stop")
    try:
        until(lambda: {("R1", "haproxy@lb-01"), ("R9", "haproxy@lb-02")} <= ids(), 90, "R1 and R9")
        svc("lb-01", "keepalived", "stop")
        until(lambda: ("R8", ENTRY) in ids(), 90, "R8: nobody holds the address")
        [nobody] = findings(id="R8")
        assert nobody["title"] == f"Nobody holds {ENTRY}", nobody
    finally:
        for host in ("lb-01", "lb-02"):
            svc(host, "keepalived", "start")
    until(nothing_wrong_with_the_balancers, 90, "no R1, R8 or R9")


@pytest.mark.long
def test_what_differs():
    """R9 and R14: a line in haproxy.cfg of the standby, a file of one application."""
    inside("lb-02", "sh", "-c", "echo '# other' >>/etc/haproxy/haproxy.cfg")
    inside("web-02", "sh", "-c", "echo '# other' >>/srv/app/site_app.py")
    try:
        until(lambda: {("R9", "haproxy@lb-02"), ("R14", "web-01 and web-02")} <= ids(), 300, "R9 and R14")
        [app] = findings(id="R14")
        assert any(re.search(r"application: /srv/app/site_app\.py differs", each["text"]) for each in app["evidence"]), app
        [balancer] = findings(id="R9")
        assert any("/etc/haproxy/haproxy.cfg differs" in each["text"] for each in balancer["evidence"]), balancer
    finally:
        inside("lb-02", "sed", "-i", "$d", "/etc/haproxy/haproxy.cfg")
        inside("web-02", "sed", "-i", "$d", "/srv/app/site_app.py")
    until(lambda: not {"R9", "R14"} & {each[0] for each in ids()}, 150, "R9 and R14 gone")


@pytest.mark.long
def test_a_healthy_hardened_redundant_site_has_no_finding_above_info():
    hosts = ("lb-01", "lb-02", "web-01", "web-02", "monitor")

    def remedies():
        found = {(each["subject"], each["id"]): each["remedy"] for each in findings() if each["id"] in ("F1", "F13")}
        assert set(found) == {(host, id) for host in hosts for id in ("F1", "F13")}, sorted(found)
        # The rules name every address of a host until attempts show which one it uses.
        early = [host for (host, id), text in found.items() if id == "F1" and re.search(r"10\.77\.0\.1[12]\d", text)]
        assert not early, early
        return found

    try:
        for (host, _), text in until(remedies, 300, "remedies for each host").items():
            inside(host, "nft", "-f", "-", text=text)

        def only_info():
            left = [f"{each['id']} {each['subject']} {each['severity']}" for each in findings() if each["severity"] != "info"]
            assert not left, ", ".join(sorted(left))
            return True
        until(only_info, 180, "nothing above info")
        note("left: " + ", ".join(" ".join(each) for each in sorted(ids())))
        assert served() and holders() == {"lb-01"}
    finally:
        for host in hosts:
            for table in ("lapwing", "lapwing_output"):
                inside(host, "nft", "delete", "table", "inet", table, check=False)
