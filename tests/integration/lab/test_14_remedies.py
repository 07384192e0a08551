"""Each remedy of a firewall finding, applied to the letter, ends its finding and breaks nothing."""

import contextlib
import re

import pytest
from lab import findings, haproxy_with, inside, query, until, value

WEB = ("web-01", "web-02")


def ids():
    return {(each["id"], each["subject"]) for each in findings()}


def remedy_of(id, subject):
    def there():
        return next((each for each in findings(id=id) if each["subject"] == subject), None)
    return until(there, 150, f"{id} {subject}")["remedy"]


def gone(*unwanted, seconds=150):
    def away():
        left = {each for each in ids() if each in unwanted or each[0] in unwanted}
        assert not left, f"still {sorted(left)}"
        return True
    until(away, seconds, f"no findings {unwanted}")


def ruleset_in(remedy):
    """The rules that the remedy writes to a file. test_17_booted_remedies.py executes the whole of it."""
    found = re.search(r"^cat >\S+\.nft <<'END'\n(.*?)^END$", remedy, re.M | re.S)
    assert found, remedy
    return found[1]


def load(host, text):
    inside(host, "nft", "-f", "-", text=text)


@contextlib.contextmanager
def afterwards_without(host, *tables):
    try:
        yield
    finally:
        for table in tables:
            inside(host, "nft", "delete", "table", *table.split(), check=False)


def works():
    assert inside("client", "curl", "-fsS", "-m", "5", "-o", "/dev/null", "http://10.77.0.10/", check=False).returncode == 0
    assert value('mysql_slave_status_slave_io_running{instance="web-02"}') == 1
    down = [each["metric"] for each in query("up == 0")]
    assert not down, down
    return True


def test_default_deny_and_what_may_go_out():
    """F1 and F13 end, and F2 and F4 with them. The site and its monitoring go on."""
    with contextlib.ExitStack() as undo:
        for host in WEB:
            undo.enter_context(afterwards_without(host, "inet lapwing", "inet lapwing_output"))
            load(host, ruleset_in(remedy_of("F1", host)))
            load(host, ruleset_in(remedy_of("F13", host)))
        gone(*[(id, subject) for host in WEB for id, subject in
               (("F1", host), ("F13", host), ("F2", f"mysql@{host}"), ("F4", f"nginx@{host}"))])
        until(works, 30, "the site works")
        # Only a new connection shows a dropped flow.
        inside("web-02", "mariadb", text="STOP SLAVE; START SLAVE;")
        until(works, 30, "the site works, and the replica connects again")
        wrong = {each for each in ids() if each[0] == "F9" and each[1].endswith(WEB)}
        assert not wrong, wrong

        # F9: a rule keeps the load balancer out, and the remedy's commands let it in again.
        inside("web-01", "nft", "insert rule inet lapwing input ip saddr 10.77.0.10 tcp dport 80 drop")
        commands = [line for line in remedy_of("F9", "tcp/80@web-01").splitlines() if line.startswith("nft ")]
        assert commands, "no command in F9's remedy"
        for command in commands:
            inside("web-01", *command.split())
        gone(("F9", "tcp/80@web-01"))
    until(lambda: {("F1", host) for host in WEB} <= ids(), 180, "F1 again without the rules")


@pytest.mark.long
@pytest.mark.parametrize("names", ["web-01 and web-02", "s1 and s2"])
def test_a_load_balancer_that_shows_no_addresses(names):
    """Without `stats show-legends`: the remedies say what they do not know, and close no flow that is in use."""
    edits = ["/show-legends/d"] + (["s/server web-0/server s/"] if names == "s1 and s2" else [])
    with haproxy_with(*edits), contextlib.ExitStack() as undo:
        until(lambda: not query('lapwing_haproxy_server_info{via="http",address!=""}'), 60, "no addresses")

        def told():
            remedy = remedy_of("F1", "web-01")
            first = remedy.splitlines()[0]
            if names == "s1 and s2":
                assert "Incomplete" in first and "stats show-legends" in first, first
            assert "ip saddr" in remedy and "10.77.0.10" in remedy, remedy
            return True
        until(told, 90, "F1 names the load balancer by its connections")
        for host in WEB:
            undo.enter_context(afterwards_without(host, "inet lapwing"))
            load(host, ruleset_in(remedy_of("F1", host)))
        inside("web-02", "mariadb", text="STOP SLAVE; START SLAVE;")
        # HAProxy's checks make a new connection every two seconds.
        until(lambda: not query('haproxy_server_status{state="DOWN"} == 1'), 30, "no server is down")
        until(works, 30, "the site works, and the replica connects again")
        for _ in range(20):
            assert inside("client", "curl", "-fsS", "-m", "5", "-o", "/dev/null", "http://10.77.0.10/", check=False).returncode == 0


