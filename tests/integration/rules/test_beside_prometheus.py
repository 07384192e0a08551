"""Lapwing and Debian's Prometheus, with the same rule file and the same samples, have the same rules, alerts, written series and
notifications at every step. The deliberate differences (missing data, exceeded limits while alerts fire) are not tested here;
docs/alerts.md lists them."""

import json
import os
import signal
import struct
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from harness import WRITE_HEADERS, Collector, free_port, now_ms, write_request
from sink import Sink, eventually


[STALE] = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))

RULES = """groups:
  - name: recorded
    interval: 1s
    rules:
      - record: job:x:sum
        expr: sum by (job) (x)
      - record: chain
        expr: job:x:sum * 2
        labels: { kind: "{{ plain }}", job: "" }
      - record: firing
        expr: count by (alertname) (ALERTS{alertstate="firing"})
  - name: alerts
    interval: 1s
    rules:
      - alert: Now
        expr: x > 10
        labels: { severity: '{{ if gt $value 25.0 }}critical{{ else }}warning{{ end }}', empty: "" }
        annotations:
          summary: '{{ $labels.i }} of {{ .Labels.job | toUpper }}: {{ $value | humanize }}{{ range query "sort(x)" }} {{ .Labels.i }}={{ .Value }}{{ end }}'
          error: '{{ query "up(" }}'
      - alert: Later
        expr: x > 10
        for: 7s
      - alert: Keeps
        expr: x > 10
        keep_firing_for: 7s
      - alert: Both
        expr: max by (job) (x) > 10
        for: 2s
        keep_firing_for: 2s
      - alert: Never
        expr: x > 10
        for: 1h
      - alert: Gone
        expr: absent(nothing{a="b"})
      - alert: Same
        expr: y > 0
        labels: { i: one }
      - alert: Ambiguous
        expr: x * on (job) y
      - alert: Chained
        expr: ALERTS{alertname="Now"} == 1
  - name: limited
    interval: 1s
    limit: 1
    rules:
      - alert: Few
        expr: y > 0
      - record: few
        expr: y
  - name: goes
    interval: 1s
    rules:
      - record: left
        expr: x
      - alert: Left
        expr: x > -1
"""

# Steps: the values of x{i="a"}, x{i="b"}, y{i="1"}, y{i="2"} (None: a staleness marker, "": nothing more), and the alerts
# that Prometheus shows at the end: NAME(i) pending or FIRING.
A, B = "a", "b"
STEPS = [
    (1, 1, 0, 0, "Gone:F Left/a:F Left/b:F"),
    (20, 1, 0, 0, "Gone:F Left/a:F Left/b:F Now/a:F Later/a:P Keeps/a:F Both:F Never/a:P Chained/a:F"),
    (20, 30, 1, 2, "Gone:F Left/a:F Left/b:F Now/a:F Now/b:F Later/a:F Later/b:P Keeps/a:F Keeps/b:F Both:F Never/a:P Never/b:P Chained/a:F Chained/b:F"),
    (1, 30, 0, 0, "Gone:F Left/a:F Left/b:F Now/b:F Later/b:F Keeps/b:F Both:F Never/b:P Chained/b:F"),
    (1, None, 0, 0, "Gone:F Left/a:F"),
    (20, "", 0, 0, "Gone:F Left/a:F Now/a:F Later/a:F Keeps/a:F Both:F Never/a:P Chained/a:F"),
    (1, "", 0, 0, "Gone:F Left/a:F"),
]


