"""Faults of Nginx on web-02."""

from fault import Fault, Told, answers, edited, ended, fails, holder, holds, in_background, restored

CONF = "/etc/nginx/nginx.conf"
RELOAD = "kill -HUP $(svc nginx pid)"
PAGES = "http://10.77.0.12/"


def page_codes(count=6, url=PAGES):
    return answers(url, host="lb-01", count=count)


def changed(name, what, edits, proof, told, effects=(), how=RELOAD):
    return Fault(name, what, "web-02:\n" + edited(CONF, *edits) + f"\n{how}", "web-02:\n" + restored(CONF) + f"\n{how}", proof, told, effects)


RESTART = "svc nginx stop; svc nginx start"
DOWN = ("NginxDown", "BackendServerDown", "ServerErrors", "ServerRetries", "ObservationMissing")

FAULTS = [
    Fault("nginx-stopped", "Nginx is stopped", "web-02: svc nginx stop", "web-02: svc nginx start",
          lambda: page_codes(2) == [0, 0], (Told("NginxDown", "web-02"), Told("BackendServerDown", "web-02")), DOWN),
    Fault("nginx-killed", "Nginx' processes are killed", "web-02: pkill -KILL -x nginx || true", "web-02: svc nginx start",
          lambda: page_codes(2) == [0, 0], (Told("NginxDown", "web-02"), Told("BackendServerDown", "web-02")), DOWN),
    Fault("nginx-hung", "Nginx' processes hang", "web-02: svc nginx pause", "web-02: svc nginx resume",
          lambda: page_codes(2) == [0, 0], (Told("NginxDown", "web-02"), Told("BackendServerDown", "web-02")), DOWN),
    Fault("nginx-master-killed", "Nginx' master is killed; its worker serves on, and nothing would replace it", "web-02: svc nginx kill",
          "web-02: pkill -KILL -x nginx || true\nsleep 1\nsvc nginx start",
          holds("web-02", "! svc nginx status && pgrep -x nginx >/dev/null"), (Told("NginxWithoutMaster", "web-02"),), DOWN),
    changed("upstream-port-wrong", "after a reload Nginx asks a port where no application is", ("s/127.0.0.1:8000/127.0.0.1:8009/",),
            lambda: set(page_codes(2)) == {502}, (Told("BackendServerDown", "web-02"), Told("ServerErrors", "web-02")),
            ("ServerErrors", "BackendServerDown", "SiteErrorBudget")),
    changed("listens-on-loopback-alone", "after a restart Nginx listens on loopback alone", ("s/listen 80 default_server/listen 127.0.0.1:80 default_server/",),
            lambda: page_codes(2) == [0, 0], (Told("BackendServerDown", "web-02"), Told("NginxDown", "web-02")), DOWN, RESTART),
    changed("requests-limited", "a limit that is too low answers most requests with 503",
            ("s/^http {/http { limit_req_zone $scheme zone=z:1m rate=30r\\/m;/", "s/location \\/ {/location = \\/healthz { proxy_pass http:\\/\\/127.0.0.1:8000; }\\n location \\/ { limit_req zone=z;/"),
            lambda: page_codes(6).count(503) >= 3, (Told("ServerErrors", "web-02"),), ("SiteErrorBudget", "BackendErrors")),
    Fault("too-few-connections", "worker_connections is far too low for the visitors that come",
          "web-02:\n" + edited(CONF, "s/worker_connections 256/worker_connections 10/") + f"\n{RELOAD}\nsleep 2  # the old worker accepts until the new one runs\nclient:\n" + in_background("hold", holder(20, "10.77.0.12")),
          "client:\n" + ended("hold") + "\nweb-02:\n" + restored(CONF) + f"\n{RELOAD}", holds("web-02", "grep -q 'worker_connections are not enough' /var/log/nginx/error.log"),
          (Told("NginxDropsConnections", "web-02"), Told("ServerErrors", "web-02"), Told("BackendServerDown", "web-02"), Told("NginxDown", "web-02")),
          ("NginxDropsConnections", "ServerErrors", "BackendServerDown", "NginxDown", "ServerRetries", "ServerSlow", "PagesSlow")),
    changed("too-few-files", "the limit of open files is far too low", ("s/^events/worker_rlimit_nofile 12;\\nevents/",),
            lambda: any(code in (0, 500, 502) for code in page_codes(8)),
            (Told("NginxDropsConnections", "web-02"), Told("ServerErrors", "web-02"), Told("BackendServerDown", "web-02"), Told("NginxDown", "web-02")),
            ("NginxDropsConnections", "ServerErrors", "BackendServerDown", "NginxDown", "ServerRetries", "ServerSlow")),
    Fault("upstream-timeout-too-short", "a quarter of the pages takes longer than Nginx waits",
          "web-02:\necho '{\"delay_each\": 4, \"delay_s\": 2}' >/etc/site/trouble.json\n" + edited(CONF, "s/proxy_read_timeout 10s/proxy_read_timeout 1s/")
          + f"\n{RELOAD}", "web-02:\nrm -f /etc/site/trouble.json\n" + restored(CONF) + f"\n{RELOAD}",
          lambda: 504 in page_codes(12), (Told("ServerErrors", "web-02"),), ("SiteErrorBudget", "ServerSlow")),
    Fault("site-of-another", "the default page of Debian answers, in place of the site: not found",
          "web-02:\n" + edited(CONF, "s/location \\/ {/location = \\/healthz { proxy_pass http:\\/\\/127.0.0.1:8000; }\\n location \\/ { return 404; /") + f"\n{RELOAD}",
          "web-02:\n" + restored(CONF) + f"\n{RELOAD}", lambda: set(page_codes(2)) == {404}, (Told("ServerAnswersDiffer", "web-02"), Told("ServerErrors", "web-02"))),
    Fault("broken-configuration-waits", "the configuration has an error that the next reload would meet",
          "web-02:\n" + edited(CONF, "s/^events/evnets {}\\nevents/"), "web-02:\n" + restored(CONF),
          fails("web-02", f"nginx -t -q -c {CONF}"), (Told("ConfigurationBroken", "web-02"), Told("NginxConfigurationBroken", "web-02")), gradual=True),
]

