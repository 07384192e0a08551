"""Remedies of firewall findings, executed word for word on hosts that systemd booted: Debian 12 and 13, by the program that keeps
the host's rules. Afterwards the finding is gone, every flow works, and both survive a reboot.

A booted Debian shares the network of a lab host, so that its rules are those of the lab host, whose services, agent and visitors
go on beside it."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from lab import STATE, analysed_since, findings, inside, query, until, value

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
ROOTS = Path(os.environ.get("LAPWING_ROOTS", ROOT / "build/cache/roots"))
PACKAGES = "systemd,systemd-sysv,dbus,procps,iproute2,openssh-server"
# Without netbase nft knows no names of protocols: rules have their numbers.
# What a keeper of rules needs, and how an administrator has set it up: it accepts everything.
KEEPERS = {
    "nftables": ("nftables", ""),
    "ufw": ("ufw", "ufw default allow incoming; ufw --force enable"),
    "firewalld": ("firewalld,netbase", "firewall-cmd --set-default-zone=trusted"),
    "mixed": ("nftables,iptables", ""),
    "iptables": ("iptables-persistent", "iptables -A INPUT -i lo -j ACCEPT; netfilter-persistent save"),
}
UNITS = ("nftables", "ufw", "firewalld", "netfilter-persistent")


def debian(suite, keeper):
    root = ROOTS / f"booted-{suite}-{keeper}"
    if not (root / ".complete").exists():
        ROOTS.mkdir(parents=True, exist_ok=True)
        subprocess.run([ROOT / "tests/debian-root", root, suite, f"{PACKAGES},{KEEPERS[keeper][0]}", "--variant=minbase"],
                       check=True, timeout=900)
        (root / ".complete").touch()
    return root


class Booted:
    """A Debian that systemd boots in the network of a lab host."""

    def __init__(self, host, suite, keeper):
        self.host = host
        self.folder = tempfile.mkdtemp(prefix="lapwing-booted.")
        self.root = Path(self.folder) / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", debian(suite, keeper), self.root], check=True, timeout=300)
        self.nspawn = None
        self.leader = None

    def boot(self):
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "-D", self.root, "--boot", f"--network-namespace-path=/run/netns/lapwing-{self.host}",
             "--capability=CAP_NET_ADMIN", "--register=no", "--keep-unit", f"--machine=booted-{self.host}"],
            stdin=subprocess.DEVNULL, stdout=open(Path(self.folder) / "boot", "ab"), stderr=subprocess.STDOUT)

        def runs():
            children = subprocess.run(["pgrep", "-P", str(self.nspawn.pid)], capture_output=True, text=True).stdout.split()
            self.leader = children[0] if children else None
            assert self.nspawn.poll() is None, (Path(self.folder) / "boot").read_text()[-2000:]
            return self.leader and self.run("systemctl is-system-running").stdout.strip() in ("running", "degraded")
        until(runs, 120, f"Debian on {self.host} has booted")

    def run(self, script):
        """A shell of root, which reads the script as if somebody pasted it."""
        return subprocess.run(["nsenter", "--target", self.leader, "--all", "--", "/usr/bin/env", "-i",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "/bin/bash"],
                              input=script, text=True, capture_output=True, timeout=300)

    def halt(self):
        if self.nspawn is None:
            return
        if self.leader:
            subprocess.run(["kill", "-s", "RTMIN+3", self.leader], check=False)
        try:
            self.nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        self.nspawn = self.leader = None

    def reboot(self):
        self.halt()
        # A kernel that boots has no rules.
        inside(self.host, "nft", "flush", "ruleset")
        self.boot()

    def configure_lab_host(self):
        """The agent of the lab host reads what loads rules at boot: it is the configuration of this Debian."""
        etc = STATE / self.host / "etc"
        for name in ("systemd", "nftables.conf", "nftables.d", "ufw", "default/ufw", "iptables"):
            source, target = self.root / "etc" / name, etc / name
            if target.is_dir():
                shutil.rmtree(target)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            elif source.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copy2(source, target)
        for name in UNITS:
            unit = self.root / f"usr/lib/systemd/system/{name}.service"
            if unit.exists():
                shutil.copy2(unit, etc / f"systemd/system/{name}.service")
        inside(self.host, "mkdir", "-p", "/run/systemd/system")
        plugins = self.root / "usr/share/netfilter-persistent"
        share = STATE / self.host / "srv/share"
        if plugins.exists() and not share.exists():
            shutil.copytree(plugins, share / "netfilter-persistent")
            inside(self.host, "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/srv/share:/usr/share", "/usr/share")

    def end(self):
        self.halt()
        inside(self.host, "nft", "flush", "ruleset")
        if (STATE / self.host / "srv/share").exists():
            inside(self.host, "umount", "/usr/share")
            shutil.rmtree(STATE / self.host / "srv/share")
        inside(self.host, "rm", "-rf", "/run/systemd", "/etc/systemd", "/etc/ufw", "/etc/iptables", "/etc/nftables.d")
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def booted(host, suite, keeper):
    machine = Booted(host, suite, keeper)
    try:
        machine.boot()
        done = machine.run(KEEPERS[keeper][1])
        assert done.returncode == 0, done
        machine.configure_lab_host()
        yield machine
    finally:
        machine.end()


class Visits:
    """Visitors of the site, four a second, each with a new connection."""

    def __init__(self):
        self.failed = []
        self.count = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.visit, daemon=True)

    def visit(self):
        while not self.stop.wait(0.25):
            done = inside("client", "curl", "-fsS", "-m", "5", "-o", "/dev/null", "http://10.77.0.10/", check=False)
            self.count += 1
            if done.returncode != 0:
                self.failed.append((time.strftime("%T"), done.stderr.strip()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


ADDRESSES = {"web-01": "10.77.0.11", "web-02": "10.77.0.12"}


def connects(source, address, port):
    return inside(source, "timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}", check=False).returncode == 0


def replication_goes_on(since):
    """The replica heard its primary all the time, by the connection that it had before."""
    time.sleep(20)
    broken = query(f'max by (cause) (max_over_time(lapwing_replication_cause{{cause=~"network|receiver_stalled"}}[{round(time.time() - since)}s]))')
    assert not broken, broken


def works(host):
    """Every flow of the site, each with a new connection."""
    inside("web-02", "mariadb", text="STOP SLAVE; START SLAVE;")

    def all_of_them():
        banner = inside("client", "timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{ADDRESSES[host]}/22; head -n 1 <&3", check=False)
        assert "SSH-2.0" in banner.stdout, banner
        assert connects("lb-01", ADDRESSES[host], 80)
        other = next(name for name in ADDRESSES if name != host)
        assert connects(other, ADDRESSES[host], 3306)
        assert value('mysql_slave_status_slave_io_running{instance="web-02"}') == 1
        assert not query('haproxy_server_status{state="DOWN"} == 1')
        down = [each["metric"] for each in query("up == 0")]
        assert not down, down
        return True
    until(all_of_them, 60, f"every flow of {host}")


def stands(id, subject):
    return next((each for each in findings(id=id) if each["subject"] == subject), None)


def remedy_of(id, subject, word):
    """The remedy's commands before the confirmation, and from there on."""
    def there():
        found = stands(id, subject)
        return found if found and word in found["remedy"] else None
    text = until(there, 240, f"{id} {subject} with {word}")["remedy"]
    assert not text.startswith("# Incomplete"), text
    commands = text[text.index("# 1. "):]
    third = commands.index("# 3. ")
    return commands[:third], commands[third:]


