"""Agents that write counted samples to a collector, each sample once, and remember which of them were acknowledged."""

import http.client
import threading
import time
import urllib.parse

from harness import now_ms

SERIES = 10
SAMPLES = 40  # of each series in a batch
RETRIED = (429, 500, 503)  # the answers after which an agent keeps its samples


class Writer(threading.Thread):
    """One agent. The samples of a batch have consecutive milliseconds, and each value is its time."""

    def __init__(self, collector, host, bundle, done, last, pause):
        super().__init__(daemon=True)
        self.collector, self.host, self.bundle, self.done, self.pause = collector, host, bundle, done, pause
        self.last = max(now_ms(), last)
        self.offered = []  # the first time of each batch
        self.acknowledged = []
        self.answers = {}  # how many of each status, and of "nothing"
        self.latencies = []  # seconds from each batch to its answer, or to the end of its connection
        self.failure = None
        self.accepted_at = 0.0  # time.monotonic() of the newest acknowledgement

    def run(self):
        connection = None
        while not self.done.is_set():
            first = max(self.last + 1, now_ms() - SAMPLES)
            self.last = first + SAMPLES - 1
            samples = [(first + i, float(first + i)) for i in range(SAMPLES)]
            series = [({"__name__": "counted", "instance": self.host, "job": "test", "s": str(s)}, samples) for s in range(SERIES)]
            self.offered.append(first)
            begin = time.monotonic()
            try:
                if connection is None:
                    connection = self.collector.agent(self.bundle)
                answer = connection.write(series)
                self.latencies.append(time.monotonic() - begin)
            except (OSError, http.client.HTTPException):  # no answer: the batch may be stored or not
                self.latencies.append(time.monotonic() - begin)
                self.answers["nothing"] = self.answers.get("nothing", 0) + 1
                connection = None
                self.done.wait(0.02)
                continue
            self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
            if answer.status == 204:
                self.acknowledged.append(first)
                self.accepted_at = time.monotonic()
                self.done.wait(self.pause)
            elif answer.status in RETRIED:
                self.done.wait(0.02)
            else:
                self.failure = f"{answer.status} {answer.body!r}"
                return


class Writers:
    """Several writers. Use it in a `with` block; check() holds the collector against what was acknowledged.
    `pause`: seconds between an acknowledgement and the next batch."""

    def __init__(self, collector, hosts=("web-01", "web-02", "web-03"), pause=0):
        self.collector, self.pause = collector, pause
        self.bundles = {host: collector.enrol(host) for host in hosts}
        self.checked = 0  # acknowledged samples that check() has found
        self.writers = []

    def __enter__(self):
        self.done = threading.Event()
        # A quick writer gets ahead of the clock, and its times must not come again.
        last = {writer.host: writer.last for writer in self.writers}
        self.writers = [Writer(self.collector, host, bundle, self.done, last.get(host, 0), self.pause) for host, bundle in self.bundles.items()]
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for writer in self.writers:
            writer.join()

    def count(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def answers(self):
        out = {}
        for writer in self.writers:
            for status, count in writer.answers.items():
                out[status] = out.get(status, 0) + count
        return out

    def wait_for_acknowledgement(self, seconds=60):
        """Seconds until every writer has a new acknowledgement."""
        begin = time.monotonic()
        while not all(writer.accepted_at > begin for writer in self.writers):
            for writer in self.writers:
                assert writer.failure is None, f"{writer.host}: {writer.failure}"
            assert time.monotonic() - begin < seconds, f"nothing is acknowledged {seconds} s after the fault: {self.answers()}"
            time.sleep(0.01)
        return time.monotonic() - begin

    def check(self):
        """Every acknowledged sample is there, none is there twice, and a batch is stored whole or not at all."""
        for writer in self.writers:
            assert writer.failure is None, f"{writer.host}: {writer.failure}"
            if not writer.offered:
                continue
            found = self._stored(writer)
            assert len(found) == SERIES or not writer.acknowledged, (writer.host, sorted(found))
            offered = set(writer.offered)
            for series, times in found.items():
                assert len(times) == len(set(times)), f"{writer.host}: a sample of series {series} is there twice"
                whole = {first for first in offered if first in times}
                expected = {first + i for first in whole for i in range(SAMPLES)}
                assert set(times) == expected, f"{writer.host}: series {series} has parts of batches: {len(set(times) ^ expected)} samples"
                lost = [first for first in writer.acknowledged if first not in whole]
                assert not lost, f"{writer.host}: {len(lost)} of {len(writer.acknowledged)} acknowledged batches are lost, first {lost[0]}"
            self.checked += len(writer.acknowledged) * SERIES * SAMPLES

    def _stored(self, writer):
        """{series: [times]}; every value is checked."""
        out = {}
        step = 15_000  # milliseconds: a query that is quick on a busy machine, too
        begin, end = writer.offered[0], writer.offered[-1] + SAMPLES
        for start in range(begin, end, step):
            stop = min(start + step, end)
            # (start - 1, stop - 1] in milliseconds: a range is left-open.
            query = urllib.parse.urlencode({"query": f'counted{{instance="{writer.host}"}}[{stop - start}ms]', "time": (stop - 1) / 1000})
            answer = self.collector.people("/api/v1/query?" + query)
            assert answer.status == 200, answer.body
            for result in answer.json()["data"]["result"]:
                times = out.setdefault(result["metric"]["s"], [])
                for at, value in result["values"]:
                    at = round(float(at) * 1000)
                    assert float(value) == at, f"{writer.host}: {value} at {at}"
                    times.append(at)
        return {series: _Times(times) for series, times in out.items()}


class _Times(list):
    """A list of times whose membership test is quick."""

    def __init__(self, times):
        super().__init__(times)
        self.all = set(times)

    def __contains__(self, at):
        return at in self.all
