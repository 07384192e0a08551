"""Forwarding to a real Prometheus and a real VictoriaMetrics: an hour without them while the collector is killed and restarted and
a third destination hangs; a lost answer; a sample that Prometheus refuses."""

import json
import socket
import time

from destinations import Between, Prometheus, VictoriaMetrics
from harness import WRITE_HEADERS, Collector, now_ms, write_request

STEP = 15_000
HOSTS = [f"web-{i:02}" for i in range(1, 21)]


def labels_of(host, kind):
    return {"__name__": f"{kind}_total", "instance": host, "job": "test"}


class Writer:
    """Writes the samples of twenty hosts and remembers them."""

    def __init__(self, collector):
        self.collector = collector
        self.at = (now_ms() - 75 * 60_000) // STEP * STEP
        self.begin = self.at
        self.written = {}

    def write(self, minutes):
        for _ in range(minutes * 60_000 // STEP):
            self.at += STEP
            self.write_batch([(labels_of(host, kind), [(self.at, float(self.at % 997) + at / 8)])
                              for at, host in enumerate(HOSTS) for kind in ("counted", "private")])

    def write_batch(self, series):
        answer = self.collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS)
        assert answer.status == 204, answer.body
        for labels, samples in series:
            self.written.setdefault(tuple(sorted(labels.items())), []).extend(samples)

    def check(self, destination, selector, wanted):
        """The destination has exactly the written samples of the wanted series, each once."""
        seconds = (self.at - self.begin) // 1000 + 60
        there = destination.samples(selector, seconds, self.at)
        expected = {labels: samples for labels, samples in self.written.items() if wanted(dict(labels))}
        assert there.keys() == expected.keys(), (there.keys(), expected.keys())
        for labels, samples in expected.items():
            missing = sorted(set(samples) - set(there[labels]))
            assert not missing, f"{len(missing)} of {len(samples)} samples of {labels} are missing, first {missing[0]}"
            assert there[labels] == sorted(samples), f"{labels}: {len(there[labels])} samples are stored, {len(samples)} were sent"
        return sum(map(len, expected.values()))


def metric(collector, name):
    """{destination: value} of the collector's own metric, summed over other labels."""
    found = {}
    for line in collector.people("/metrics").body.decode().splitlines():
        if line.startswith(name + "{"):
            labels, value = line[len(name) + 1 :].split("} ")
            destination = labels.split('destination="')[1].split('"')[0]
            found[destination] = found.get(destination, 0) + float(value)
    return found


def behind(collector):
    """{destination: seconds} as `status` tells it."""
    status = json.loads(collector.run("status", "--json").stdout)
    return {each["destination"]: each["lag_seconds"] for each in status["forward"]}