@pytest.mark.long
def test_legacy_beside_nftables():
    """F12 ends once the legacy rules are rules of nftables."""
    with afterwards_without("web-02", "inet some", "ip legacy_filter"):
        load("web-02", "table inet some { chain c { type filter hook input priority 0; policy accept; tcp dport 9 drop; }; }\n")
        inside("web-02", "iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "10", "-j", "DROP")
        try:
            remedy = remedy_of("F12", "web-02")
            inside("web-02", "bash", text=remedy[remedy.index("# 1. "):remedy.index("# 3. ")])
            assert "tcp dport 10 counter" in inside("web-02", "nft", "list", "table", "ip", "legacy_filter")
            gone(("F12", "web-02"))
        finally:
            inside("web-02", "iptables-legacy", "-F")
            inside("web-02", "rm", "-rf", "/etc/nftables.d")


@pytest.mark.long
def test_a_list_of_what_is_denied():
    """F8 ends with a default."""
    with afterwards_without("web-02", "inet denied", "inet lapwing"):
        load("web-02", "table inet denied { chain c { type filter hook input priority 0; policy accept; tcp dport 111 drop; }; }\n")
        load("web-02", ruleset_in(remedy_of("F8", "web-02")))
        gone(("F8", "web-02"))
        until(works, 30, "the site works")


@pytest.mark.long
def test_ipv4_alone_is_filtered():
    """F6 ends with rules for both families."""
    with afterwards_without("web-02", "ip only", "inet lapwing"):
        inside("web-02", "ip", "address", "add", "fd77::12/64", "dev", "eth0", "nodad")
        server = inside("web-02", "sh", "-c", "socat TCP6-LISTEN:8443,fork,reuseaddr - </dev/null >/dev/null 2>&1 & echo $!").strip()
        try:
            load("web-02", """table ip only { chain c { type filter hook input priority 0; policy drop;
                iif lo accept; ct state established,related accept; icmp type echo-request accept; ip saddr 10.77.0.0/24 tcp dport { 80, 3306 } accept; }; }\n""")
            load("web-02", ruleset_in(remedy_of("F6", "web-02")))
            gone(("F6", "web-02"))
        finally:
            inside("web-02", "kill", server)
            inside("web-02", "ip", "address", "delete", "fd77::12/64", "dev", "eth0")


@pytest.mark.long
def test_a_published_port():
    """F7: a published port, like a container's, bypasses the rules of the input hook."""
    forwards = inside("web-02", "sysctl", "-n", "net.ipv4.ip_forward").strip()
    with afterwards_without("web-02", "ip published", "inet lapwing_forward"):
        inside("web-02", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        try:
            load("web-02", """table ip published {
                chain p { type nat hook prerouting priority dstnat; tcp dport 8081 dnat to 10.77.0.11:8000; };
                chain s { type nat hook postrouting priority srcnat; ip daddr 10.77.0.11 masquerade; }; }\n""")
            load("web-02", ruleset_in(remedy_of("F7", "tcp/8081@web-02")))
            gone(("F7", "tcp/8081@web-02"))
        finally:
            inside("web-02", "sysctl", "-q", "-w", f"net.ipv4.ip_forward={forwards}")


@pytest.mark.long
def test_the_statistics_page():
    """F3 depends on the content that the page shows to strangers. The remedy ends it, and the agent can still read the page."""
    subject = "haproxy@lb-01"

    def shows(severity, title):
        def there():
            return next((each for each in findings(id="F3") if each["subject"] == subject
                         and each["severity"] == severity and each["confidence"] == "confirmed" and title in each["title"]), None)
        return until(there, 150, f"F3 for {subject}, {severity}")

    shows("high", "open to anybody")
    with haproxy_with("/stats enable/a\\    stats admin if TRUE"):
        shows("critical", "open to anybody")
    with haproxy_with("/stats enable/a\\    stats auth watch:secret"):
        shows("medium", "try passwords")
    remedy = shows("high", "open to anybody")["remedy"]
    with afterwards_without("lb-01", "inet lapwing_ports"):
        load("lb-01", ruleset_in(remedy))
        gone(("F3", subject))
        until(works, 30, "the site works, and the statistics are read")
    shows("high", "open to anybody")
