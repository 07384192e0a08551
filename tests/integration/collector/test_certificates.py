"""Keys end: certificates are revoked, forgotten, renewed and rolled over, with the real programs."""

import glob
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from harness import PROGRAM, Collector, now_ms
from reference import eventually

DAY = 86400
RULES = """groups:
  - name: fast
    interval: 1s
    rules:
      - alert: Silent
        expr: max by (instance) (label_replace(lapwing_agent_last_seen_seconds, "instance", "$1", "host", "(.+)")) > 1
"""


@pytest.fixture
def collector():
    made = Collector("rules_interval: 1s\n")
    try:
        os.makedirs(made.path("rules"))
        with open(made.path("rules/fast.yml"), "w") as out:
            out.write(RULES)
        made.start()
        yield made
    finally:
        made.close()


def restart(collector):
    collector.stop()
    collector.start()


def enrol_in_the_past(collector, host, days):
    """As `enrol` would have done that many days ago."""
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        pytest.skip("libfaketime is not installed")
    bundle = collector.path(host + ".pem")
    subprocess.run([PROGRAM, "--config", collector.config_file, "enrol", host, "--bundle", bundle], check=True, capture_output=True,
                   env={**os.environ, "LD_PRELOAD": library[0], "FAKETIME": f"-{days}d"})
    return bundle


def write(connection, name="written", **labels):
    return connection.write([({"__name__": name, **labels}, [(now_ms(), 1.0)])])


def status(collector, bundle):
    connection = collector.agent(bundle)
    try:
        return write(connection).status
    finally:
        connection.close()


def agents(collector):
    return {each["host"]: each for each in json.loads(collector.run("agents", "--json").stdout)["data"]}


def ends(collector):
    """{host or kind: the end of its certificate}, as the collector's metrics say."""
    text = collector.people("/metrics").body.decode()
    found = re.findall(r'^lapwing_collector_certificate_end_timestamp_seconds\{certificate="(\w+)"(?:,host="([^"]+)")?\} (\S+)', text, re.M)
    return {host or kind: float(value) for kind, host, value in found}


def alerts(collector):
    return {each["labels"]["instance"] for each in collector.people("/api/v1/alerts").json()["data"]["alerts"]}


def test_revoke_ends_every_connection_and_survives_restarts_and_backups(collector):
    bundle = shutil.copy(collector.enrol("web-01"), collector.path("first.pem"))
    other = collector.enrol("web-02")
    kept = collector.agent(bundle)
    assert write(kept).status == 204
    assert collector.run("backup", collector.path("before.db")).returncode == 0
    shutil.copytree(collector.path("data/ca"), collector.path("ca-before"))

    done = collector.run("revoke", "web-01")
    assert done.returncode == 0, done.stderr
    # At once, on the connection that is open, for every kind of request, and on new connections.
    answer = write(kept)
    assert answer.status == 403 and b"was revoked on" in answer.body, answer.body
    assert kept.post("/api/lapwing/v1/documents?kind=ruleset", b"x", {}).status == 403
    assert kept.get_answer("/api/lapwing/v1/assignments?version=x").status == 403
    assert kept.post("/api/lapwing/v1/renew", b"x", {}).status == 403
    kept.close()
    assert status(collector, bundle) == 403 and status(collector, other) == 204
    assert agents(collector)["web-01"]["warnings"][0]["kind"] == "revoked"
    assert collector.run("revoke", "web-O1").returncode == 2

    restart(collector)
    assert status(collector, bundle) == 403
    # The database of before the revocation.
    eventually(lambda: collector.people("/-/ready").status == 200)
    collector.stop()
    shutil.copy(collector.path("before.db"), collector.path("data/lapwing.db"))
    for rest in ("-wal", "-shm"):
        if os.path.exists(collector.path("data/lapwing.db" + rest)):
            os.remove(collector.path("data/lapwing.db" + rest))
    collector.start()
    assert status(collector, bundle) == 403
    # The CA of before the revocation, and the present database.
    collector.stop()
    shutil.rmtree(collector.path("data/ca"))
    shutil.copytree(collector.path("ca-before"), collector.path("data/ca"))
    collector.start()
    assert status(collector, bundle) == 403 and status(collector, other) == 204

    again = collector.enrol("web-01")
    assert status(collector, again) == 204 and status(collector, bundle) == 403
    assert agents(collector)["web-01"]["warnings"] == []


def test_a_long_poll_of_a_revoked_host_gets_nothing(collector):
    poll = collector.agent(collector.enrol("web-01"))
    poll.timeout = 60
    version = poll.get_answer("/api/lapwing/v1/assignments").json()["version"]
    began = time.monotonic()
    poll.request("GET", f"/api/lapwing/v1/assignments?version={version}")
    assert collector.run("revoke", "web-01").returncode == 0
    assert poll.getresponse().status == 403
    assert time.monotonic() - began < 10
    poll.close()


def test_a_name_that_reported_by_mistake_is_forgotten_with_its_alerts(collector):
    bundle = collector.enrol("wbe-01")
    connection = collector.agent(bundle)
    assert write(connection, "up", job="node", instance="wbe-01").status == 204
    other = collector.agent(collector.enrol("web-02"))
    assert write(other, "haproxy_up", job="haproxy", instance="wbe-01").status == 204
    eventually(lambda: "wbe-01" in alerts(collector), 60)

    done = collector.run("forget", "wbe-01")
    assert done.returncode == 0, done.stderr
    eventually(lambda: "wbe-01" not in alerts(collector) and "wbe-01" not in agents(collector), 30)
    assert collector.query('{agent="wbe-01"}') == [] and collector.query('{instance="wbe-01"}') == []
    assert write(connection).status == 403
    connection.close()
    other.close()
    restart(collector)
    assert "wbe-01" not in agents(collector) and status(collector, bundle) == 403
    assert "web-02" in agents(collector)
    eventually(lambda: "web-02" in alerts(collector), 60)
    assert "wbe-01" not in alerts(collector)
    # The name can be used again.
    assert status(collector, collector.enrol("wbe-01")) == 204
    assert collector.run("forget", "../x").returncode == 2
    collector.stop()
    assert collector.run("forget", "web-02").returncode == 3