def gone(id, subject):
    began = time.time()
    until(lambda: analysed_since(began), 90, "an analysis")

    def away():
        assert stands(id, subject) is None, stands(id, subject)
        return True
    until(away, 200, f"no {id} {subject}")


WORDS = {"nftables": "systemctl enable nftables.service", "ufw": "ufw prepend", "firewalld": "firewall-cmd --zone",
         "iptables": "netfilter-persistent save"}


@pytest.mark.parametrize("keeper", WORDS)
@pytest.mark.parametrize(("host", "suite"), [("web-01", "bookworm"), ("web-02", "trixie")])
def test_default_deny(host, suite, keeper):
    """F1, and F2 and F4 with it."""
    with booted(host, suite, keeper) as machine, Visits() as visits:
        attempt, keep = remedy_of("F1", host, WORDS[keeper])
        before = machine.run("nft list ruleset").stdout
        began = time.time()
        done = machine.run(attempt)
        replication_goes_on(began)
        works(host)
        assert not connects("client", ADDRESSES[host], 3306), done
        timer = machine.run("systemctl list-timers lapwing-undo.timer --no-legend").stdout
        assert "lapwing-undo.timer" in timer, done
        # What comes after five minutes, now.
        machine.run("systemctl start --wait lapwing-undo.service; systemctl stop lapwing-undo.timer")
        until(lambda: connects("client", ADDRESSES[host], 3306), 20, f"the old rules are back: {before}")
        done = machine.run(attempt)
        assert not connects("client", ADDRESSES[host], 3306), done
        kept = machine.run(keep)
        assert "lapwing-undo.timer" not in machine.run("systemctl list-timers --all --no-legend").stdout, kept
        machine.configure_lab_host()
        for id, subject in (("F1", host), ("F2", f"mysql@{host}"), ("F4", f"nginx@{host}")):
            gone(id, subject)
        works(host)

        machine.reboot()
        works(host)
        assert not connects("client", ADDRESSES[host], 3306), machine.run("nft list ruleset").stdout
        for id, subject in (("F1", host), ("F2", f"mysql@{host}"), ("F4", f"nginx@{host}"), ("F10", host)):
            gone(id, subject)
        assert not [each for each in findings(id="F9") if each["subject"].endswith(host)], findings(id="F9")
    assert visits.count > 20
    assert not visits.failed, visits.failed


