"""A site under attack: a real collector over TLS, an honest agent that writes all the time, and an attacker with a certificate.

    with AttackedSite() as site:
        with site.attack("a URI of 16 MB", limit="a URI: queries and administration; agents", memory=8 * MB) as attack:
            ...                                  # attack site.collector; site.attacker() is a connection with web-01's certificate
            attack.told = "414"                  # how the attack was answered (optional)

The attack must name a row of docs/limits.md. At the end of its block the process must be alive and within `memory`, every
sample of the honest agent that was acknowledged must be stored, and the row of the table is recorded.
"""

import os
import re
import signal
import sys
import time
from pathlib import Path

import document_table
import process_memory
from harness import LONG, Collector
from writers import Writers

MB = 1 << 20
LIMITS = Path(__file__).resolve().parents[2] / "docs/limits.md"
HONEST_PAUSE = 0.05  # seconds between the batches of the honest agent


def limits():
    """The names of the rows of docs/limits.md."""
    rows = [line.split("|")[1].strip() for line in LIMITS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [row for row in rows if row not in ("limit", "---")]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class AttackedSite:
    """Use it in a `with` block. `config`: more of collector.yaml; `victims`: {host of a real agent: its probes}."""

    def __init__(self, config="", attackers=("web-01",), victims=None):
        self.collector = Collector(config)
        self.bundles = {host: self.collector.enrol(host) for host in attackers}
        self.honest = Writers(self.collector, ("honest-01",), pause=HONEST_PAUSE)
        self.victims = {}  # {host: the process of its real agent}
        self._agents = list(victims or {})
        for host in self._agents:
            self.collector.configure_agent(host, victims[host], host)

    def __enter__(self):
        try:
            self.collector.start()
            self.honest.__enter__()
            self.honest.wait_for_acknowledgement()
            for host in self._agents:
                self.victims[host] = self.collector.launch_agent(name=host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.honest.writers:
            self.honest.__exit__()
        living = [victim for victim in self.victims.values() if victim.poll() is None]
        for victim in living:
            victim.send_signal(signal.SIGTERM)
        for victim in living:
            victim.wait(20)
        self.collector.close()

    def attacker(self, host="web-01"):
        """A connection for agents with an attacker's certificate."""
        return self.collector.agent(self.bundles[host])

    def attack(self, what, limit, memory=None, process=None, p99=None):
        """`limit`: a row of docs/limits.md; `memory`: bytes by which the process may grow; `p99`: seconds for the honest agent;
        `process`: the attacked one (default: the collector)."""
        return Attack(self, what, limit, memory, process or self.collector.process, p99)

    def until(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.collector.log_text()[-4000:]
            time.sleep(0.05)


class Attack:
    def __init__(self, site, what, limit, memory, process, p99):
        assert limit in limits(), f"docs/limits.md has no row {limit!r}"
        self.site, self.what, self.limit, self.memory, self.process, self.p99 = site, what, limit, memory, process, p99
        self.told = ""  # how the attack was answered
        self.peak = self.grown = 0  # of the requests before the present one
        frame = sys._getframe(2)
        self.place = [os.path.basename(frame.f_code.co_filename), frame.f_lineno]

    def __enter__(self):
        self.writer = self.site.honest.writers[0]
        self.before = len(self.writer.latencies)
        self.measure_anew()
        return self

    def measure_anew(self):
        process_memory.forget_peak(self.process.pid)
        self.resident = process_memory.resident(self.process.pid)

    def next_request(self):
        """What the next request adds counts by itself, if `memory` is promised of one request."""
        self.end_of_request()
        self.measure_anew()

    def end_of_request(self):
        peak = process_memory.peak(self.process.pid)
        self.peak, self.grown = max(self.peak, peak), max(self.grown, peak - self.resident)

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        log = self.site.collector.log_text()[-4000:]
        assert self.process.poll() is None, f"{self.what}: the process ended with {self.process.returncode}: {log}"
        self.site.honest.wait_for_acknowledgement()
        self.end_of_request()
        latencies = self.writer.latencies[self.before:]
        p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
        self.site.honest.__exit__()
        self.site.honest.check()
        self.site.honest.__enter__()
        told = f" ({self.told})" if self.told else ""
        row = {"place": self.place, "long": LONG, "attack": self.what + told, "limit": self.limit, "peak": round(self.peak / MB), "grown": round(self.grown / MB),
               "p50": round(p50 * 1000, 1), "p99": round(p99 * 1000), "lost": "nothing"}
        document_table.record("hostile", re.sub(r"\W+", "-", f"{document_table.test_name()}-{self.what}"), row)
        print(f"      {row['attack']}: peak {row['peak']} MB (+{row['grown']}), ingest p50 {row['p50']} ms, p99 {row['p99']} ms of {len(latencies)}")
        assert self.memory is None or self.grown <= self.memory, f"{self.what}: {self.grown:,} bytes more than before, {self.memory:,} are promised"
        assert self.p99 is None or p99 <= self.p99, f"{self.what}: p99 of the honest agent is {p99:.3f} s, {self.p99} s are promised"
