"""Faults of the application."""

import json

from fault import Fault, Told, answers, ended, fails, in_background, shell

BACKEND = ("BackendServerDown", "AppDown", "ServerErrors", "ServerRetries", "ServerSlow", "SiteErrorBudget", "PagesSlow", "BackendErrors")


def trouble(hosts=("web-02",), **wanted):
    """(inject, heal): what the application does wrong on the hosts."""
    return ("\n".join(f"{host}: echo '{json.dumps(wanted)}' >/etc/site/trouble.json" for host in hosts),
            "\n".join(f"{host}: rm -f /etc/site/trouble.json" for host in hosts))


def codes(count=6, seconds=3, path=""):
    return answers(f"http://10.77.0.12/{path}", host="lb-01", count=count, seconds=seconds)


def password_back():
    secret = json.loads(shell("web-01", "cat /etc/site/app.json")[1])["password"]
    shell("web-01", f"mariadb -e \"SET PASSWORD FOR site@'10.77.0.%' = PASSWORD('{secret}')\"; svc app stop; svc app start")
    shell("web-02", "svc app stop; svc app start")


BOTH = ("web-01", "web-02")

FAULTS = [
    Fault("application-stopped", "the application server is stopped", "web-02: svc app stop", "web-02: svc app start",
          fails("web-02", "curl -fs -m 2 http://127.0.0.1:8000/healthz"), (Told("AppDown", "web-02"), Told("BackendServerDown", "web-02")), BACKEND),
    Fault("application-hung", "the application server hangs", "web-02: svc app pause", "web-02: svc app resume",
          fails("web-02", "curl -fs -m 2 http://127.0.0.1:8000/healthz"), (Told("AppDown", "web-02"), Told("BackendServerDown", "web-02")), BACKEND),
    Fault("application-killed-again-and-again", "the workers of the application die every few seconds",
          "web-02:\n" + in_background("reaper", "/bin/bash -c 'while :; do pkill -KILL -f site_app:application; sleep 1; svc app start; sleep 4; done'"),
          "web-02:\n" + ended("reaper") + "\nsleep 1\nsvc app start", lambda: 502 in codes(20),
          (Told("ServerErrors", "web-02"), Told("AppDown", "web-02"), Told("BackendServerDown", "web-02")), BACKEND),
    Fault("third-of-the-pages-fails", "each third page answers 500", *trouble(fail_each=3), lambda: codes(9).count(500) >= 2,
          (Told("ServerErrors", "web-02"),), BACKEND),
    Fault("tenth-of-the-pages-fails", "each tenth page answers 500", *trouble(fail_each=10), lambda: 500 in codes(24),
          (Told("ServerErrors", "web-02"),), BACKEND),
    Fault("every-page-fails", "every page answers 500; the health page answers 200", *trouble(fail_each=1), lambda: set(codes(3)) == {500},
          (Told("ServerErrors", "web-02"),), BACKEND),
    Fault("pages-fail-on-both", "each third page answers 500 on both servers", *trouble(BOTH, fail_each=3),
          lambda: 500 in codes(9), (Told("ServerErrors", "web-0[12]"), Told("BackendErrors", "web"), Told("SiteEntryDown", "10.77.0.10")), (*BACKEND, "SiteEntryDown")),
    Fault("pages-slow", "every page takes two seconds longer", *trouble(delay_s=2), lambda: codes(1, seconds=1) == [0],
          (Told("ServerSlow", "web-02"), Told("UpstreamSlow", "web-02")), (*BACKEND, "UpstreamSlow")),
    Fault("pages-slow-on-both", "every page takes two seconds longer on both servers", *trouble(BOTH, delay_s=2), lambda: codes(1, seconds=1) == [0],
          (Told("ServerSlow", "web-0[12]"), Told("PagesSlow", "10.77.0.10"), Told("UpstreamSlow", "web-0[12]")), (*BACKEND, "UpstreamSlow")),
    Fault("pages-hang", "every page takes longer than visitors and HAProxy wait", *trouble(delay_s=15), lambda: codes(1, seconds=5) == [0],
          (Told("ServerErrors", "web-02"), Told("ServerSlow", "web-02"), Told("BackendServerDown", "web-02"), Told("AppDown", "web-02")), (*BACKEND, "UpstreamSlow", "SiteEntryDown")),
    Fault("health-page-hangs", "the health page hangs; pages answer", *trouble(health_delay_s=15), lambda: codes(1, seconds=3, path="healthz") == [0],
          (Told("BackendServerDown", "web-02"), Told("AppDown", "web-02")), BACKEND),
    Fault("cannot-write", "the application's account lost its right to write: each page that writes fails",
          "web-01: mariadb -e \"REVOKE INSERT ON site.* FROM site@'10.77.0.%'\"; svc app stop; svc app start\nweb-02: svc app stop; svc app start",
          "web-01: mariadb -e \"GRANT INSERT ON site.* TO site@'10.77.0.%'\"; svc app stop; svc app start\nweb-02: svc app stop; svc app start",
          lambda: set(codes(2, path="write")) == {503}, (Told("ServerErrors", "web-0[12]"), Told("BackendErrors", "web")), BACKEND),
    Fault("password-changed", "the application's password was changed in the database alone",
          "web-01: mariadb -e \"SET PASSWORD FOR site@'10.77.0.%' = PASSWORD('another')\"; svc app stop; svc app start\nweb-02: svc app stop; svc app start",
          password_back, lambda: set(codes(2)) == {503},
          (Told("ServerErrors", "web-0[12]"), Told("BackendErrors", "web"), Told("SiteEntryDown", "10.77.0.10")), (*BACKEND, "SiteEntryDown")),
    Fault("workers-busy", "long requests take every worker of the application",
          "web-02: echo '{\"delay_s\": 4}' >/etc/site/trouble.json\nclient:\n"
          + in_background("load", "/bin/bash -c 'for i in 1 2 3 4 5 6; do while :; do curl -s -o /dev/null -m 20 http://10.77.0.12/; done & done; wait'"),
          "client:\n" + ended("load") + "\nweb-02: rm -f /etc/site/trouble.json", lambda: codes(1, seconds=3) == [0],
          (Told("ServerSlow", "web-02"), Told("BackendServerDown", "web-02"), Told("AppDown", "web-02"), Told("ServerErrors", "web-02")), (*BACKEND, "UpstreamSlow")),
]

