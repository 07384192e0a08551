"""A critical finding's alert has the finding's title, evidence and first step wherever it is shown; no secret is among them."""

import json
import os
import shutil
import threading

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request
from expressions import REPOSITORY
from sink import Sink, eventually

SECRET = "hunter2-of-the-site"
TITLE = "Backend web has no spare: if web-01 password=*** fails, its requests fail"
# A label is whatever a site writes there.
SERVER = f"web-01 password={SECRET}\u202e"

webhook = Sink()
alertmanager = Sink()
collector = Collector(
    f"""rules_interval: 1s
ingest: {{ local: on }}
notify:
  group_wait: 0s
  group_interval: 0s
  webhook: [ {{ url: "{webhook.url('/hook')}" }} ]
  alertmanager: [ {{ url: "{alertmanager.url()}" }} ]
"""
)


class Feeder(threading.Thread):
    """HAProxy's statistics: one server, so the backend has no spare."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ended = threading.Event()

    def run(self):
        place = {"job": "haproxy", "instance": "lb-01", "agent": "web-01", "via": "http"}
        server = {**place, "proxy": "web", "server": SERVER}
        while not self.ended.wait(1):
            series = [
                ({**place, "__name__": "up"}, 1), ({**server, "__name__": "haproxy_server_weight"}, 1),
                ({**server, "__name__": "haproxy_server_status", "state": "UP"}, 1),
                ({**server, "__name__": "lapwing_haproxy_server_info", "address": "10.77.0.11:80", "role": "active", "check": "L7"}, 1),
            ]
            body = write_request([(labels, [(now_ms(), float(value))]) for labels, value in series])
            collector.people("/api/v1/write", "POST", body, WRITE_HEADERS)


@pytest.fixture(scope="module", autouse=True)
def running():
    os.makedirs(collector.path("rules"))
    shutil.copy(REPOSITORY / "dashboards/alerts/lapwing.rules.yml", collector.path("rules/a.yml"))
    collector.start()
    feeder = Feeder()
    feeder.start()
    yield
    feeder.ended.set()
    feeder.join()
    collector.close()
    webhook.close()
    alertmanager.close()


def shown():
    alerts = collector.people("/api/v1/alerts").json()["data"]["alerts"]
    return next((alert for alert in alerts if alert["labels"].get("id") == "R2"), None)


def sent(body):
    alerts = body["alerts"] if isinstance(body, dict) else body
    return next((alert for alert in alerts if alert["labels"].get("id") == "R2"), None)


def received(sink):
    return next(filter(None, (sent(json.loads(body)) for _, _, body in list(sink.requests))), None)


def check(annotations):
    [finding] = [each for each in collector.people("/api/lapwing/v1/findings").json()["data"] if each["id"] == "R2"]
    assert finding["title"] == TITLE.replace("password=***", SERVER.split(" ", 1)[1]), finding
    assert annotations["title"] == TITLE
    assert annotations["summary"] == "Critical finding R2 on lb-01/web (confirmed): " + TITLE
    assert annotations["evidence"].startswith("haproxy statistics of lb-01: web/web-01 password=***"), annotations
    assert annotations["description"].startswith(annotations["evidence"])
    assert annotations["remedy"] == finding["remedy"].splitlines()[0]
    assert annotations["next_step"].startswith(annotations["remedy"])
    assert SECRET not in json.dumps(annotations) and "\u202e" not in json.dumps(annotations, ensure_ascii=False)


def test_the_api_shows_the_title_the_evidence_and_the_first_step():
    eventually(shown, "the alert")
    check(shown()["annotations"])


def test_the_receivers_get_them_with_the_first_message():
    for sink in (webhook, alertmanager):
        eventually(lambda: received(sink), "the alert")
        check(received(sink)["annotations"])


def test_the_command_prints_them():
    printed = collector.run("alerts").stdout
    for text in (TITLE, "Evidence: haproxy statistics of lb-01: web/web-01 password=***", "Next step: Add a server on a further host."):
        assert text in printed, printed
    assert SECRET not in printed
