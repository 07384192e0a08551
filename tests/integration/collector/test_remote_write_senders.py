"""Real senders scrape an exporter and write to the collector: Prometheus 3.5 with remote_write 1.0 and 2.0, Prometheus 2.42, and
vmagent. And requests of version 2.0 that no real sender makes."""

import http.server
import struct
import threading

import pytest
from harness import WRITE_HEADERS, Collector, free_port, message, now_ms, snappy, varint, write_request
from reference import PROMETHEUS_2, Process, Prometheus, eventually, from_sid

V2_HEADERS = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy",
              "X-Prometheus-Remote-Write-Version": "2.0.0"}
EXPOSITION = """# HELP NAME_requests_total Requests, by code.
# TYPE NAME_requests_total counter
NAME_requests_total{code="200",path="/a b\\"\\\\"} 1027
NAME_requests_total{code="500"} 3
# HELP NAME_temperature_celsius How warm it is.
# TYPE NAME_temperature_celsius gauge
NAME_temperature_celsius -4.25
# HELP NAME_latency_seconds How long it takes.
# TYPE NAME_latency_seconds histogram
NAME_latency_seconds_bucket{le="0.1"} 5
NAME_latency_seconds_bucket{le="+Inf"} 7
NAME_latency_seconds_sum 1.5
NAME_latency_seconds_count 7
NAME_odd NaN
"""
METADATA = {
    "requests_total": ("counter", "Requests, by code."),
    "temperature_celsius": ("gauge", "How warm it is."),
    "latency_seconds": ("histogram", "How long it takes."),
}


