"""/api/lapwing/v1/timeline: what happened, from the stored samples and the silences."""

import struct
import time
import urllib.parse

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
EVIL = "<img src=x onerror=window.owned=1>"
MINUTE = 60_000
BEGIN = now_ms() // 1000 * 1000 - 120 * MINUTE

collector = Collector("ingest: { local: true }\n")


def every(minutes, value):
    return [(BEGIN + m * MINUTE, value(m) if callable(value) else value) for m in minutes]


def series():
    alert = {"__name__": "ALERTS", "alertname": "LampDark", "alertstate": "firing", "instance": "web-01", "room": EVIL}
    yield alert, every(range(10, 20), 1) + every([20], STALE) + every(range(40, 60), 1)
    yield {**alert, "alertstate": "pending"}, every(range(5, 10), 1) + every([10], STALE)
    # A change of the severity at the minute 35 is no news; the finding has stood since before the range, and ends at 50.
    finding = {"__name__": "lapwing_finding", "id": "F4", "subject": "web-01", "confidence": "confirmed"}
    yield {**finding, "severity": "high"}, every(range(-10, 35), 1) + every([35], STALE)
    yield {**finding, "severity": "medium"}, every(range(35, 50), 1) + every([50], STALE)
    first, second = (BEGIN - 86_400_000) / 1000, (BEGIN + 30 * MINUTE) / 1000
    for agent in ("web-01", "web-02"):
        yield {"__name__": "node_boot_time_seconds", "instance": "web-01", "agent": agent}, every(range(0, 60), lambda m: first + m % 2 if m < 32 else second)
    yield {"__name__": "mysql_global_status_uptime", "instance": "web-02"}, every(range(0, 60), lambda m: 9000 + 60 * m if m < 45 else 60 * (m - 44))
    yield {"__name__": "haproxy_process_start_time_seconds", "instance": "lb-01"}, every(range(0, 60), lambda m: first if m < 25 else BEGIN / 1000 + 24.5 * 60)
    inventory = {"__name__": "lapwing_inventory_info", "set": "nginx", "instance": "web-01"}
    yield {**inventory, "digest": "a"}, every(range(0, 15), 1) + every([15], STALE) + every(range(55, 60), 1)
    yield {**inventory, "digest": "b"}, every(range(15, 55), 1) + every([55], STALE)
    yield {**inventory, "set": "packages", "digest": "c"}, every(range(0, 60), 1)
    yield {"__name__": "lapwing_mysql_replica_configured", "instance": "web-02"}, every(range(0, 60), lambda m: float(m < 33))
    yield {"__name__": "mysql_global_variables_read_only", "instance": "web-02"}, every(range(0, 60), lambda m: float(m < 34))
    yield {"__name__": "keepalived_vrrp_state", "instance": "lb-02", "ip_address": "10.0.0.1"}, every(range(0, 60), lambda m: 1.0 if m < 36 else 2.0)
    # Its values stop without a marker: the collector was away, which is no end.
    yield {"__name__": "lapwing_agent_last_seen_seconds", "host": "web-02"}, every(range(0, 60), lambda m: 90.0 if 37 <= m < 39 else 1.0)


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        collector.start()
        assert collector.people("/api/v1/write", "POST", write_request(list(series())), WRITE_HEADERS).status == 204
        yield
    finally:
        collector.close()


def ask(**parameters):
    return collector.people("/api/lapwing/v1/timeline?" + urllib.parse.urlencode(parameters))


def events(start=0, end=60):
    answer = ask(start=(BEGIN + start * MINUTE) / 1000, end=(BEGIN + end * MINUTE) / 1000).json()
    assert answer["status"] == "success" and answer["data"]["truncated"] is False, answer
    return answer["data"]["events"]


def told(found):
    def minute(event):
        return round((time.mktime(time.strptime(event["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone) - BEGIN / 1000) / 60
    return [(minute(event), event["kind"], event["host"], event["text"]) for event in found]


def test_each_kind_is_told_once_and_at_its_time():
    assert told(events()) == [
        (10, "alert_began", "web-01", "LampDark fires"),
        (15, "deployment", "web-01", "What is installed on web-01 changed (nginx)"),
        (20, "alert_ended", "web-01", "LampDark has ended"),
        (24.5, "restart", "lb-01", "HAProxy on lb-01 was started or reloaded"),
        (30, "restart", "web-01", "web-01 was booted"),
        (33, "role", "web-02", "MySQL on web-02 is no replica any more"),
        (34, "role", "web-02", "MySQL on web-02 accepts writes"),
        (36, "role", "lb-02", "lb-02 took the address 10.0.0.1"),
        (37, "agent_silent", "web-02", "The agent of web-02 has been silent for a minute"),
        (39, "agent_back", "web-02", "The agent of web-02 reports again"),
        (40, "alert_began", "web-01", "LampDark fires"),
        (44, "restart", "web-02", "MySQL on web-02 was started"),
        (50, "finding_ended", "", "Finding F4 on web-01 is gone"),
        (55, "deployment", "web-01", "What is installed on web-01 changed (nginx)"),
    ]


def test_the_labels_of_an_alert_are_there():
    [first] = [event for event in events(0, 12) if event["kind"] == "alert_began"]
    assert first["labels"] == {"alertname": "LampDark", "instance": "web-01", "room": EVIL}


def test_a_range_holds_its_own_events_only():
    assert [event[0] for event in told(events(21, 31))] == [24.5, 30]
    assert events(0, 4) == []


def test_silences_are_told():
    done = collector.run("silence", "web-07", "1h", "--comment", "a new disk")
    assert done.returncode == 0, done.stderr
    last = ask().json()["data"]["events"][-1]
    assert last["kind"] == "silence_began" and 'instance="web-07"' in last["text"] and last["text"].endswith(": a new disk"), last


def test_ranges_are_bounded():
    now = time.time()
    for bad in ({"start": now - 8 * 86400, "end": now}, {"start": now, "end": now - 1}, {"start": "soon"}):
        answer = ask(**bad)
        assert answer.status == 400 and answer.json()["errorType"] == "bad_data", answer.body
    assert ask(start=now - 7 * 86400, end=now).status == 200
    assert collector.people("/api/lapwing/v1/timeline", "POST", b"").status == 405


def test_many_events_are_cut_and_told():
    # attacks "events of a timeline"
    many = [({"__name__": "ALERTS", "alertname": "Many", "alertstate": "firing", "number": str(n)}, every([70], 1) + every([71], STALE)) for n in range(600)]
    assert collector.people("/api/v1/write", "POST", write_request(many), WRITE_HEADERS).status == 204
    data = ask(start=(BEGIN + 65 * MINUTE) / 1000, end=(BEGIN + 75 * MINUTE) / 1000).json()["data"]
    assert data["truncated"] is True and len(data["events"]) == 1000
    assert [event["kind"] for event in data["events"]].count("alert_ended") == 600, "the oldest are left out"