def test_what_may_go_out():
    """F13, beside F1."""
    with booted("web-01", "bookworm", "nftables") as machine, Visits() as visits:
        for id in ("F1", "F13"):
            attempt, keep = remedy_of(id, "web-01", WORDS["nftables"])
            machine.run(attempt)
            works("web-01")
            machine.run(keep)
            machine.configure_lab_host()
        gone("F13", "web-01")
        machine.reboot()
        works("web-01")
        gone("F13", "web-01")
        gone("F10", "web-01")
    assert not visits.failed, visits.failed


def commands_of(id, subject):
    """The commands of a remedy in one step, from its first comment on."""
    text = until(lambda: stands(id, subject), 240, f"{id} {subject}")["remedy"]
    return text[text.index("# "):]


CLOSED = """table inet site { chain input { type filter hook input priority filter; policy drop;
    iif lo accept; ct state established,related accept; meta l4proto { 1, 58 } accept;
    tcp dport 22 accept; ip saddr { 10.77.0.10, 10.77.0.11, 10.77.0.12, 10.77.0.20 } tcp dport { 80, 3306 } accept; }; }
"""


def test_rules_that_nothing_loads_at_boot():
    """F10."""
    with booted("web-01", "bookworm", "nftables") as machine, Visits() as visits:
        machine.run(f"nft -f - <<'END'\n{CLOSED}END\n")
        machine.run(commands_of("F10", "web-01"))
        machine.configure_lab_host()
        gone("F10", "web-01")
        machine.reboot()
        assert "policy drop" in machine.run("nft list ruleset").stdout
        works("web-01")
        gone("F10", "web-01")
    assert not visits.failed, visits.failed


def test_a_rule_in_the_way():
    """F9: the database's peer is kept out, by a rule of the file that the boot loads."""
    with booted("web-01", "bookworm", "nftables") as machine:
        rules = CLOSED.replace("iif lo", "ip saddr 10.77.0.12 tcp dport 3306 drop; iif lo")
        machine.run(f"cat >/etc/nftables.conf <<'END'\nflush ruleset\n{rules}END\nsystemctl enable --now nftables\n")
        machine.configure_lab_host()
        assert not connects("web-02", ADDRESSES["web-01"], 3306)
        until(lambda: "nftables.conf" in commands_of("F9", "tcp/3306@web-01"), 120, "F9 knows what the boot loads")
        machine.run(commands_of("F9", "tcp/3306@web-01"))
        works("web-01")
        machine.configure_lab_host()
        gone("F9", "tcp/3306@web-01")
        machine.reboot()
        works("web-01")
        gone("F9", "tcp/3306@web-01")