class Exporter(http.server.ThreadingHTTPServer):
    """Each path has metrics with its own name, and NAME_passing unless `passed` holds the name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            body = EXPOSITION.replace("NAME", name) + ("" if name in self.server.passed else f"{name}_passing 1\n")
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", free_port()), self.Handler)
        self.passed = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()


collector = Collector("ingest: { local: true }\n")
exporter = Exporter()
senders = {}
URL = f"http://127.0.0.1:{collector.people_port}/api/v1/write"


def scraping(name):
    return (f"global: {{ scrape_interval: 1s, external_labels: {{ sender: {name} }} }}\n"
            f"scrape_configs: [ {{ job_name: t, metrics_path: /{name}, "
            f"static_configs: [ {{ targets: [ '127.0.0.1:{exporter.server_port}' ] }} ] }} ]\n")


def prometheus(program, name):
    return Prometheus(program, scraping(name) + f"remote_write: [ {{ url: {URL}, metadata_config: {{ send_interval: 1s }} }} ]\n")


def prometheus_of_version_2(program, name):
    return Prometheus(program, scraping(name) + f"remote_write: [ {{ url: {URL}, metadata_config: {{ send: false }}, "
                      "protobuf_message: io.prometheus.write.v2.Request } ]\n", "--enable-feature=metadata-wal-records")


class Vmagent(Process):
    def __init__(self, program, name):
        super().__init__()
        with open(self.path("scrape.yml"), "w") as out:
            out.write(scraping(name))
        self.run([program, f"-promscrape.config={self.path('scrape.yml')}", f"-remoteWrite.url={URL}", "-enableMetadata",
                  "-remoteWrite.flushInterval=200ms", f"-remoteWrite.tmpDataPath={self.path('queue')}",
                  f"-httpListenAddr=127.0.0.1:{self.port}"], "/health")


def sent(query):
    return {tuple(sorted(each["metric"].items())): each["value"][1] for each in collector.query(query)}


def value(query):
    found = collector.query(query)
    return found[0]["value"][1] if len(found) == 1 else None


def everything_arrives(sender):
    def arrived():
        return value(f'up{{sender="{sender}"}}') == "1" and value(f"{sender}_odd")

    eventually(arrived)
    own = {"instance": f"127.0.0.1:{exporter.server_port}", "job": "t", "sender": sender}

    def key(name, **more):
        return tuple(sorted({"__name__": f"{sender}_{name}", **own, **more}.items()))

    got = sent(f'{{__name__=~"{sender}_.+"}}')
    assert got == {
        key("requests_total", code="200", path='/a b"\\'): "1027", key("requests_total", code="500"): "3",
        key("temperature_celsius"): "-4.25", key("odd"): "NaN", key("passing"): "1",
        key("latency_seconds_bucket", le="0.1"): "5", key("latency_seconds_bucket", le="+Inf"): "7",
        key("latency_seconds_sum"): "1.5", key("latency_seconds_count"): "7",
    }, got
    exporter.passed.add(sender)
    eventually(lambda: value(f"{sender}_passing") is None)


def metadata(metric):
    return collector.people("/api/v1/metadata?metric=" + metric).json()["data"]


def metadata_arrives(sender):
    def known():
        return all([(each["type"], each["help"]) for each in metadata(f"{sender}_{name}").get(f"{sender}_{name}", [])] == [said]
                   for name, said in METADATA.items())

    eventually(known)


def nothing_failed(server):
    text = server.request("GET", "/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith("prometheus_remote_storage_samples_failed_total")]
    assert lines and all(line.endswith(" 0") for line in lines), lines
    assert "write" not in server.log_text(), server.log_text()


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        prometheus_3 = from_sid("prometheus")
        vmagent = from_sid("victoria-metrics", "vmagent")
        collector.start()
        senders["p2"] = prometheus(PROMETHEUS_2, "p2")
        senders["p3v1"] = prometheus(prometheus_3, "p3v1")
        senders["p3v2"] = prometheus_of_version_2(prometheus_3, "p3v2")
        senders["vm"] = Vmagent(vmagent, "vm")
        yield
    finally:
        for each in senders.values():
            each.close()
        collector.close()
        exporter.shutdown()


def test_prometheus_2_writes():
    everything_arrives("p2")
    metadata_arrives("p2")
    nothing_failed(senders["p2"])


def test_prometheus_3_writes_version_1():
    everything_arrives("p3v1")
    metadata_arrives("p3v1")
    nothing_failed(senders["p3v1"])


def test_prometheus_3_writes_version_2():
    everything_arrives("p3v2")
    metadata_arrives("p3v2")
    nothing_failed(senders["p3v2"])


def test_vmagent_writes():
    everything_arrives("vm")
    metadata_arrives("vm")


def test_metadata_survives_a_restart():
    series = write_request([({"__name__": "t_kept"}, [(now_ms(), 1.0)])])
    assert collector.people("/api/v1/write", "POST", series, WRITE_HEADERS).status == 204
    body = message(3, b"\x08\x02" + message(2, b"t_kept") + message(4, b"Kept.") + message(5, b"bytes"))
    assert collector.people("/api/v1/write", "POST", snappy(body), WRITE_HEADERS).status == 204
    expected = {"t_kept": [{"type": "gauge", "unit": "bytes", "help": "Kept."}]}
    assert metadata("t_kept") == expected, metadata("t_kept")
    collector.stop()
    collector.start()
    assert metadata("t_kept") == expected, metadata("t_kept")
    # The collector describes its own.
    eventually(lambda: metadata("lapwing_collector_series"))
    one = collector.people("/api/v1/metadata?limit=1&limit_per_metric=1").json()["data"]
    assert len(one) == 1 and len(next(iter(one.values()))) == 1, one


def packed(numbers):
    return b"".join(varint(number) for number in numbers)


def request_v2(symbols, series):
    """series: list of (references, samples, further fields as bytes)."""
    body = b"".join(message(4, symbol.encode()) for symbol in symbols)
    for references, samples, more in series:
        one = message(1, packed(references))
        for time_ms, number in samples:
            one += message(2, b"\x09" + struct.pack("<d", number) + b"\x10" + varint(time_ms))
        body += message(5, one + more)
    return snappy(body)


def post_v2(body, headers=V2_HEADERS):
    return collector.people("/api/v1/write", "POST", body, headers)


def written(answer):
    return tuple(answer.headers.get(f"X-Prometheus-Remote-Write-{what}-Written") for what in ("Samples", "Histograms", "Exemplars"))


def test_version_2_says_what_was_written():
    now = now_ms()
    symbols = ["", "__name__", "t_v2", "job", "a"]
    whole = request_v2(symbols, [([1, 2, 3, 4], [(now - 1000, 1.0), (now, 2.0)], b"\x30" + varint(now - 5000))])
    for _ in range(2):  # what is there already counts as written: the sender may have missed the answer
        answer = post_v2(whole)
        assert answer.status == 204 and written(answer) == ("2", "0", "0"), (answer.status, answer.headers.items())
    assert value('t_v2{job="a"}') == "2"
    partly = request_v2(symbols + ["h"], [([1, 2, 3, 4], [(now, 3.0), (now + 1, 4.0)], b""), ([3, 4], [(now, 1.0)], b""),
                                          ([1, 5], [], message(3, b"") + message(4, b""))])
    answer = post_v2(partly)
    assert answer.status == 400 and written(answer) == ("1", "0", "0"), (answer.status, answer.body, answer.headers.items())
    assert answer.body.startswith(b"3 of 4 samples refused"), answer.body
    assert answer.headers.get("X-Lapwing-Refused") == "3", answer.headers.items()  # for agents, which count their losses
    metrics = collector.people("/metrics").body.decode()
    assert "\nlapwing_collector_histograms_refused_total 1\n" in metrics, metrics
    assert "\nlapwing_collector_exemplars_ignored_total 1\n" in metrics, metrics


def test_version_2_that_does_not_decode():
    for body in (b"", b"x", snappy(b"\xff\xff"), request_v2(["", "__name__"], [([1, 9], [(1, 1.0)], b"")]),
                 request_v2(["", "__name__"], [([1], [(1, 1.0)], b"")])):
        answer = post_v2(body)
        assert answer.status == 400 and written(answer) == ("0", "0", "0"), (answer.status, answer.body)
    # It declares two gigabytes and sends four bytes.
    assert post_v2(b"\xff\xff\xff\xff\x07abcd").status == 413


def test_other_types_and_encodings():
    body = write_request([({"__name__": "t"}, [(now_ms(), 1.0)])])
    for change in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-protobuf;proto=other.Request"},
                   {"Content-Encoding": "zstd"}, {"Content-Encoding": "gzip"}, {"X-Prometheus-Remote-Write-Version": "3.0.0"}):
        answer = collector.people("/api/v1/write", "POST", body, {**WRITE_HEADERS, **change})
        assert answer.status == 415 and answer.body.strip(), (change, answer.status)
    without_type = {name: text for name, text in WRITE_HEADERS.items() if name != "Content-Type"}
    assert collector.people("/api/v1/write", "POST", body, without_type).status == 415
