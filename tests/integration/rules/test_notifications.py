"""Notifications: no duplicate and no loss across kill -9; silences; reloads; the heartbeat, and its end on a full disk."""

import http.client
import json
import os
import socket
import subprocess
import time

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request
from sink import Sink, eventually

webhook = Sink()
expecting = Sink()
SECRET = "0123456789abcdef"

RULES = """groups:
  - name: g
    interval: 1s
    rules:
      - alert: Down
        expr: x == 0
        labels: { severity: critical }
      - alert: Down
        expr: x == 0
        labels: { severity: warning }
"""
collector = Collector(
    f"""rules_interval: 1s
ingest: {{ local: on }}
notify:
  group_wait: 0s
  group_interval: 0s
  webhook: [ {{ url: "{webhook.url('/hook/' + SECRET)}" }} ]
  heartbeat: {{ url: "{expecting.url('/ping/' + SECRET)}", interval: 1s }}
"""
)


def rules(text):
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(text)


def put(instance, value):
    collector.put([({"__name__": "x", "instance": instance}, value)])


def told(instance):
    return [
        status
        for status, labels in webhook.alerts()
        if labels["instance"] == instance and labels["severity"] == "critical"
    ]


class Admin(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("localhost", timeout=30)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(collector.path("admin.sock"))


def admin(method, path, body=None):
    connection = Admin()
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def alerts(instance):
    found = collector.people("/api/v1/alerts").json()["data"]["alerts"]
    return [alert for alert in found if alert["labels"]["instance"] == instance]


@pytest.fixture(scope="module", autouse=True)
def running():
    os.makedirs(collector.path("rules"))
    yield
    collector.close()


def test_an_alert_is_told_once_though_the_collector_is_killed():
    rules(RULES)
    collector.start()
    put("a", 0)
    eventually(lambda: told("a") == ["firing"], "the alert of a")
    # The lesser severity is inhibited by the greater.
    assert len(webhook.alerts()) == 1, webhook.alerts()
    eventually(lambda: len(alerts("a")) == 2, "both alerts in the API")
    [lesser] = [alert for alert in alerts("a") if alert["labels"]["severity"] == "warning"]
    assert lesser["inhibitedBy"] == [{"alertname": "Down", "instance": "a", "severity": "critical"}], lesser
    for _ in range(3):
        collector.kill()
        collector.start()
        put("a", 0)
        time.sleep(1.5)
    assert told("a") == ["firing"], told("a")


def test_what_a_receiver_did_not_take_is_told_after_a_kill():
    webhook.status = 500
    put("b", 0)
    eventually(lambda: "firing" in told("b"), "an attempt for b")
    collector.kill()
    webhook.requests.clear()
    webhook.status = 200
    collector.start()
    eventually(lambda: told("b") == ["firing"], "the alert of b")
    time.sleep(1.5)
    assert told("b") == ["firing"]
    # The alert of a was sent too, since it is in the same group. Now each resolves, once.
    webhook.requests.clear()
    put("a", 1)
    eventually(lambda: "resolved" in told("a"), "the end of a")
    collector.kill()
    collector.start()
    put("b", 1)
    eventually(lambda: "resolved" in told("b"), "the end of b")
    time.sleep(1.5)
    assert told("a") == ["resolved"], told("a")
    assert told("b").count("resolved") == 1, told("b")


def test_a_silenced_alert_is_shown_and_not_told():
    done = collector.run("silence", "c", "1h", "--matcher", "severity=~critical|warning", "--comment", "new disk")
    assert done.returncode == 0, done.stderr
    identity = done.stdout.split(":")[0]
    assert 'instance="c"' in done.stdout and 'severity=~"critical|warning"' in done.stdout, done.stdout
    put("c", 0)
    eventually(lambda: len(alerts("c")) == 2, "the alerts of c")
    assert all(alert["silencedBy"] == [identity] for alert in alerts("c")), alerts("c")
    collector.kill()
    collector.start()
    put("c", 0)
    time.sleep(2)
    assert told("c") == []
    listed = collector.run("silence", "list")
    assert identity in listed.stdout and "active" in listed.stdout and "new disk" in listed.stdout, listed.stdout
    [entry] = json.loads(collector.run("silence", "list", "--json").stdout)
    assert entry["matchers"][0] == {"name": "instance", "value": "c", "isRegex": False, "isEqual": True}, entry
    ended = collector.run("silence", "expire", identity)
    assert ended.returncode == 0, ended.stderr
    eventually(lambda: told("c") == ["firing"], "the alert of c")


def test_a_silence_ends_by_itself():
    assert collector.run("silence", "d", "4s").returncode == 0
    put("d", 0)
    eventually(lambda: len(alerts("d")) == 2, "the alerts of d")
    assert told("d") == []
    eventually(lambda: "silencedBy" not in alerts("d")[0], "the end of the silence")
    eventually(lambda: told("d") == ["firing"], "the alert of d")


def test_what_is_wrong_with_a_silence_is_said():
    for words, code in [
        (["silence"], 2),
        (["silence", "web-02"], 2),
        (["silence", "web-02", "soon"], 2),
        (["silence", "web-02", "0"], 2),
        (["silence", "30m", "--matcher", "a"], 2),
        (["silence", "30m", "--matcher", "a=~.*"], 2),
        (["silence", "30m", "--matcher", "a=~("], 2),
        (["silence", "expire", "none"], 2),
        (["silence", "expire", "../../x"], 2),
    ]:
        done = collector.run(*words)
        assert done.returncode == code and done.stderr and not done.stdout, (words, done)
    # The port for people accepts no silence.
    assert collector.people("/api/v2/silences", "POST", "{}").status == 404
    assert collector.people("/-/reload", "POST").status == 404
    assert admin("POST", "/api/v2/silences", "{")[0] == 400
    assert admin("PUT", "/api/v2/silences")[0] == 405


def test_rules_are_read_again_at_the_admin_socket():
    rules(RULES + "      - alert: Up\n        expr: x == 1\n")
    assert admin("POST", "/-/reload") == (200, b"")
    names = [rule["name"] for rule in collector.people("/api/v1/rules").json()["data"]["groups"][0]["rules"]]
    assert names == ["Down", "Down", "Up"], names
    rules("groups: [")
    status, body = admin("POST", "/-/reload")
    assert status == 500 and b"failed to reload config" in body, body
    assert len(collector.people("/api/v1/rules").json()["data"]["groups"][0]["rules"]) == 3
    assert admin("GET", "/-/reload")[0] == 405
    rules(RULES)


def test_heartbeats_come_while_all_works():
    expecting.requests.clear()
    eventually(lambda: len(expecting.requests) >= 2, "heartbeats")
    path, _, body = expecting.requests[0]
    assert path == "/ping/" + SECRET and body
    assert not [alert for _, alert in webhook.alerts() if alert["alertname"] == "LapwingHeartbeat"]


def test_secrets_are_in_no_log():
    webhook.status = expecting.status = 503
    put("e", 0)
    eventually(lambda: "firing" in told("e"), "an attempt for e")
    eventually(lambda: "heartbeat: answered HTTP 503" in collector.log_text(), "the warning")
    webhook.status = expecting.status = 200
    assert SECRET not in collector.log_text()
    assert SECRET not in json.dumps(collector.people("/metrics").body.decode())


@pytest.mark.root
def test_heartbeats_end_while_the_disk_is_full():
    """The database is on a small file system of its own."""
    collector.stop()
    data = collector.path("data")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", data], check=True)
    try:
        collector.start()
        expecting.requests.clear()
        eventually(lambda: len(expecting.requests) >= 2, "heartbeats")
        filling = os.open(os.path.join(data, "filling"), os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(filling, b"\0" * 4096)
        except OSError:
            os.close(filling)
        # Free pages of the database may still take a few samples.
        last = [0]

        def ended():
            quiet = len(expecting.requests) == last[0]
            last[0] = len(expecting.requests)
            time.sleep(4)
            return quiet and len(expecting.requests) == last[0]

        def stopped():
            try:
                body = write_request([({"__name__": "filler", "i": str(i)}, [(now_ms(), float(i))]) for i in range(200)])
                collector.people("/api/v1/write", "POST", body, WRITE_HEADERS)
            except OSError:
                pass
            return ended()

        eventually(stopped, "the end of the heartbeats", 60)
        os.unlink(os.path.join(data, "filling"))
        expecting.requests.clear()
        eventually(lambda: expecting.requests, "heartbeats after there was space again", 60)
        collector.stop()
    finally:
        if collector.process.poll() is None:
            collector.kill()
        subprocess.run(["umount", data], check=True)


def test_a_message_that_a_receiver_refuses_holds_up_no_other_and_is_told():
    webhook.requests.clear()
    webhook.status = lambda body: 400 if b'"Refused"' in body else 200
    rules(RULES + """      - alert: Refused
        expr: refused == 1
""")
    collector.stop()
    collector.start()
    body = write_request([({"__name__": "refused", "instance": "r"}, [(now_ms(), 1)])])
    assert collector.people("/api/v1/write", "POST", body, WRITE_HEADERS).status in (200, 204)
    eventually(lambda: any(labels["alertname"] == "Refused" for _, labels in webhook.alerts()), "an attempt")
    put("late", 0)
    eventually(lambda: told("late") == ["firing"], "the alert after the refused one")
    trouble = 'lapwing_notification_trouble_info{state="given_up"}'
    eventually(lambda: len(collector.query(trouble)) == 1, "the refusal in the metrics")
    [found] = collector.query(trouble)
    assert found["metric"]["receiver"] == "webhook[0]" and found["metric"]["reason"] == "answered HTTP 400: {}", found
    shown = collector.run("status").stdout
    assert 'receiver   webhook[0] refused {alertname="Refused"}: answered HTTP 400: {}' in shown, shown
    webhook.status = 200
