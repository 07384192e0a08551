"""Faults of hosts and the network."""

import subprocess

import lab
from fault import Fault, Told, answers, ended, fails, holds, in_background

EVERYTHING = ("AgentSilent", "SiteEntryDown", "HaproxyDown", "NginxDown", "AppDown", "MysqlDown", "BackendServerDown", "BackendErrors", "ServerErrors", "ServerRetries",
              "MysqlReplicationBroken", "MysqlReplicationUnknown", "MysqlReplicationStopped", "MysqlReplicaLag", "ObservationMissing", "SiteErrorBudget",
              "PagesSlow", "ServerSlow", "UpstreamSlow", "ProbeFailing")


def link(host, state):
    """A host's cable: its end outside the host, as a switch sees it."""
    def step():
        subprocess.run(["ip", "link", "set", f"lw-{host}", state], check=True)
    return step


def unreachable(host, observer):
    address = {"web-01": "10.77.0.11", "web-02": "10.77.0.12", "lb-01": "10.77.0.10"}[host]
    return fails(observer, f"timeout 2 bash -c '</dev/tcp/{address}/80'")


def nft(host, rules):
    return f"{host}: nft 'add table inet fault; {rules}'"


def unfiltered(host):
    return f"{host}: nft 'add table inet fault; delete table inet fault'"


SITE_RULES = str(lab.LAB_DIR / "faults/firewall")


def firewall(verb):
    def step():
        subprocess.run([SITE_RULES, verb], check=True)
        if verb == "inject":
            lab.until(lambda: not [each for each in lab.findings(id="F1") if "web-02" in each["subject"]], 240, "F1 of web-02 to go")
    return step