def renewed(collector):
    """The agent's own file, "" before the first renewal."""
    try:
        with open(collector.path("agent/certificate.pem")) as text:
            return text.read()
    except FileNotFoundError:
        return ""


def delivers(collector):
    before = collector.query('lapwing_agent_samples_sent_total{agent="web-01"}')
    eventually(lambda: collector.query('lapwing_agent_samples_sent_total{agent="web-01"}') != before, 60)


def end(process):
    process.terminate()
    process.wait(20)


def test_an_agent_renews_its_certificate_at_half_of_its_validity(collector):
    collector.configure_agent("web-01", {"node": "on"})
    bundle = enrol_in_the_past(collector, "web-01", 29)
    assert 30 * DAY < ends(collector)["web-01"] - time.time() < 32 * DAY
    agent = collector.launch_agent()
    try:
        delivers(collector)
        assert renewed(collector) == ""
        end(agent)
        # A day later it is at its half.
        bundle = enrol_in_the_past(collector, "web-01", 31)
        with open(bundle) as text:
            before = text.read()
        agent = collector.launch_agent()
        eventually(lambda: renewed(collector), 60)
        eventually(lambda: ends(collector)["web-01"] - time.time() > 59 * DAY, 60)
        assert os.stat(collector.path("agent/certificate.pem")).st_mode & 0o777 == 0o600
        with open(bundle) as text:
            assert text.read() == before
        assert "the certificate was renewed" in open(collector.path("agent.log")).read()
        # The old one is valid until its end.
        assert status(collector, bundle) == 204
        end(agent)
        first = renewed(collector)
        agent = collector.launch_agent()
        delivers(collector)
        eventually(lambda: ends(collector)["web-01"] - time.time() > 59 * DAY, 60)
        assert renewed(collector) == first
        end(agent)
        # A later enrolment takes precedence again.
        assert collector.run("revoke", "web-01").returncode == 0
        collector.enrol("web-01")
        agent = collector.launch_agent()
        delivers(collector)
    finally:
        end(agent)


def test_the_ca_is_rolled_over_under_a_running_agent(collector):
    collector.configure_agent("web-01", {"node": "on"})
    collector.enrol("gone")
    agent = collector.launch_agent()

    def step(name):
        done = collector.run("ca", name)
        assert done.returncode == 0, done.stdout + done.stderr
        before = renewed(collector)
        restart(collector)
        return before

    def follows(before):
        eventually(lambda: renewed(collector) != before, 120)
        delivers(collector)

    try:
        delivers(collector)
        assert "no roll-over has begun" in collector.run("ca").stdout
        assert collector.run("ca", "switch").returncode == 2
        before = step("begin")
        follows(before)
        assert renewed(collector).count("BEGIN CERTIFICATE") == 3
        waiting = collector.run("ca", "switch")
        assert waiting.returncode == 2 and "gone" in waiting.stderr and "web-01" not in waiting.stderr, waiting
        assert collector.run("forget", "gone").returncode == 0
        old = shutil.copy(collector.path("data/ca/ca.key"), collector.path("old.key"))
        before = step("switch")
        follows(before)
        with open(old, "rb") as one, open(collector.path("data/ca/ca.key"), "rb") as two:
            assert one.read() != two.read()
        before = step("finish")
        follows(before)
        assert renewed(collector).count("BEGIN CERTIFICATE") == 2
        # The bundle is of the first CA: nobody trusts it any more.
        with pytest.raises(OSError):
            status(collector, collector.path("web-01.pem"))
    finally:
        end(agent)


def test_a_lost_ca_certificate_locks_nobody_out(collector):
    bundle = collector.enrol("web-01")
    assert status(collector, bundle) == 204
    with open(collector.path("data/ca/ca.key"), "rb") as key:
        before = key.read()
    collector.stop()
    os.remove(collector.path("data/ca/ca.crt"))
    collector.start()
    with open(collector.path("data/ca/ca.key"), "rb") as key:
        assert key.read() == before
    assert status(collector, bundle) == 204
    assert status(collector, collector.enrol("web-02")) == 204
    collector.stop()
    for name in ("ca.crt", "ca.key"):
        os.remove(collector.path("data/ca/" + name))
    assert subprocess.run([PROGRAM, "run", "--config", collector.config_file], capture_output=True, timeout=60).returncode != 0
    done = collector.run("enrol", "web-03", "--bundle", collector.path("x.pem"))
    assert done.returncode == 2 and "Restore both from a backup" in done.stderr, done.stderr
    assert not os.path.exists(collector.path("data/ca/ca.key"))


def test_the_ends_of_certificates_are_told(collector):
    enrol_in_the_past(collector, "web-01", 50)
    told = ends(collector)
    assert 9 * DAY < told["web-01"] - time.time() < 11 * DAY
    assert told["collector"] - time.time() > 400 * DAY and told["ca"] - time.time() > 7000 * DAY
    assert collector.run("revoke", "web-01").returncode == 0
    assert "web-01" not in ends(collector)
