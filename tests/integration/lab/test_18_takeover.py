"""Whether the address moves when HAProxy stops: findings and `whatif` against the truth, for several configurations of keepalived.
And R1's remedy, executed word for word."""

import contextlib
import re
import shutil
import threading
import time

import pytest
from lab import STATE, api, fault, findings, inside, query, svc, until

ENTRY = "10.77.0.100"
HOSTS = ("lb-01", "lb-02")
CONFIG = "/etc/keepalived/keepalived.conf"

# name: sed expressions for lb-01 and lb-02; what is expected: "moves", "stays" (HAProxy stops, and the site with it), "apart" (the two do
# not hear each other, and both hold the address), "both" (both hold it once HAProxy stops); words of the evidence.
BOTH = {
    "weight 2": (["/rise 2/a weight 2"] * 2, "stays", "lb-01 has priority 152. When its check \"haproxy\" fails it still has 150, more than lb-02's 102"),
    "weight -60": (["/rise 2/a weight -60"] * 2, "moves", ""),
    "weight -50": (["/rise 2/a weight -50"] * 2, "stays", "it has 100, as much as lb-02"),
    "no track": (["/track_script {/,/}/d"] * 2, "stays", "it tracks no script and no process"),
    "another program": (["s/pgrep -x haproxy/pgrep -x keepalived/"] * 2, "stays", "looks at keepalived"),
    "a script": (["s|/usr/bin/pgrep -x haproxy|/etc/keepalived/check.sh|"] * 2, "unknown", "looks at something that Lapwing cannot read (/etc/keepalived/check.sh)"),
    "a script that is not there": (["s|/usr/bin/pgrep -x haproxy|/etc/keepalived/gone.sh|"] * 2, "stays", "/etc/keepalived/gone.sh does not exist"),
    "nopreempt": (["/rise 2/a weight -60", "s/state MASTER/state BACKUP/", "/advert_int/a nopreempt"], "stays", "but lb-02 has `nopreempt`"),
    "unicast": (["/advert_int/a unicast_peer { 10.77.0.13 }", "/advert_int/a unicast_peer { 10.77.0.10 }"], "moves", ""),
    "unicast, wrong peer": (["/advert_int/a unicast_peer { 10.77.0.99 }", "/advert_int/a unicast_peer { 10.77.0.10 }"], "apart", "10.77.0.99 (unicast_peer), which lb-02 does not have"),
    "unicast, wrong peer of the standby": (["/advert_int/a unicast_peer { 10.77.0.13 }", "/advert_int/a unicast_peer { 10.77.0.99 }"], "moves", ""),
    "the standby's rules drop VRRP": ([None, None], "apart", "keeps VRRP (protocol 112) out from lb-01"),
    "the active host's rules drop VRRP": ([None, None], "moves", ""),
    "the active host's rules drop VRRP, weight -60": (["/rise 2/a weight -60"] * 2, "both", "keeps VRRP (protocol 112) out from lb-02"),
    "another router": ([None, "s/virtual_router_id 51/virtual_router_id 52/"], "apart", "its virtual_router_id is 52, that of lb-01 is 51"),
    "another password": ([None, "s/lapwing1/lapwing2/"], "apart", "its authentication (auth_type or auth_pass) differs from that of lb-01"),
    "another version": ([None, "/advert_int/a version 3"], "apart", "its version is 3, that of lb-01 is 2"),
}
QUICK = ("weight 2", "weight -60")
# The host whose rules drop protocol 112.
BLOCKED = {"the standby's rules drop VRRP": "lb-02", "the active host's rules drop VRRP": "lb-01",
           "the active host's rules drop VRRP, weight -60": "lb-01"}
DROPS_VRRP = "table inet blocked { chain in { type filter hook input priority 0; meta l4proto 112 drop; }; }"


def holders(address=ENTRY):
    return {host for host in HOSTS if f" {address}/" in inside(host, "ip", "-4", "address", "show", "eth0")}


