"""Faults of the load balancer."""

from fault import ENTRY, Fault, Told, answers, edited, ended, entry_fails, fails, haproxy_says, holder, in_background, restored, server_state

CFG = "/etc/haproxy/haproxy.cfg"
RESTART = "svc haproxy stop; svc haproxy start"

# The visitor's side of an entry that is gone; which of them comes first depends on the phase.
ENTRY_DOWN = (Told("SiteEntryDown", "10.77.0.10"), Told("HaproxyDown", "lb-01"))


def current_sessions():
    for line in haproxy_says("show stat").splitlines():
        fields = line.split(",")
        if fields[:2] == ["site", "FRONTEND"]:
            return int(fields[4])
    return 0


FAULTS = [
    Fault("haproxy-killed", "HAProxy is killed", "lb-01: pkill -KILL -x haproxy", "lb-01: svc haproxy start",
          entry_fails, ENTRY_DOWN, ("SiteEntryDown", "HaproxyDown", "PagesSlow", "ObservationMissing")),
    Fault("haproxy-stopped", "HAProxy is stopped and not started again", "lb-01: svc haproxy stop", "lb-01: svc haproxy start",
          entry_fails, ENTRY_DOWN, ("SiteEntryDown", "HaproxyDown", "ObservationMissing")),
    Fault("haproxy-hung", "HAProxy's processes hang", "lb-01: svc haproxy pause", "lb-01: svc haproxy resume",
          entry_fails, ENTRY_DOWN, ("SiteEntryDown", "HaproxyDown", "ServerErrors", "BackendErrors")),
    Fault("server-health-fails", "the health page of one server fails", "web-02:\necho '{\"health_fails\": true}' >/etc/site/trouble.json",
          "web-02: rm -f /etc/site/trouble.json", lambda: server_state("web-02") == "DOWN",
          (Told("BackendServerDown", "web-02"), Told("AppDown", "web-02")), ("BackendServerDown", "AppDown", "ServerRetries")),
    Fault("all-health-fails", "the health page of every server fails",
          "web-01:\necho '{\"health_fails\": true}' >/etc/site/trouble.json\nweb-02:\necho '{\"health_fails\": true}' >/etc/site/trouble.json",
          "web-01: rm -f /etc/site/trouble.json\nweb-02: rm -f /etc/site/trouble.json", entry_fails,
          (Told("BackendWithoutServers", "web"), Told("SiteEntryDown", "10.77.0.10")),
          ("BackendWithoutServers", "BackendServerDown", "AppDown", "SiteEntryDown", "BackendErrors", "ServerErrors")),
    Fault("servers-in-maintenance", "somebody puts every server into maintenance",
          "lb-01: for s in web-01 web-02; do echo \"set server web/$s state maint\" | socat stdio /run/haproxy/admin.sock; done",
          "lb-01: for s in web-01 web-02; do echo \"set server web/$s state ready\" | socat stdio /run/haproxy/admin.sock; done", entry_fails,
          (Told("BackendWithoutServers", "web"), Told("SiteEntryDown", "10.77.0.10")), ("BackendErrors", "SiteEntryDown", "BackendWithoutServers")),
    Fault("frontend-full", "HAProxy has nearly as many connections as it may", "client: " + in_background("hold", holder(170)),
          "client: " + ended("hold"), lambda: current_sessions() > 160, (Told("HaproxyNearItsLimit", "lb-01"),)),
    Fault("frontend-over-its-limit", "all connections of HAProxy are taken: visitors wait and fail",
          "client: " + in_background("hold", holder(230)), "client: " + ended("hold"),
          lambda: current_sessions() >= 195, (Told("HaproxyNearItsLimit", "lb-01"), *ENTRY_DOWN),
          ("SiteEntryDown", "HaproxyDown", "HaproxyNearItsLimit", "PagesSlow", "ServerSlow")),
    Fault("backend-queue", "one request at a time to each server, and pages take two seconds: requests queue",
          f"web-01:\necho '{{\"delay_s\": 1.5}}' >/etc/site/trouble.json\nweb-02:\necho '{{\"delay_s\": 1.5}}' >/etc/site/trouble.json\nclient:\n"
          + in_background("load", f"/bin/bash -c 'for i in $(seq 12); do while :; do curl -s -o /dev/null -m 20 {ENTRY}; sleep 0.1; done & done; wait'"),
          "client:\n" + ended("load") + "\nweb-01: rm -f /etc/site/trouble.json\nweb-02: rm -f /etc/site/trouble.json",
          lambda: any(line.split(",")[:2] == ["web", "BACKEND"] and int(line.split(",")[2]) > 0 for line in haproxy_says("show stat").splitlines()),
          (Told("BackendQueue", "web"),), ("PagesSlow", "ServerSlow", "BackendErrors", "ServerErrors", "SiteEntryDown"),
          before="lb-01:\n" + edited(CFG, "s/server web-0[12] .*/& maxconn 1/") + "\n" + RESTART,
          after="lb-01:\n" + restored(CFG) + "\n" + RESTART),
    Fault("server-at-wrong-address", "a reload gives one server an address where nothing is",
          "lb-01:\n" + edited(CFG, "s/server web-02 .*/server web-02 10.77.0.99:80/") + "\n" + RESTART,
          "lb-01:\n" + restored(CFG) + "\n" + RESTART, lambda: server_state("web-02") == "DOWN",
          (Told("BackendServerDown", "web-02"),), ("ServerRetries", "ServerErrors")),
    Fault("no-backend", "after a reload the frontend leads nowhere: each request gets a 503",
          "lb-01:\n" + edited(CFG, "s/default_backend web/default_backend empty/", "$a backend empty") + "\n" + RESTART,
          "lb-01:\n" + restored(CFG) + "\n" + RESTART, entry_fails, (Told("SiteEntryDown", "10.77.0.10"), Told("BackendErrors", "empty")),
          ("SiteEntryDown", "BackendErrors", "BackendWithoutServers", "SiteErrorBudget")),
    Fault("entry-filtered", "a rule on the load balancer drops what comes to port 80",
          "lb-01: nft 'add table inet fault; add chain inet fault input { type filter hook input priority -20; }; add rule inet fault input tcp dport 80 drop'",
          "lb-01: nft 'add table inet fault; delete table inet fault'", entry_fails, (Told("SiteEntryDown", "10.77.0.10"),)),
    Fault("connections-to-a-server-break", "the way from HAProxy to one server loses half of the connections",
          "lb-01: nft 'add table inet fault; add chain inet fault output { type filter hook output priority -20; }; "
          "add rule inet fault output ip daddr 10.77.0.12 tcp dport 80 tcp flags syn numgen inc mod 2 0 reject with tcp reset'",
          "lb-01: nft 'add table inet fault; delete table inet fault'",
          lambda: sum(code == 0 for code in answers("http://10.77.0.12/", host="lb-01")) >= 2,
          (Told("ServerRetries", "web-02"), Told("ServerErrors", "web-02"), Told("BackendServerDown", "web-02")),
          ("ServerRetries", "ServerErrors", "BackendServerDown", "PagesSlow")),
    Fault("broken-configuration-waits", "the configuration has an error that the next reload would meet",
          "lb-01:\n" + edited(CFG, "$a backend broken\\n    balanse roundrobin"), "lb-01:\n" + restored(CFG),
          fails("lb-01", f"haproxy -c -q -f {CFG}"), (Told("ConfigurationBroken", "lb-01"), Told("HaproxyConfigurationBroken", "lb-01")), gradual=True),
]

