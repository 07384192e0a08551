"""A compromised web server can lie about itself, and about nothing else: web-02's certificate, and all that it could say of web-01."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from attacks import MB, AttackedSite
from harness import now_ms

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = re.sub(r"=\n\s+", "= ", (REPOSITORY / "common/metric_names.h").read_text(encoding="utf-8"))
SPEAKERS = (REPOSITORY / "common/metric_speakers.h").read_text(encoding="utf-8")
JOBS = ("agent", "node", "sockets", "firewall", "keepalived", "inventory", "nginx", "haproxy", "mysql", "app", "collector", "zzz")
OBSERVERS = ("observer", "probe", "peer")
RULES = """groups:
  - name: fast
    interval: 1s
    rules:
      - alert: DatabaseDown
        expr: max by (instance) (up{job="mysql"}) == 0 unless on (instance) max by (instance) (mysql_up) == 1
"""


def speakers():
    """{name: speaker} of every name of metric_names.h."""
    constants = dict(re.findall(r'const char\* (k\w+) = "(\w+)"', NAMES))
    rows = dict(re.findall(r"NamedSpeaker\{(?:exporter::)?(k\w+), Speaker::(\w+)\}", SPEAKERS))
    assert constants.keys() == rows.keys() and len(rows) > 150, constants.keys() ^ rows.keys()
    return {constants[each]: rows[each] for each in rows}


@pytest.fixture
def site():
    made = AttackedSite("rules_interval: 1s\n", attackers=("web-01", "web-02"))
    rules = Path(made.collector.path("rules"))
    rules.mkdir()
    (rules / "fast.yml").write_text(RULES)
    with made:
        yield made


def sample(name, value=1.0, at=None, **labels):
    return ({"__name__": name, **labels}, [(at or now_ms(), float(value))])


def host(name, address):
    """What the agent on a host with an open firewall says; its database does not answer."""
    here = {"instance": name}
    return [
        sample("lapwing_agent_info", job="agent", version="1", **here),
        sample("lapwing_agent_address_info", job="agent", address=address, family="ipv4", interface="eth0", **here),
        sample("up", job="sockets", **here), sample("up", job="firewall", **here), sample("up", 0, job="mysql", **here),
        sample("lapwing_listener_info", job="sockets", protocol="tcp", family="ipv4", address="0.0.0.0", port="3306", process="mariadbd",
               **here),
        sample("lapwing_firewall_default_deny", 0, job="firewall", family="ipv4", **here),
    ]


def written(site, name, series):
    connection = site.attacker(name)
    try:
        return connection.write(series)
    finally:
        connection.close()


def findings(site):
    return {(each["id"], each["subject"]): each["severity"] for each in site.collector.people("/api/lapwing/v1/findings").json()["data"]}


def alerts(site):
    found = site.collector.people("/api/v1/alerts").json()["data"]["alerts"]
    return {(each["labels"]["alertname"], each["labels"]["instance"]) for each in found if each["state"] == "firing"}


def until(question, seconds=60):
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.3)


def test_web_02_cannot_speak_for_web_01(site):
    def honest():
        assert written(site, "web-01", host("web-01", "203.0.113.11")).status == 204
        assert written(site, "web-02", host("web-02", "203.0.113.12")).status == 204
        return ("F1", "web-01") in findings(site) and ("DatabaseDown", "web-01") in alerts(site)

    assert until(honest), (findings(site), alerts(site))
    before = findings(site)

    # Every name of metric_names.h, with every job.
    accepted = set()
    attacker = site.attacker("web-02")
    for name, speaker in speakers().items():
        for job in JOBS:
            forged = sample(name, job=job, instance="web-01", family="ipv4", host="web-01", alertname="x", port="1", address="192.0.2.1",
                            digest="0" * 64, id="F1", subject="web-01", replica="web-01")
            answer = attacker.write([forged, sample("beside", job="t", instance="web-02")])
            if answer.status == 204:
                accepted.add((name, job, speaker))
                continue
            # It is told by its name, and the rest of the batch is stored.
            assert answer.status == 400 and name.encode() in answer.body or name == "lapwing_agent_info", answer.body
            assert answer.headers["X-Lapwing-Refused"] == "1", answer.headers
    assert {speaker for _, _, speaker in accepted} == set(OBSERVERS), accepted
    assert not {each for each in accepted if each[2] == "probe" and each[1] not in ("nginx", "haproxy", "mysql", "app")}
    stored = site.collector.query('count by (__name__) ({agent="web-02",instance="web-01"})')
    assert {each["metric"]["__name__"] for each in stored} == {name for name, _, _ in accepted}
    assert len(site.collector.query('beside{agent="web-02"}')) == 1
    refused = site.collector.people("/metrics").body.decode()
    assert re.search(r'^lapwing_collector_foreign_samples_refused_total\{sender="web-02"\} [1-9]', refused, re.M), refused
    assert "web-02: 1 of 2 samples refused" in site.collector.log_text()

    # It goes on to say that the database of web-01 is well, and has said so for more than a minute.
    lies = [("up", "mysql"), ("mysql_up", "mysql"), ("nginx_up", "nginx"), ("up", "nginx")]

    def lie(ago=0):
        at = now_ms() - ago * 1000
        assert attacker.write([sample(name, 1, at, job=job, instance="web-01") for name, job in lies]).status == 204
        assert written(site, "web-01", [sample("up", 0, at, job="mysql", instance="web-01")]).status == 204
        return True

    for ago in range(70, 0, -10):
        lie(ago)
    contradicted = until(lambda: lie() and honest() and findings(site).get(("R18", "mysql@web-01")))
    attacker.close()
    assert contradicted == "medium", (findings(site), alerts(site))
    assert before.items() <= findings(site).items()
    assert ("DatabaseDown", "web-01") in alerts(site)


def test_one_certificate_makes_no_300_hosts(site):
    series = [sample(name, job=job, instance=f"ghost-{i}", proxy="web", server="s", state="UP", address="192.0.2.1", port="80", source="x",
                     result="open")
              for i in range(300)
              for name, job in (("lapwing_agent_info", "agent"), ("mysql_up", "mysql"), ("up", "mysql"), ("haproxy_server_status", "haproxy"),
                                ("lapwing_attempt_result", "firewall"), ("lapwing_agent_address_info", "agent"))]
    with site.attack("300 invented hosts", limit="other instances that one agent may observe", memory=32 * MB) as attack:
        answer = written(site, "web-02", [*host("web-02", "203.0.113.12"), *series])
        assert answer.status == 400 and int(answer.headers["X-Lapwing-Refused"]) == 2 * 300 + 3 * (300 - 64), answer.headers
        attack.told = "400"
        assert until(lambda: ("F1", "web-02") in findings(site)), findings(site)
        components = site.collector.people("/api/lapwing/v1/topology").json()["data"]["components"]
        ghosts = {each["host"] for each in components if each["host"].startswith("ghost-")}
        assert len(ghosts) <= 64, len(ghosts)
        assert len(site.collector.query('count by (instance) (up{instance=~"ghost-.*"})')) == 64


def test_certificates_are_signed_for_their_sender_and_seldom(site):
    key, request = site.collector.path("new.key"), site.collector.path("new.csr")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=web-01",
                    "-keyout", key, "-out", request], check=True, capture_output=True)
    with open(request, "rb") as text:
        body = text.read()

    def renewed(content):
        connection = site.attacker("web-02")
        try:
            return connection.post("/api/lapwing/v1/renew", content, {})
        finally:
            connection.close()

    with site.attack("a request for a certificate of 20 KB", limit="a request for a certificate", memory=8 * MB) as attack:
        answer = renewed(body + b" " * (20 << 10))
        assert answer.status == 413, answer.body
        attack.told = "413"
    with site.attack("requests for the certificate of another host", limit="certificates of one host", memory=16 * MB) as attack:
        first = renewed(body)
        assert first.status == 200, first.body
        with open(site.collector.path("forged.pem"), "wb") as out, open(key, "rb") as private:
            out.write(first.body + private.read())
        subject = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=first.body, capture_output=True, check=True).stdout
        assert b"web-02" in subject and b"web-01" not in subject, subject
        for _ in range(200):
            again = renewed(body)
            assert again.status == 429 and again.headers["Retry-After"] == "60", again.body
        attack.told = "its own name; then 429"
    assert written(site, "web-01", [sample("beside", job="t", instance="web-01")]).status == 204
