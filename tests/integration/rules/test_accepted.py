"""An accepted finding is shown and not told, across a restart; it is told again when it becomes worse, and when its acceptance ends."""

import json
import os
import threading
import time

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request
from sink import Sink, eventually

RULES = """groups:
  - name: g
    interval: 1s
    rules:
      - alert: Finding
        expr: lapwing_finding{id="R2"} * on () group_left (turn) count_values("turn", turn)
        labels: { severity: critical }
"""
# Each change of `turn` is another alert, so that there is something to tell all the time.
REASON = "one server carries it"

webhook = Sink()
alertmanager = Sink()
CONFIG = f"""rules_interval: 1s
ingest: {{ local: on }}
notify:
  group_wait: 0s
  group_interval: 0s
  webhook: [ {{ url: "{webhook.url('/hook')}" }} ]
  alertmanager: [ {{ url: "{alertmanager.url()}" }} ]
"""
collector = Collector(CONFIG)


class Feeder(threading.Thread):
    """HAProxy's statistics: one server, so the backend has no spare (R2)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.state = "UP"

    def run(self):
        place = {"job": "haproxy", "instance": "lb-01", "agent": "web-01", "via": "http"}
        server = {**place, "proxy": "web", "server": "web-01"}
        while not self.ended.wait(1):
            series = [
                ({**place, "__name__": "up"}, 1), ({**server, "__name__": "haproxy_server_weight"}, 1),
                ({"__name__": "turn"}, int(time.monotonic())),
                *[({**server, "__name__": "haproxy_server_status", "state": state}, state == self.state) for state in ("UP", "DOWN")],
                ({**server, "__name__": "lapwing_haproxy_server_info", "address": "10.77.0.11:80", "role": "active", "check": "L7"}, 1),
            ]
            body = write_request([(labels, [(now_ms(), float(value))]) for labels, value in series])
            try:
                collector.people("/api/v1/write", "POST", body, WRITE_HEADERS)
            except OSError:
                pass  # the collector restarts


feeder = Feeder()


@pytest.fixture(scope="module", autouse=True)
def running():
    os.makedirs(collector.path("rules"))
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(RULES)
    collector.start()
    feeder.start()
    yield
    feeder.ended.set()
    feeder.join()
    collector.close()
    webhook.close()
    alertmanager.close()


def alert():
    alerts = collector.people("/api/v1/alerts").json()["data"]["alerts"]
    return next((each for each in alerts if each["labels"]["id"] == "R2"), None)


def finding():
    return next((each for each in collector.people("/api/lapwing/v1/findings").json()["data"] if each["id"] == "R2"), None)


def messages():
    return len(webhook.requests), len(alertmanager.requests)


def is_told():
    before = len(webhook.requests)
    eventually(lambda: len(webhook.requests) > before + 1, "a message")


def is_quiet():
    """No message while several alerts come; one may be under way."""
    time.sleep(1)
    before = messages()
    turns = set()
    while len(turns) < 4:
        eventually(alert, "the alert")
        turns.add((alert() or {"labels": {"turn": ""}})["labels"]["turn"])
        time.sleep(0.2)
    assert messages() == before


def accept(*more):
    return collector.run("accept", "R2", "lb-01/web", "--until", "30d", "--reason", REASON, *more)


def test_it_is_told_before():
    eventually(alert, "the alert")
    is_told()
    eventually(lambda: alertmanager.requests, "a message to Alertmanager")
    assert finding()["acceptance"] is None


def test_what_cannot_be_accepted_is_refused_with_the_reason():
    for arguments, reason in (
        (("R2", "lb-01/api", "--until", "30d", "--reason", REASON), "there is no finding R2 on lb-01/api now"),
        (("R2", "lb-01/web", "--until", "30d"), "an acceptance needs an end and a reason"),
        (("R2", "lb-01/web", "--reason", REASON), "an acceptance needs an end and a reason"),
        (("R2", "lb-01/web", "--until", "2020-01-01", "--reason", REASON), "must end in the future"),
        (("R2", "lb-01/web", "--until", "2027-02-30", "--reason", REASON), "--until takes a day"),
        (("R2", "lb-01/web", "--until", "9y", "--reason", REASON), "must end within five years"),
        (("R2", "--until", "30d", "--reason", REASON), "name the finding"),
        (("--end", "R2", "lb-01/web"), "is not accepted"),
    ):
        done = collector.run("accept", *arguments)
        assert done.returncode == 2 and reason in done.stderr, (arguments, done)
    assert collector.run("accept", "--list").stdout == "nothing is accepted\n"


def test_an_accepted_finding_is_shown_and_not_told():
    done = accept()
    assert done.returncode == 0 and "R2 on lb-01/web is accepted until" in done.stdout, done
    is_quiet()
    assert finding()["acceptance"]["state"] == "accepted" and finding()["acceptance"]["reason"] == REASON
    assert alert()["acceptedBy"]["reason"] == REASON
    assert REASON in collector.run("accept", "--list").stdout
    [listed] = json.loads(collector.run("accept", "--list", "--json").stdout)["data"]
    assert listed["by"] and listed["at"] <= listed["until"]
    printed = collector.run("findings")
    assert "Accepted until" in printed.stdout and REASON in printed.stdout, printed.stdout
    assert "Accepted until" in collector.run("alerts").stdout
    eventually(lambda: collector.query('lapwing_finding_accepted_until_timestamp_seconds{id="R2"} > time()'), "the metric")


def test_a_kill_changes_nothing():
    collector.kill()
    before = messages()
    collector.start()
    eventually(alert, "the alert")
    is_quiet()
    assert messages() == before
    assert finding()["acceptance"]["state"] == "accepted"


def test_it_is_told_again_when_it_becomes_worse():
    feeder.state = "DOWN"
    eventually(lambda: finding()["acceptance"]["state"] == "worse", "that it is worse")
    assert finding()["acceptance"]["worse"] == "new: Backend web has no server that works"
    is_told()
    assert "worse than what was accepted" in collector.run("findings").stdout
    feeder.state = "UP"
    eventually(lambda: finding()["acceptance"]["state"] == "accepted", "that it is as it was")


def test_it_is_told_again_when_the_acceptance_ends():
    is_quiet()
    done = collector.run("accept", "--end", "R2", "lb-01/web")
    assert done.returncode == 0, done.stderr
    is_told()
    assert finding()["acceptance"] is None
    assert "ended" in collector.run("accept", "--list").stdout


def test_the_configuration_may_accept_and_is_changed_there():
    collector.stop()
    collector.write_config(CONFIG + f"site: {{ accept: [ {{ finding: R2, subject: lb-01/web, until: 2036-01-01, reason: {REASON} }} ] }}\n")
    assert "site.accept" not in collector.run("check-config").stderr
    collector.start()
    eventually(lambda: finding() and finding()["acceptance"], "the acceptance")
    assert finding()["acceptance"]["by"] == "collector.yaml"
    eventually(lambda: alert() and alert().get("acceptedBy"), "the alert")
    is_quiet()
    assert "change it there" in accept().stderr


@pytest.mark.parametrize(
    "accept, problem",
    (
        ("{ finding: R2, subject: lb-01/web, until: 2036-01-01 }", "needs finding"),
        ("{ finding: R2, subject: lb-01/web, until: soon, reason: x }", "needs finding"),
        ("{ finding: R2, subject: lb-01/web, until: 2036-02-30, reason: x }", "needs finding"),
        ("{ finding: R2, subject: lb-01/web, until: 2036-01-01, reason: x, by: me }", "by"),
        ("{ finding: R2, subject: lb-01/web, until: 2036-01-01, reason: %s }" % ("x" * 1025), "at most 1024 bytes"),
        ("{ finding: R2, subject: a, until: 2036-01-01, reason: x }, { finding: R2, subject: a, until: 2036-01-01, reason: y }", "is accepted above"),
        (", ".join("{ finding: R2, subject: s%d, until: 2036-01-01, reason: x }" % number for number in range(201)), "at most 200 entries"),
    ),
)
def test_mistakes_in_site_accept_are_problems_of_the_configuration(accept, problem):
    other = Collector(f"site: {{ accept: [ {accept} ] }}\n")
    try:
        done = other.run("check-config")
        assert done.returncode == 2 and problem in done.stdout + done.stderr, done
    finally:
        other.close()