def answers(address=ENTRY):
    return inside("client", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-m", "2", f"http://{address}/", check=False).stdout == "200"


def found(id, subject):
    return next((each for each in findings(id=id) if each["subject"] == subject), None)


def reading(component):
    """whatif: whether reading still works without the component."""
    services = api(f"/api/lapwing/v1/whatif?component={component}")["data"]["services"]
    return next(each for each in services if each["name"] == "read")["after"]


def restart(*units, hosts=HOSTS):
    for host in hosts:
        for unit in units:
            svc(host, unit, "stop")
    for host in hosts:
        for unit in units:
            svc(host, unit, "start")


@contextlib.contextmanager
def configured(edits, blocked=None):
    """keepalived on both hosts with edited configurations, for the length of the block. The rules of the host `blocked` drop VRRP."""
    original = {host: inside(host, "cat", CONFIG) for host in HOSTS}
    try:
        # Several expressions for both hosts, or one for each.
        lists = [[edits[0]], [edits[1]]] if len(edits) == 2 else [edits, edits]
        for host, expressions in zip(HOSTS, lists):
            inside(host, "sh", "-c", "printf '#!/bin/sh\\npgrep -x haproxy\\n' >/etc/keepalived/check.sh; chmod 755 /etc/keepalived/check.sh")
            for expression in filter(None, expressions):
                inside(host, "sed", "-i", expression, CONFIG)
        if blocked:
            inside(blocked, "nft", "-f", "-", text=DROPS_VRRP)
        restart("keepalived")
        # The helper reads the configuration again at once, not at the end of its interval.
        restart("snapshot")
        yield
    finally:
        if blocked:
            inside(blocked, "nft", "delete", "table", "inet", "blocked")
        for host, text in original.items():
            inside(host, "sh", "-c", f"cat >{CONFIG}", text=text)
        restart("keepalived")
        restart("snapshot")


@pytest.fixture(scope="module", autouse=True)
def second_load_balancer():
    with fault("second-load-balancer"):
        until(lambda: found("R1", "haproxy@lb-01") is None and holders() == {"lb-01"}, 120, "no R1")
        yield


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in BOTH])
def test_whatif_and_findings_say_what_happens(name):
    edits, expected, words = BOTH[name]
    with configured(edits, BLOCKED.get(name)):
        until(lambda: holders() == (set(HOSTS) if expected == "apart" else {"lb-01"}), 30, "the first holder")

        def told():
            single, standby = found("R1", "haproxy@lb-01"), found("R9", "haproxy@lb-02")
            if expected == "moves":
                assert not single and not standby, (single, standby)
                # The samples of the new configuration have arrived.
                assert reading("haproxy@lb-01") == "yes"
                return True
            assert single, findings()
            assert any(words in each["text"] for each in single["evidence"]), single["evidence"]
            if expected == "unknown":
                assert single["confidence"] == "suspected" and single["severity"] == "high", single
                assert not standby, standby
                assert reading("haproxy@lb-01") == "unknown"
                return True
            assert single["severity"] == "critical" and single["confidence"] == "confirmed", single
            assert standby and any(words in each["text"] for each in standby["evidence"]), standby
            assert reading("haproxy@lb-01") == "no"
            assert reading("lb-01") == ("yes" if expected in ("stays", "both") else "no")
            return True
        if expected == "moves":
            time.sleep(25)  # an analysis of the samples after the change
        until(told, 90, name)

        if expected == "apart":
            return  # which of the two the client reaches is not known
        svc("lb-01", "haproxy", "stop")
        try:
            if expected == "stays":
                time.sleep(10)
                assert holders() == {"lb-01"} and not answers()
            elif expected == "both":
                until(lambda: holders() == set(HOSTS), 20, "both hold the address")
            else:
                until(lambda: holders() == {"lb-02"} and answers(), 20, "the site is served by lb-02")
        finally:
            svc("lb-01", "haproxy", "start")


