"""Shared by the tests of the lab: ways to query it, to break it and to wait."""

import contextlib
import ctypes
import http.client
import json
import os
import re
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

LAB_DIR = Path(__file__).resolve().parents[2] / "lab"
LAB = LAB_DIR / "lab"
LONG = os.environ.get("LAPWING_LONG") == "1"
COLLECTOR = "10.77.0.20"
STATE = Path("/var/lib/lapwing-lab")
PAGE_PASSWORD_FILE = STATE / "page.secret"


def interval_of(job):
    """How often a probe runs, in seconds."""
    return {"mysql": 1, "haproxy": 5, "inventory": 60}.get(job, 10)


def note(text):
    print(f"      {text}", flush=True)


def inside(host, *command, check=True, text=None):
    """Runs a command in a host and returns what it printed; with check=False a CompletedProcess."""
    done = subprocess.run([str(LAB), "exec", host, "--", *command], input=text, text=True, capture_output=True,
                          timeout=120)
    if not check:
        return done
    assert done.returncode == 0, f"{' '.join(command)} on {host}: {done.returncode}: {done.stderr.strip()[-500:]}"
    return done.stdout


def sql(host, statement):
    return inside(host, "mariadb", "--batch", "--skip-column-names", text=statement)


class MonitorConnection(http.client.HTTPConnection):
    """A connection to the collector's loopback port: its socket belongs to monitor's network namespace. `lab api` takes a third of a
    second of a processor, and the tests ask three times a second."""

    def __init__(self):
        super().__init__("127.0.0.1", 9765, timeout=30)

    def connect(self):
        enter = ctypes.CDLL(None, use_errno=True).setns
        with open("/proc/thread-self/ns/net", "rb") as here, open("/run/netns/lapwing-monitor", "rb") as there:
            if enter(there.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                self.sock = socket.create_connection((self.host, self.port), self.timeout)
            finally:
                if enter(here.fileno(), 0) != 0:
                    os.abort()  # the rest would run in the wrong namespace


def api(path):
    connection = MonitorConnection()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise AssertionError(f"{path}: {error!r}") from error
    finally:
        connection.close()
    assert response.status == 200, f"{path}: {response.status} {body[:300]!r}"
    return json.loads(body)


def query(expression, at=None):
    """The result of an instant query: a list of {"metric", "value"} or, for a range selector, {"metric", "values"}."""
    path = "/api/v1/query?query=" + urllib.parse.quote(expression, safe="")
    if at is not None:
        path += f"&time={at:.3f}"
    return api(path)["data"]["result"]


def value(expression):
    """The value of an expression that yields one series, None if it yields no series."""
    result = query(expression)
    assert len(result) <= 1, f"{expression} yields {len(result)} series"
    return float(result[0]["value"][1]) if result else None


def samples(selector, since, until=None):
    """Raw samples of [since, until]: a list of (labels, [(time, value)...])."""
    until = time.time() if until is None else until
    width = max(1, int((until - since) * 1000))
    return [(series["metric"], [(float(at), float(number)) for at, number in series["values"]])
            for series in query(f"{selector}[{width}ms]", at=until)]


def every_second_once(host, since, until_then):
    """The stored samples of a one-second probe have every second, each once. Returns their number."""
    seen = samples(f'up{{job="mysql",instance="{host}",agent="{host}"}}', since, until_then)
    assert len(seen) == 1, f"{len(seen)} series"
    ((_, points),) = seen
    times = [at for at, _ in points]
    assert len(set(times)) == len(times), "a sample is there twice"
    assert len(times) > 1, "one sample alone"
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert times[0] < since + 1.6 and times[-1] > until_then - 1.6 and max(gaps) < 1.6, \
        f"{times[0] - since:.1f} s to the first, at most {max(gaps):.1f} s between, {until_then - times[-1]:.1f} s after the last"
    assert len(times) >= (until_then - since) - 3, f"{len(times)} samples in {until_then - since:.0f} s"
    return len(times)


def delivers_regularly():
    """Every probe of every agent has delivered its last two samples at its interval."""
    now = time.time()
    seen = {}
    for labels, points in samples('up{agent!=""}', now - 130):
        interval = interval_of(labels["job"])
        times = [at for at, _ in points]
        if times[-1] < now - interval - 5:
            continue  # ended: another series, or none, has taken its place
        assert len(times) > 1, f"one sample alone of {labels}"
        assert times[-1] - times[-2] < interval + 0.5, f"{times[-1] - times[-2]:.1f} s between two samples of {labels}"
        seen.setdefault(labels["agent"], set()).add(labels["job"])
    assert {"web-01", "web-02", "monitor"} <= seen.keys(), f"samples of {sorted(seen)} only"
    for agent, jobs in seen.items():
        assert "inventory" in jobs, f"no inventory of {agent}"
    return True


def analysed_since(moment):
    """True if findings() are those of an analysis that began after that time. Its samples come just before them."""
    newest = value("max(timestamp(lapwing_topology_component_info))")
    if newest is None or newest < moment:
        return False
    time.sleep(1)
    return True


def findings(**wanted):
    return [finding for finding in api("/api/lapwing/v1/findings")["data"]
            if all(finding[key] == expected for key, expected in wanted.items())]


def until(question, seconds, what):
    """Repeats `question` until its answer is true, and returns the answer. A failed assertion inside counts as "not yet"."""
    end = time.monotonic() + seconds
    last = ""
    while True:
        try:
            answer = question()
            if answer:
                return answer
        except AssertionError as error:
            last = f" ({error})"
        assert time.monotonic() < end, f"not within {seconds} s: {what}{last}"
        time.sleep(0.3)


@contextlib.contextmanager
def fault(name, **environment):
    """Injects a fault of tests/lab/faults, and clears it at the end of the block in any case."""
    script = str(LAB_DIR / "faults" / name)
    env = {**os.environ, **environment}
    try:
        subprocess.run([script, "inject"], check=True, env=env, timeout=120)
        yield
    finally:
        subprocess.run([script, "clear"], check=True, env=env, timeout=120)


def svc(host, unit, verb):
    inside(host, "svc", unit, verb)


@contextlib.contextmanager
def haproxy_with(*edits):
    """Edits the configuration of HAProxy with sed for the length of the block."""
    file = "/etc/haproxy/haproxy.cfg"
    original = inside("lb-01", "cat", file)
    try:
        inside("lb-01", "sed", "-i", *[word for edit in edits for word in ("-e", edit)], file)
        svc("lb-01", "haproxy", "stop")
        svc("lb-01", "haproxy", "start")
        yield
    finally:
        inside("lb-01", "sh", "-c", f"cat >{file}", text=original)
        svc("lb-01", "haproxy", "stop")
        svc("lb-01", "haproxy", "start")


@contextlib.contextmanager
def collector_with(old, new):
    """Changes the configuration of the collector for the length of the block."""
    file = "/etc/lapwing/collector.yaml"
    original = inside("monitor", "cat", file)
    assert old in original

    def restarted(text):
        inside("monitor", "sh", "-c", f"cat >{file}", text=text)
        svc("monitor", "collector", "stop")
        svc("monitor", "collector", "start")

    try:
        restarted(original.replace(old, new))
        yield
    finally:
        restarted(original)


def received(since):
    """The requests that the webhook received after a time, oldest first: {"at", "path", "body"}."""
    file = STATE / "monitor/var/lib/sink/events.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    # The last line may be incomplete.
    events = map(json.loads, text[:text.rfind("\n") + 1].splitlines())
    return [event for event in events if event["at"] >= since]


def notifications(since):
    """Alerts that the webhook received after a time, oldest first: {"at", "status", "labels", "annotations"}."""
    found = []
    for event in received(since):
        if not isinstance(event["body"], dict):
            continue
        for alert in event["body"].get("alerts", []):
            found.append({"at": event["at"], "status": alert["status"], "labels": alert["labels"],
                          "annotations": alert["annotations"]})
    return found


def alert_text(alert):
    return " ".join([*alert["labels"].values(), *alert["annotations"].values()])


def matching(since, status, *patterns):
    """The first notification of that status whose labels and annotations match every pattern."""
    for alert in notifications(since):
        if alert["status"] == status and all(re.search(pattern, alert_text(alert), re.I) for pattern in patterns):
            return alert
    return None


def process_status(host, unit):
    """/proc/PID/status of a unit's process, as the host sees it."""
    pid = inside(host, "svc", unit, "pid").strip()
    lines = inside(host, "cat", f"/proc/{pid}/status").splitlines()
    return pid, dict(line.split(":\t", 1) for line in lines if ":\t" in line)
