"""An alert whose data go missing is held only while they could still make it true, and an aggregate only for the configured time.
Everything is fast here: the lookback is two seconds, rates look back six."""

import datetime
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
      - alert: TooManyErrors
        expr: sum(rate(errors_total[6s])) > 1
      - alert: Sum
        expr: sum(load) > 10
      - alert: Only
        expr: sum(single) > 10
"""
PARTIAL = 6

webhook = Sink()
collector = Collector(
    f"""promql: {{ lookback: 2s }}
hold_alerts: {{ partial: {PARTIAL}s, silent: 1h }}
ingest: {{ local: on }}
notify: {{ group_wait: 0s, group_interval: 0s, webhook: [ {{ url: "{webhook.url('/hook')}" }} ] }}
"""
)


class Feeder(threading.Thread):
    """Writes each series of `values` five times a second. A value (start, step) grows."""

    def __init__(self):
        super().__init__(daemon=True)
        self.values = {}
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            series = []
            for (name, instance), value in list(self.values.items()):
                if isinstance(value, list):
                    value[0] += value[1]
                    value = value[0]
                series.append(({"__name__": name, "instance": instance, "job": "j"}, [(now_ms(), float(value))]))
            if series:
                collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS)


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


def alert(name):
    found = collector.people("/api/v1/alerts").json()["data"]["alerts"]
    return next((each for each in found if each["labels"]["alertname"] == name), None)


def firing(name):
    return lambda: (alert(name) or {}).get("state") == "firing"


def told(name):
    return [status for status, labels in webhook.alerts() if labels["alertname"] == name]


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_true_recovery_is_told_at_once_though_another_series_ended_without_a_marker():
    feeder.values = {("errors_total", "a"): [0.0, 5], ("errors_total", "b"): 1.0}
    eventually(firing("TooManyErrors"), "the alert")
    del feeder.values["errors_total", "b"]
    feeder.values["errors_total", "a"][1] = 0
    time.sleep(1)
    # The last increase of `a` leaves the range after six seconds.
    eventually(lambda: told("TooManyErrors") == ["firing", "resolved"], "the end of the alert", 10)
    assert alert("TooManyErrors") is None


def test_an_aggregate_is_held_while_a_missing_input_could_renew_it():
    feeder.values = {("load", "a"): 6, ("load", "b"): 6}
    eventually(firing("Sum"), "the alert")
    del feeder.values["load", "b"]
    eventually(lambda: "heldUntil" in (alert("Sum") or {}), "the alert is held")
    held = alert("Sum")
    assert held["state"] == "firing"
    assert seconds(held["heldUntil"]) - seconds(held["unknownSince"]) == PARTIAL, held
    shown = collector.run("alerts").stdout
    assert "held until" in shown, shown
    # Its last 6 and 4 do not exceed 10.
    feeder.values["load", "a"] = 4
    eventually(lambda: alert("Sum") is None, "the end of the alert", 4)
    eventually(lambda: told("Sum") == ["firing", "resolved"], "the notification of the end")


def test_a_held_aggregate_ends_at_the_time_that_is_shown():
    webhook.requests.clear()
    feeder.values = {("load", "a"): 6, ("load", "b"): 6}
    eventually(firing("Sum"), "the alert")
    del feeder.values["load", "b"]
    eventually(lambda: "heldUntil" in (alert("Sum") or {}), "the alert is held")
    until = seconds(alert("Sum")["heldUntil"])
    eventually(lambda: alert("Sum") is None, "the end of the alert", PARTIAL + 5)
    assert until <= time.time() <= until + 3


def test_an_alert_whose_only_source_fell_silent_stays():
    feeder.values = {("single", "a"): 12}
    eventually(firing("Only"), "the alert")
    feeder.values = {}
    eventually(lambda: "heldUntil" in (alert("Only") or {}), "the alert is held")
    held = alert("Only")
    assert seconds(held["heldUntil"]) - seconds(held["unknownSince"]) == 3600, held
    time.sleep(PARTIAL + 2)
    assert alert("Only")["state"] == "firing"
    assert told("Only") == ["firing"]