# The work of systemd and apt-get in the lab: the packages are installed, and `svc` starts units.
SYSTEMCTL = """#!/bin/bash
set -eu
name=$2
[ "$name" = lapwing-collector ] && name=collector
case $1 in
enable) ;;
restart | reload) svc "$name" stop; svc "$name" start ;;
*) echo "systemctl $*: not in the lab" >&2; exit 2 ;;
esac
"""


def blocks(remedy):
    """The commands for each host, as the finding prints them: from "# On HOST, as root:" to an empty line."""
    return [(match[1], match[2]) for match in re.finditer(r"^# On (\S+), as root:\n(.*?\n)(?=\n|\Z)", remedy, re.M | re.S)]


@contextlib.contextmanager
def requests(address):
    """Requests the site five times a second; yields the list of failures."""
    failed, over = [], threading.Event()

    def ask():
        while not over.wait(0.2):
            if not answers(address):
                failed.append(time.time())
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failed
    finally:
        over.set()
        thread.join()


DEFAULT_DENY = ("table inet own { chain in { type filter hook input priority 0; policy drop; ct state established,related accept;\n"
                "iif lo accept; tcp dport { 80, 8404 } accept; icmp type echo-request accept; }\n}\n")
FIREWALLD = """mkdir -p /run/dbus
dbus-daemon --system --fork
exec firewalld --nofork --nopid
"""
# How the remedy opens the firewall for VRRP.
PERMITS = {"none": None, "default deny": "nft 'insert rule", "nftables": "nft 'insert rule", "ufw": "ufw allow proto vrrp", "firewalld": 'protocol value="vrrp" accept'}


def boots(host, unit):
    """The agent sees an enabled unit."""
    wants = "/etc/systemd/system/multi-user.target.wants"
    inside(host, "mkdir", "-p", "/run/systemd/system", wants)
    inside(host, "ln", "-sf", f"/lib/systemd/system/{unit}", f"{wants}/{unit}")


def firewall_up(host, firewall):
    """A firewall that lets visitors in, and no VRRP."""
    etc = STATE / host / "etc"
    if firewall == "default deny":
        inside(host, "nft", "-f", "-", text=DEFAULT_DENY)
    elif firewall == "nftables":
        (etc / "nftables.conf").write_text("flush ruleset\n" + DEFAULT_DENY, encoding="utf-8")
        inside(host, "nft", "-f", "/etc/nftables.conf")
        boots(host, "nftables.service")
    elif firewall == "ufw":
        shutil.copytree("/etc/ufw", etc / "ufw")
        inside(host, "bash", "-euc", "ufw default deny incoming; ufw default allow outgoing; ufw allow 80/tcp; ufw allow 8404/tcp; ufw --force enable")
        boots(host, "ufw.service")
    elif firewall == "firewalld":
        shutil.copytree("/etc/firewalld", etc / "firewalld")
        (STATE / host / "srv/lab/firewalld.service").write_text(FIREWALLD, encoding="utf-8")
        svc(host, "firewalld", "start")
        until(lambda: inside(host, "firewall-cmd", "--state", check=False).returncode == 0, 30, f"firewalld on {host}")
        inside(host, "bash", "-euc", "firewall-cmd --permanent --add-port=80/tcp --add-port=8404/tcp; firewall-cmd --reload")
        boots(host, "firewalld.service")


def firewall_down(host, firewall):
    if firewall == "firewalld":
        svc(host, "firewalld", "stop")
    inside(host, "nft", "flush", "ruleset")
    if firewall in ("nftables", "ufw", "firewalld"):
        inside(host, "rm", "-rf", "/etc/systemd", "/run/systemd", "/etc/nftables.conf", "/etc/ufw", "/etc/firewalld")