FAULTS = [
    Fault("server-dead", "the server web-02 is gone from the network, with everything on it", link("web-02", "down"), link("web-02", "up"), unreachable("web-02", "lb-01"),
          (Told("AgentSilent", "web-02"), Told("BackendServerDown", "web-02")), EVERYTHING),
    Fault("primary-s-server-dead", "the server web-01 with the primary is gone from the network", link("web-01", "down"), link("web-01", "up"),
          unreachable("web-01", "lb-01"), (Told("AgentSilent", "web-01"), Told("BackendServerDown", "web-01"),
                                          Told("MysqlReplicationBroken", "web-02")), EVERYTHING),
    Fault("load-balancer-dead", "the load balancer is gone from the network", link("lb-01", "down"), link("lb-01", "up"), unreachable("lb-01", "client"),
          (Told("SiteEntryDown", "10.77.0.10"), Told("HaproxyDown", "lb-01")), EVERYTHING),
    Fault("cut-between-load-balancer-and-server", "packets between the load balancer and web-02 are lost", nft("lb-01", "add chain inet fault output { type filter hook output priority -20; }; "
          "add rule inet fault output ip daddr 10.77.0.12 drop"), unfiltered("lb-01"), unreachable("web-02", "lb-01"), (Told("BackendServerDown", "web-02"),), EVERYTHING),
    Fault("cut-between-servers", "packets between web-01 and web-02 are lost", nft("web-02", "add chain inet fault output { type filter hook output priority -20; }; "
          "add rule inet fault output ip daddr 10.77.0.11 drop"), unfiltered("web-02"), fails("web-02", "timeout 2 bash -c '</dev/tcp/10.77.0.11/3306'"),
          (Told("MysqlReplicationBroken", "web-02"), Told("MysqlReplicationAtRisk", "web-02", "network")), EVERYTHING),
    Fault("cut-from-the-collector", "web-02 cannot reach the collector", nft("web-02", "add chain inet fault output { type filter hook output priority -20; }; "
          "add rule inet fault output ip daddr 10.77.0.20 drop"), unfiltered("web-02"), fails("web-02", "timeout 2 bash -c '</dev/tcp/10.77.0.20/9766'"),
          (Told("AgentSilent", "web-02"),), EVERYTHING),
    Fault("packets-lost", "a third of the packets to web-02 is lost", nft("web-02", "add chain inet fault input { type filter hook input priority -20; }; "
          "add rule inet fault input tcp dport 80 numgen random mod 3 0 drop"), unfiltered("web-02"),
          lambda: any(code == 0 for code in answers("http://10.77.0.12/healthz", host="lb-01", count=12, seconds=1)),
          (Told("PacketsLost", "lb-01|web-02"), Told("ServerSlow", "web-02"), Told("BackendServerDown", "web-02"), Told("ServerRetries", "web-02")), EVERYTHING, gradual=True),
    Fault("disk-full", "a disk has no room left", "web-02: dd if=/dev/zero of=/srv/disk/full bs=64k status=none 2>/dev/null || true", "web-02: rm -f /srv/disk/full",
          holds("web-02", "test $(df --output=pcent /srv/disk | tail -1 | tr -dc 0-9) -ge 97"), (Told("DiskSpaceLow", "web-02.*/srv/disk|/srv/disk.*web-02"),), ("DiskWillFill",)),
    Fault("inodes-used-up", "a disk has no inodes left", "web-02: mkdir -p /srv/disk/many; cd /srv/disk/many; for i in $(seq 20000); do : >f$i || break; done 2>/dev/null",
          "web-02: rm -rf /srv/disk/many", holds("web-02", "test $(df --output=ipcent /srv/disk | tail -1 | tr -dc 0-9) -ge 97"),
          (Told("InodesLow", "web-02.*/srv/disk|/srv/disk.*web-02"),), ("DiskSpaceLow",)),
    Fault("disk-read-only", "the kernel remounts a disk read-only", "web-02: mount -o remount,ro /srv/disk", "web-02: mount -o remount,rw /srv/disk",
          fails("web-02", "touch /srv/disk/probe && rm /srv/disk/probe"), (Told("FilesystemReadOnly", "/srv/disk"),)),
    Fault("mount-gone", "a disk is no longer mounted", "web-02: losetup -nO BACK-FILE $(findmnt -no SOURCE /srv/disk) >/run/disk.image; umount /srv/disk",
          "web-02: mount -o loop $(cat /run/disk.image) /srv/disk",
          fails("web-02", "mountpoint -q /srv/disk"), (Told("MountMissing", "/srv/disk"),),
          before="web-02: echo \"$(findmnt -no SOURCE /srv/disk) /srv/disk ext4 defaults 0 2\" >/etc/fstab", after="web-02: rm -f /etc/fstab"),
    Fault("processors-busy", "something takes every processor", "web-02:\n" + in_background("burn", "/bin/bash -c 'for i in $(seq $(nproc)); do (while :; do :; done) & done; wait'"),
          "web-02:\n" + ended("burn"), holds("web-02", "test $(pgrep -c -g $(cat /run/burn.pid)) -ge $(nproc)"), (Told("HostCpuBusy", "processors"),),
          (*EVERYTHING, "RuleEvaluationsMissed", "HostCpuBusy"), gradual=True),
    Fault("listen-queue-full", "a program does not accept its connections", "web-02:\n" + in_background(
        "deaf", "/usr/bin/python3 -c \"import socket,time\ns=socket.socket(); s.bind(('127.0.0.1',7777)); s.listen(1); time.sleep(900)\"") + "\nsleep 1\n"
          + in_background("callers", "/bin/bash -c 'while :; do for i in $(seq 8); do timeout 1 bash -c \"</dev/tcp/127.0.0.1/7777; sleep 1\" & done; wait; done'"),
          "web-02:\n" + ended("callers") + "\n" + ended("deaf"), holds("web-02", "test $(nstat -asz TcpExtListenOverflows | awk '/ListenOverflows/ {print int($2)}') -gt 5"),
          (Told("ListenQueueFull", "web-02"),)),
    Fault("database-opened-to-everybody", "somebody puts a rule on top that opens the port of the database to everybody",
          "web-02: nft insert rule inet site input tcp dport 3306 accept", firewall("inject"), holds("monitor", "timeout 2 bash -c '</dev/tcp/10.77.0.12/3306'"),
          (Told("F2", "mysql@web-02", "3306"), Told("F5", "web-02", "3306"), Told("F3", "web-02", "3306")), ("CriticalFinding",),
          before=firewall("inject"), after=firewall("clear"), gradual=True),
    Fault("firewall-flushed", "somebody flushes the rules of web-02", "web-02: nft 'add table inet site; delete table inet site'", firewall("inject"),
          holds("monitor", "timeout 2 bash -c '</dev/tcp/10.77.0.12/3306'"), (Told("F1", "web-02"), Told("F2", "web-02")), ("CriticalFinding",),
          before=firewall("inject"), after=firewall("clear"), gradual=True),
]