def await_that(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def await_delivery(collector, *destinations):
    def nothing_waits():
        pending = metric(collector, "lapwing_forward_pending_bytes")
        return all(pending.get(name) == 0 for name in destinations)

    await_that(nothing_waits)


def test_an_hour_away():
    prometheus = Prometheus(out_of_order="1d")
    victoria = VictoriaMetrics("-dedup.minScrapeInterval=1ms")
    hung = socket.create_server(("127.0.0.1", 0))
    collector = Collector(f"""
ingest: {{ local: true }}
forward:
  - {{ name: hung, url: "http://127.0.0.1:{hung.getsockname()[1]}/" }}
  - {{ name: prometheus, url: "http://127.0.0.1:{prometheus.port}{prometheus.write_path}" }}
  - {{ name: victoria, url: "http://127.0.0.1:{victoria.port}{victoria.write_path}", match: [ '{{job="test",__name__=~"count.*"}}' ] }}
""")
    try:
        prometheus.start()
        victoria.start()
        collector.start()
        writer = Writer(collector)
        writer.write(minutes=5)
        await_delivery(collector, "prometheus", "victoria")
        prometheus.stop()
        victoria.stop()

        writer.write(minutes=25)
        collector.kill()
        collector.start()
        writer.write(minutes=20)
        assert collector.stop() == 0
        collector.start()
        writer.write(minutes=20)
        failed = metric(collector, "lapwing_forward_failed_requests_total")
        assert failed["prometheus"] > 0 and failed["victoria"] > 0, failed
        assert metric(collector, "lapwing_forward_pending_bytes")["prometheus"] > 1000

        prometheus.start()
        victoria.start()
        # Another kill, while it catches up.
        await_that(lambda: metric(collector, "lapwing_forward_sent_samples_total")["prometheus"] > 0)
        collector.kill()
        collector.start()
        writer.write(minutes=1)
        await_delivery(collector, "prometheus", "victoria")
        everything = writer.check(prometheus, '{job="test"}', lambda labels: True)
        chosen = writer.check(victoria, '{__name__=~".+"}', lambda labels: labels["__name__"] == "counted_total")
        print(f"      {everything} samples in Prometheus, {chosen} in VictoriaMetrics, each once")
        assert prometheus.samples("lapwing_collector_info", 7200, now_ms()), "its own metrics are forwarded too"
        # The lag of a destination is known once its lane has read the log after the start.
        await_that(lambda: behind(collector).keys() == {"hung", "prometheus", "victoria"})
        await_that(lambda: behind(collector)["hung"] > 0)
        assert sum(metric(collector, "lapwing_forward_dropped_samples_total").values()) == 0
        assert metric(collector, "lapwing_forward_sent_samples_total")["hung"] == 0
    finally:
        hung.close()
        for each in (collector, prometheus, victoria):
            each.close()


def after_a_lost_answer(destination):
    """The collector is killed after the destination has stored a request and before it gets the answer."""
    between = Between(destination)
    collector = Collector(f"""
ingest: {{ local: true }}
forward: [ {{ name: lost, url: "http://127.0.0.1:{between.port}{destination.write_path}", match: [ '{{job="test"}}' ] }} ]
""")
    try:
        destination.start()
        collector.start()
        writer = Writer(collector)
        between.lose = collector.kill
        # One batch, all of it acknowledged here before the kill.
        samples = [(writer.begin + i * STEP, float(i)) for i in range(1, 5)]
        writer.at = samples[-1][0]
        writer.write_batch([(labels_of(host, "counted"), samples) for host in HOSTS])
        collector.process.wait(30)
        collector.start()
        writer.write(minutes=1)
        await_delivery(collector, "lost")
        writer.check(destination, '{job="test"}', lambda labels: True)
    finally:
        collector.close()
        between.close()
        destination.close()


def test_an_answer_lost_to_prometheus():
    after_a_lost_answer(Prometheus(out_of_order="1d"))


def test_an_answer_lost_to_prometheus_without_a_window():
    after_a_lost_answer(Prometheus())


def test_an_answer_lost_to_victoria_metrics():
    after_a_lost_answer(VictoriaMetrics("-dedup.minScrapeInterval=1ms"))


def test_a_refused_sample_costs_no_other():
    # Without a window, Prometheus refuses a request that holds an out-of-order sample.
    prometheus = Prometheus()
    collector = Collector(f"""
ingest: {{ local: true }}
forward: [ {{ name: strict, url: "http://127.0.0.1:{prometheus.port}{prometheus.write_path}", match: [ '{{job="test"}}' ] }} ]
""")
    try:
        prometheus.start()
        collector.start()
        writer = Writer(collector)
        writer.write(minutes=5)
        await_delivery(collector, "strict")
        late = (labels_of(HOSTS[2], "counted"), [(writer.begin + STEP + 1, 1.0)])
        series = [(labels_of(host, kind), [(writer.at + 1, 2.0)]) for host in HOSTS for kind in ("counted", "private")]
        answer = collector.people("/api/v1/write", "POST", write_request([late]), WRITE_HEADERS)
        assert answer.status == 204, answer.body
        writer.write_batch(series)
        await_delivery(collector, "strict")
        writer.at += 1
        writer.check(prometheus, '{job="test"}', lambda labels: True)
        assert metric(collector, "lapwing_forward_dropped_samples_total")["strict"] == 1
        assert "samples are dropped, for example of counted_total" in collector.log_text()
    finally:
        collector.close()
        prometheus.close()