@pytest.mark.parametrize("firewall", [pytest.param(name, marks=() if name == "none" else pytest.mark.long) for name in PERMITS])
def test_the_remedy_word_for_word(firewall):
    old = "10.77.0.10"
    collector = inside("monitor", "cat", "/etc/lapwing/collector.yaml")
    original = {host: inside(host, "cat", CONFIG) for host in HOSTS}
    try:
        for host in HOSTS:
            svc(host, "keepalived", "stop")
            inside(host, "rm", CONFIG)
            inside(host, "mkdir", "-p", "/etc/sysctl.d")
            firewall_up(host, firewall)
        restart("snapshot")
        until(lambda: not query('lapwing_vrrp_instance_info'), 60, "no keepalived.conf")
        inside("monitor", "sh", "-c", "cat >/etc/lapwing/collector.yaml", text=collector.replace(ENTRY, old))
        restart("collector", hosts=("monitor",))
        for host in (*HOSTS, "monitor"):
            inside(host, "sh", "-c", "cat >/srv/lab/systemctl; printf '#!/bin/sh\\n' >/srv/lab/apt-get; chmod 755 /srv/lab/systemctl /srv/lab/apt-get",
                   text=SYSTEMCTL)

        def remedy():
            finding = found("R1", "haproxy@lb-01")
            assert finding and "# On lb-02, as root:" in finding["remedy"] and "WRITE_" not in finding["remedy"], finding
            # One for each host, once both rulesets are known.
            assert not PERMITS[firewall] or finding["remedy"].count(PERMITS[firewall]) == 2, finding["remedy"]
            assert finding["remedy"].count("nft 'insert rule") == (2 if firewall in ("default deny", "nftables") else 0), finding["remedy"]
            return finding["remedy"]
        steps = blocks(until(remedy, 150, "R1 with complete steps"))
        assert [host for host, _ in steps] == ["lb-02", "lb-01", "monitor"], steps

        # It is an address that the site has not used lately.
        [new] = set(re.findall(r"^ *virtual_ipaddress {\n *(\S+)/32 ", steps[0][1] + steps[1][1], re.M))

        before = {host: inside(host, "ip", "-4", "-o", "address", "show", "eth0") for host in HOSTS}
        with requests(old) as failed:
            for host, commands in steps:
                inside(host, "bash", "-eu", text=commands)
            until(lambda: holders(new) == {"lb-01"}, 20, "the new address on lb-01")
            assert answers(new)
            until(lambda: not {"R1", "R8", "R9"} & {each["id"] for each in findings()}, 150, "no R1, R8, R9")
        assert not failed, failed
        assert reading("haproxy@lb-01") == "yes" and reading("lb-01") == "yes"
        svc("lb-01", "haproxy", "stop")
        try:
            until(lambda: holders(new) == {"lb-02"} and answers(new), 20, "the site is served by lb-02")
        finally:
            svc("lb-01", "haproxy", "start")
        until(lambda: holders(new) == {"lb-01"}, 20, "the address on lb-01 again")
        # The boot loads the permissions, too.
        reload = {"nftables": ["nft", "-f", "/etc/nftables.conf"], "ufw": ["ufw", "reload"], "firewalld": ["firewall-cmd", "--complete-reload"]}.get(firewall)
        if reload:
            for host in HOSTS:
                inside(host, *reload)
            restart("keepalived")
            until(lambda: holders(new) == {"lb-01"}, 20, "the address on lb-01 alone after the rules were loaded again")
        # keepalived takes nothing but the new address away.
        for host in HOSTS:
            svc(host, "keepalived", "stop")
        assert before == {host: inside(host, "ip", "-4", "-o", "address", "show", "eth0") for host in HOSTS}
        assert answers(old)
    finally:
        for host in HOSTS:
            svc(host, "keepalived", "stop")
            firewall_down(host, firewall)
            inside(host, "sh", "-c", f"cat >{CONFIG}; chmod 600 {CONFIG}", text=original[host])
            svc(host, "keepalived", "start")
        inside("monitor", "sh", "-c", "cat >/etc/lapwing/collector.yaml", text=collector)
        restart("collector", hosts=("monitor",))