class Prometheus:
    def __init__(self, directory, rules, alertmanager):
        self.port = free_port()
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as out:
            out.write(
                f"global: {{ evaluation_interval: 1s }}\nrule_files: [ {rules} ]\n"
                f"alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: [ '127.0.0.1:{alertmanager.port}' ] }} ] }} ] }}\n"
            )
        self.log = open(os.path.join(directory, "prometheus.log"), "wb")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory}/tsdb",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-remote-write-receiver",
                # It drops notifications until it has found the Alertmanagers, also after a reload.
                "--rules.alert.resend-delay=2s",
            ],
            stdout=self.log,
            stderr=self.log,
        )

    def answers(self):
        try:
            return self.get("/api/v1/status/buildinfo")["version"].startswith("2.")
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.load(answer)["data"]

    def write(self, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/write", body, WRITE_HEADERS)
        urllib.request.urlopen(request, timeout=30).close()


class Lapwing(Collector):
    def get(self, path):
        answer = self.people(path)
        assert answer.status == 200, answer.body
        return answer.json()["data"]

    def write(self, body):
        answer = self.people("/api/v1/write", "POST", body, WRITE_HEADERS)
        assert answer.status in (200, 204), (answer.status, answer.body)


rule_file = lapwing = prometheus = feeder = None
both = {}
told = {}


class Feeder(threading.Thread):
    """Writes the same samples to both, five times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.values = STEPS[0][:4]
        self.done = threading.Event()
        self.failure = None

    def run(self):
        names = [("x", "a"), ("x", "b"), ("y", "1"), ("y", "2")]
        while not self.done.is_set():
            at = now_ms()
            series = [
                ({"__name__": name, "i": i, "job": "j"}, [(at, STALE if value is None else float(value))])
                for (name, i), value in zip(names, self.values)
                if value != ""
            ]
            if None in self.values:  # one marker is enough
                self.values = tuple("" if value is None else value for value in self.values)
            try:
                for server in both.values():
                    server.write(write_request(series))
            except Exception as error:
                self.failure = error
                return
            self.done.wait(0.2)


def shown(server):
    """The alerts as STEPS writes them."""
    names = set()
    for alert in server.get("/api/v1/alerts")["alerts"]:
        labels = alert["labels"]
        names.add(
            labels["alertname"]
            + ("/" + labels["i"] if "i" in labels else "")
            + (":F" if alert["state"] == "firing" else ":P")
        )
    return names


def alert_state(alert):
    return {
        **{key: alert[key] for key in ("labels", "state", "value")},
        "annotations": {k: error_free(v) for k, v in alert["annotations"].items()},
        "kept": "keepFiringSince" in alert,
    }


def error_free(text):
    """Replaces the message of a failed template, which has other words in each."""
    return "<error>" if text.startswith("<error expanding template: ") else text


def rule_state(rule):
    out = {k: v for k, v in rule.items() if k not in ("evaluationTime", "lastEvaluation", "alerts", "lastError")}
    out["lastError"] = rule.get("lastError", "").split(": [")[0]
    # An empty label removes a label, but Prometheus still shows it in the rule.
    out["labels"] = {name: value for name, value in (rule.get("labels") or {}).items() if value}
    out["alerts"] = sorted((alert_state(alert) for alert in rule.get("alerts") or []), key=lambda a: sorted(a["labels"].items()))
    return out


def rules_of(server):
    return [
        {
            **{key: group[key] for key in ("name", "file", "interval", "limit")},
            "rules": [rule_state(rule) for rule in group["rules"]],
        }
        for group in sorted(server.get("/api/v1/rules")["groups"], key=lambda group: group["name"])
    ]


def written(server, at):
    """The series that the rules wrote, {labels: value}. Values of ALERTS_FOR_STATE are times, which differ between the servers."""
    query = '{__name__=~"ALERTS|ALERTS_FOR_STATE|job:x:sum|chain|firing|few|left"}'
    result = server.get("/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": at}))["result"]
    out = {}
    for element in result:
        coarse = element["metric"]["__name__"] == "ALERTS_FOR_STATE"
        out[json.dumps(element["metric"], sort_keys=True)] = "a time" if coarse else element["value"][1]
        if coarse:
            assert abs(float(element["value"][1]) - at) < 120, element
    return out


def difference(ours, theirs):
    return f"\n  Lapwing:    {json.dumps(ours, sort_keys=True)}\n  Prometheus: {json.dumps(theirs, sort_keys=True)}"


def differences():
    """The current differences as text, or ""."""
    at = time.time()
    for what, of in (("rules", rules_of), ("series", lambda server: written(server, at))):
        ours, theirs = of(lapwing), of(prometheus)
        if ours == theirs:
            continue
        if what == "series":
            keys = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
            return what + difference({k: ours.get(k) for k in keys}, {k: theirs.get(k) for k in keys})
        for our_group, their_group in zip(ours, theirs):
            for our_rule, their_rule in zip(our_group["rules"], their_group["rules"]):
                if our_rule != their_rule:
                    return what + difference(our_rule, their_rule)
        return what + difference(ours, theirs)
    return ""


@pytest.fixture(scope="module", autouse=True)
def running(tmp_path_factory):
    global rule_file, lapwing, prometheus, feeder
    directory = str(tmp_path_factory.mktemp("beside"))
    rule_file = os.path.join(directory, "rules.yml")
    with open(rule_file, "w") as out:
        out.write(RULES)
    told.update(prometheus=Sink(), lapwing=Sink())
    lapwing = Lapwing(
        f"rules: [ {rule_file} ]\nrules_interval: 1s\ningest: {{ local: on }}\npromql: {{ compat: 2 }}\n"
        f"notify: {{ alertmanager: [ {{ url: '{told['lapwing'].url()}' }} ] }}\n"
    )
    prometheus = Prometheus(directory, rule_file, told["prometheus"])
    both.update(prometheus=prometheus, lapwing=lapwing)
    feeder = Feeder()
    try:
        lapwing.start()
        eventually(prometheus.answers, "Prometheus")
        feeder.start()
        yield
    finally:
        feeder.done.set()
        prometheus.process.kill()
        prometheus.process.wait()
        prometheus.log.close()
        lapwing.close()


def test_every_step_is_the_same():
    for number, step in enumerate(STEPS):
        feeder.values = step[:4]
        expected = set(step[4].split())
        deadline = time.monotonic() + 60
        while True:
            assert feeder.failure is None, feeder.failure
            states = {name: shown(server) for name, server in both.items()}
            reached = all(state == expected for state in states.values())
            differs = differences() if reached else f"not reached: {difference(*(sorted(states[n] ^ expected) for n in ('lapwing', 'prometheus')))}"
            if not differs:
                break
            assert time.monotonic() < deadline, f"step {number}: {differs}"
            time.sleep(0.2)
        print(f"      step {number}: {len(expected)} alerts", flush=True)


def test_errors_are_the_same():
    """The rules that fail by two series of one name, by an ambiguous match and by the limit."""
    feeder.values = (20, "", 1, 2)
    wanted = {
        "Same": "vector contains metrics with the same labelset after applying alert labels",
        "Few": "exceeded limit of 1 with 2 alerts",
        "few": "exceeded limit of 1 with 2 series",
        "Ambiguous": "found duplicate series for the match group",
    }

    def failing(server):
        rules = {rule["name"]: rule for group in rules_of(server) for rule in group["rules"]}
        return all(rules[name]["health"] == "err" and text in rules[name]["lastError"] for name, text in wanted.items())

    for name, server in both.items():
        eventually(lambda server=server: failing(server), f"the errors of {name}: {rules_of(server)}", 60)
    last = [""]

    def same():
        ours, theirs = (
            {rule["name"]: rule["lastError"] for group in rules_of(server) for rule in group["rules"]}
            for server in (lapwing, prometheus)
        )
        last[0] = difference(ours, theirs)
        return ours == theirs

    eventually(same, "the same errors", 60)


def test_what_a_removed_rule_wrote_ends():
    kept = RULES[: RULES.index("  - name: goes")].replace(RULES[RULES.index("      - record: chain") : RULES.index("      - record: firing")], "")
    with open(rule_file, "w") as out:
        out.write(kept)
    for server in both.values():
        server.process.send_signal(signal.SIGHUP)

    def gone(server):
        at = time.time()
        return not any('"chain"' in key or '"left"' in key or '"Left"' in key for key in written(server, at))

    for name, server in both.items():
        eventually(lambda server=server: gone(server), f"the end of what the removed rules wrote to {name}", 60)


def test_both_told_the_same():
    """Firing and resolved of every alert, in order; repetitions count once."""

    def heard(sink):
        out = {}
        for at, (path, _, body) in zip(list(sink.times), list(sink.requests)):
            assert path == "/api/v2/alerts", path
            for alert in json.loads(body):
                ends = time.strptime(alert["endsAt"][:19], "%Y-%m-%dT%H:%M:%S")
                state = "firing" if time.mktime(ends) - time.timezone > at + 2 else "resolved"
                # Prometheus does not resolve the alerts of a removed rule.
                if alert["labels"]["alertname"] == "Left":
                    continue
                states = out.setdefault(json.dumps(alert["labels"], sort_keys=True), [])
                if not states or states[-1] != state:
                    states.append(state)
        return out

    def same():
        return heard(told["lapwing"]) == heard(told["prometheus"])

    try:
        eventually(same, "the same notifications", 30)
    except AssertionError as error:
        ours, theirs = heard(told["lapwing"]), heard(told["prometheus"])
        keys = [key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)]
        raise AssertionError(difference({k: ours.get(k) for k in keys}, {k: theirs.get(k) for k in keys})) from error
    states = heard(told["lapwing"])
    assert len(states) >= 10, states
    assert any(each[:3] == ["firing", "resolved", "firing"] for each in states.values()), states