def test_a_list_of_what_is_denied():
    """F8."""
    with booted("web-02", "trixie", "nftables") as machine, Visits() as visits:
        machine.run("""cat >/etc/nftables.conf <<'END'
flush ruleset
table inet denied { chain c { type filter hook input priority 0; policy accept; tcp dport 111 drop; }; }
END
systemctl enable --now nftables
""")
        machine.configure_lab_host()
        attempt, keep = remedy_of("F8", "web-02", WORDS["nftables"])
        machine.run(attempt)
        works("web-02")
        machine.run(keep)
        machine.configure_lab_host()
        machine.reboot()
        works("web-02")
        gone("F8", "web-02")
        gone("F10", "web-02")
    assert not visits.failed, visits.failed


def test_a_change_that_opened_something():
    """F11: both ways to take it back."""
    with booted("web-01", "bookworm", "nftables") as machine, Visits() as visits:
        done = machine.run(f"cat >/etc/nftables.conf <<'END'\nflush ruleset\n{CLOSED}END\nsystemctl enable --now nftables\n")
        assert done.returncode == 0 and "policy drop" in machine.run("nft list ruleset").stdout, done
        machine.configure_lab_host()
        for id in ("F1", "F10"):
            gone(id, "web-01")
        for way in ("(?:^nft .*\n)+", "(?<=keeps this closed: ).*"):
            machine.run("nft insert rule inet site input tcp dport 3306 accept")
            assert connects("client", ADDRESSES["web-01"], 3306)
            text = until(lambda: stands("F11", "web-01"), 240, "F11")["remedy"]
            commands = re.search(way, text, re.M)
            assert commands, text
            done = machine.run(commands[0])
            assert not connects("client", ADDRESSES["web-01"], 3306), (text, done)
            works("web-01")
            gone("F11", "web-01")
        machine.reboot()
        works("web-01")
        assert not connects("client", ADDRESSES["web-01"], 3306)
        for id in ("F10", "F11"):
            gone(id, "web-01")
    assert not visits.failed, visits.failed


@contextlib.contextmanager
def without_legacy(host):
    try:
        yield
    finally:
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            inside(host, tool, "-F")


def test_legacy_rules_beside_nftables():
    """F12: the legacy rules of both families become rules of nftables, and drop the same packets."""
    with booted("web-01", "bookworm", "mixed") as machine, without_legacy("web-01"), Visits() as visits:
        machine.run(f"""cat >/etc/nftables.conf <<'END'
flush ruleset
{CLOSED}END
systemctl enable --now nftables
iptables-legacy -N bans
iptables-legacy -A bans -s {ADDRESSES["web-02"]} -p tcp --dport 22 -j DROP
iptables-legacy -A INPUT -j bans
ip6tables-legacy -A INPUT -s 2001:db8::/32 -j DROP
""")
        machine.configure_lab_host()
        assert not connects("web-02", ADDRESSES["web-01"], 22)
        done = machine.run(commands_of("F12", "web-01"))
        assert "-A" not in machine.run("iptables-legacy-save; ip6tables-legacy-save").stdout, done
        assert "2001:db8::/32" in machine.run("nft list ruleset").stdout
        assert not connects("web-02", ADDRESSES["web-01"], 22)
        works("web-01")
        machine.configure_lab_host()
        for id in ("F12", "F10"):
            gone(id, "web-01")
        machine.reboot()
        assert not connects("web-02", ADDRESSES["web-01"], 22)
        works("web-01")
        for id in ("F12", "F10"):
            gone(id, "web-01")
    assert not visits.failed, visits.failed
