"""A real agent that can be killed at any time, and the truth about the samples that it had written to its spool."""

import json
import math
import os
import signal
import struct
import subprocess
import time
import urllib.parse

import spool

STALE = 0x7FF0000000000002


class WatchedAgent:
    """An agent with the probe node, of the collector of the harness."""

    def __init__(self, collector, host="web-01"):
        self.collector = collector
        self.folder = collector.path("agent")
        self.process = None
        self.environment = {}
        self.spooled = {}  # all samples that were in the spool after a kill
        collector.configure_agent(host, {"node": "on"})

    def start(self):
        self.process = self.collector.launch_agent(self.environment)

    def kill(self):
        self.process.kill()
        self.process.wait(20)
        self.look()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)

    def look(self):
        """Remembers what is in the spool. Returns how many samples are."""
        found = spool.read(self.folder, self.collector.path("spool-copy"))
        for key, value in found.items():
            known = self.spooled.setdefault(key, value)
            assert same(known, value), f"the spool has another value for {key}: {known}, {value}"
        return len(found)

    def log_text(self):
        with open(self.collector.path("agent.log"), errors="replace") as text:
            return text.read()

    def wait_until_sent(self, seconds=120):
        """Waits until a running agent has nothing older than a few seconds in its spool."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.5)
            state = self.status()
            if state and state["spool_samples"] == 0:
                return
        raise AssertionError(f"the spool is not sent: {self.status()} {self.log_text()[-2000:]}")

    def status(self):
        """What the agent says about its delivery; None if it does not answer."""
        program = os.path.join(os.environ.get("LAPWING_BIN", "build/dev/bin"), "lapwing-agent")
        done = subprocess.run([program, "--config", self.collector.path("agent.yaml"), "status", "--json"], capture_output=True, text=True, timeout=30)
        return json.loads(done.stdout)["collector"] if done.stdout.startswith("{") else None

    def check(self):
        """Every sample that was in the spool is in the collector once, with its value. Returns how many were."""
        by_labels = {}
        for (labels, at), value in self.spooled.items():
            by_labels.setdefault(labels, {})[at] = value
        if not by_labels:
            return 0
        begin = min(at for _, at in self.spooled)
        end = max(at for _, at in self.spooled)
        stored = {}
        for start in range(begin, end + 1, 60_000):
            query = urllib.parse.urlencode({"query": '{agent="web-01"}[60s]', "time": (start + 59_999) / 1000})
            answer = self.collector.people("/api/v1/query?" + query)
            assert answer.status == 200, answer.body
            for series in answer.json()["data"]["result"]:
                labels = tuple(sorted(pair for pair in series["metric"].items() if pair[0] != "agent"))
                points = stored.setdefault(labels, {})
                for at, value in series["values"]:
                    at = round(float(at) * 1000)
                    assert at not in points, f"{labels} is there twice at {at}"
                    points[at] = float(value)
        lost = []
        for labels, points in by_labels.items():
            there = stored.get(tuple(sorted(pair for pair in labels if pair[0] != "agent")), {})
            for at, value in points.items():
                if is_stale(value):
                    continue  # a query does not show the end of a series
                if at not in there or not same(there[at], value):
                    lost.append((labels, at, value, there.get(at)))
        assert not lost, f"{len(lost)} of {len(self.spooled)} spooled samples are not in the collector, first {lost[0]}"
        return len(self.spooled)


def is_stale(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0] == STALE


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))
