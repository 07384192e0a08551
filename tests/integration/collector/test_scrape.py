"""Pages of metrics by a real agent: the same series as Debian's Prometheus has of them, and hostile pages that harm nothing else."""

import contextlib
import gzip
import http.server
import os
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest
from harness import Collector, free_port
from reference import PROMETHEUS_2, Prometheus, eventually, from_sid

PAGE = """# HELP jobs_total All "jobs",\\n\\\\.
# TYPE jobs_total counter
jobs_total{queue="a",instance="x",job="y"} 3
jobs_total{queue="b\\"\\\\\\n"} 4
jobs_total{queue=""} 5
# TYPE took histogram
took_bucket{le="0.5"} 1
took_bucket{le="1.0"} 2
took_bucket{le="+Inf"} 2
took_count 2
# TYPE wait summary
wait{quantile="0.99"} NaN
wait_sum 7
plain 1e3 %d
debug_info{x="1"} 1
jobs:rate 1
twice 1
twice 2
"""
OPEN = """# TYPE jobs counter
# HELP jobs All jobs.
jobs_total{queue="a"} 3 # {trace="1"} 1
jobs_created{queue="a"} 1.5e9
# TYPE state stateset
state{state="on"} 1
# EOF
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with contextlib.suppress(OSError):
            getattr(self, "page" + urllib.parse.urlsplit(self.path).path.replace("/", "_"))()

    def answer(self, body, kind="text/plain; version=0.0.4", status=200, **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def page_text(self):
        self.answer(PAGE % (time.time() * 1000))

    def page_open(self):
        self.answer(OPEN, "application/openmetrics-text; version=1.0.0; charset=utf-8")

    def page_secret(self):
        good = self.headers["Authorization"] == "Bearer abc" and self.headers["X-Tenant"] == "web"
        self.answer("secret_seen 1\n", status=200 if good else 401)

    def page_hangs(self):
        self.server.stop.wait(60)

    def page_endless(self):
        self.send_response(200)
        self.end_headers()
        while not self.server.stop.is_set():
            self.wfile.write(b"a 1\n" * 65536)

    def page_bomb(self):
        self.answer(gzip.compress(b"a 1\n" * (4 << 20)), Content_Encoding="gzip")

    def page_million(self):
        self.answer("".join(f'a{{i="{i}"}} 1\n' for i in range(1_000_000)))

    def page_many(self):
        self.answer("".join(f'many{{i="{i}"}} 1\n' for i in range(10_001)))

    def page_types(self):
        self.answer("# TYPE a counter\na 1\n# TYPE b nonsense\nb 1\n")

    def page_redirect(self):
        self.answer("", status=302, Location="http://169.254.169.254/latest")

    def page_html(self):
        self.answer("<html></html>\n", "text/html")

    def page_liar(self):
        self.answer('mysql_up 1\nup{job="mysql"} 1\nlapwing_finding{id="R1"} 1\nALERTS 1\nnode_boot_time_seconds 1\nharmless 1\n')

    def log_message(self, *_):
        pass


FAILURES = {"hangs": "timeout", "endless": "exhausted", "bomb": "exhausted", "million": "exhausted", "many": "exhausted",
            "types": "protocol", "redirect": "protocol", "html": "protocol"}
collector = Collector()


@pytest.fixture(scope="module", name="server")
def fixture_server():
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        stop = threading.Event()

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.stop.set()
        server.shutdown()


@pytest.fixture(scope="module", name="exporter")
def fixture_exporter():
    address = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(["/usr/bin/prometheus-node-exporter", f"--web.listen-address={address}"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        yield address
        process.terminate()


@pytest.fixture(scope="module", autouse=True)
def running(server, exporter):
    agent = None
    try:
        collector.start()
        token = collector.path("token")
        with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
            out.write("Bearer abc\n")
        targets = [f"{{ name: text, url: '{server}/text', drop: [ 'debug_.*' ], interval: 2s }}",
                   f"{{ name: open, url: '{server}/open', interval: 2s }}",
                   f"{{ name: exporter, url: 'http://{exporter}', interval: 2s }}",
                   f"{{ name: secret, url: '{server}/secret', headers: {{ X-Tenant: web }}, header_files: {{ Authorization: {token} }} }}",
                   f"{{ name: liar, url: '{server}/liar', interval: 2s }}",
                   *(f"{{ name: {name}, url: '{server}/{name}' }}" for name in FAILURES)]
        agent = collector.start_agent("web-01", {"scrape": f"[ {', '.join(targets)} ]"})
        yield
    finally:
        if agent:
            agent.terminate()
            agent.wait(20)
        collector.close()


def beside(program, server, exporter):
    jobs = "".join(f"- {{ job_name: {name}, metrics_path: {path}, static_configs: [ {{ targets: [ '{target}' ] }} ], "
                   f"metric_relabel_configs: [ {{ source_labels: [ __name__ ], regex: 'debug_.*', action: drop }} ] }}\n"
                   for name, path, target in (("text", "/text", server[7:]), ("open", "/open", server[7:]), ("exporter", "/metrics", exporter)))
    return Prometheus(program, f"global: {{ scrape_interval: 2s }}\nscrape_configs:\n{jobs}")


@pytest.fixture(scope="module", name="prometheus")
def fixture_prometheus(server, exporter):
    if not os.access(PROMETHEUS_2, os.X_OK):
        pytest.skip("prometheus is not installed")
    reference = beside(PROMETHEUS_2, server, exporter)
    yield reference
    reference.close()


@pytest.fixture(scope="module", name="newest")
def fixture_newest(server, exporter):
    reference = beside(from_sid("prometheus"), server, exporter)
    yield reference
    reference.close()


def series(found, bounds):
    """{(name, labels): value}. `instance` and `agent` are Lapwing's own. `bounds`: write them all alike, for Prometheus 2 keeps the page's form."""
    out = {}
    for each in found:
        labels = {name: value for name, value in each["metric"].items() if name not in ("instance", "agent")}
        for bound in ({"le", "quantile"} if bounds else set()) & labels.keys():
            labels[bound] = str(float(labels[bound]))
        out[tuple(sorted(labels.items()))] = each["value"][1]
    return out


def names(keys):
    return {dict(key)["__name__"] for key in keys}


JOBS = [("text", {"jobs:rate"}), ("open", set()), ("exporter", {"node_boot_time_seconds"})]


@pytest.mark.parametrize("job, reserved", JOBS)
def test_the_same_series_as_prometheus_has(prometheus, job, reserved):
    compare(prometheus, job, reserved, bounds=True)


@pytest.mark.long
@pytest.mark.parametrize("job, reserved", JOBS)
def test_the_same_series_as_the_newest_prometheus_has(newest, job, reserved):
    compare(newest, job, reserved, bounds=False)


def compare(prometheus, job, reserved, bounds):
    query = f"/api/v1/query?query={{job='{job}'}}"

    def both():
        ours = series(collector.query(f'{{job="{job}"}}'), bounds)
        theirs = series(prometheus.request("GET", query).json()["data"]["result"], bounds)
        return len(ours) > 6 and len(theirs) > 6 and (ours, theirs)

    ours, theirs = eventually(both)
    own = {"scrape_series_added", "scrape_duration_seconds", *reserved}
    still = job != "exporter"  # the kernel may make a series between the two scrapes
    assert not names(ours) & reserved
    lacking = {key for key in theirs.keys() - ours.keys() if dict(key)["__name__"] not in own}
    more = {key for key in ours.keys() - theirs.keys() if dict(key)["__name__"] not in own}
    assert len(lacking) <= (0 if still else 3), lacking
    assert len(more) <= (0 if still else 3), more
    if still:
        assert {key: ours[key] for key in ours if names([key]).isdisjoint(own)} == {
            key: theirs[key] for key in theirs if names([key]).isdisjoint(own)}
    types = collector.people("/api/v1/metadata").json()["data"]
    for name, kind in {"text": {"jobs_total": "counter", "took": "histogram", "wait": "summary"}, "open": {"jobs_total": "counter"},
                       "exporter": {"go_gc_duration_seconds": "summary", "node_cpu_seconds_total": "counter"}}[job].items():
        assert types[name][0]["type"] == kind, types[name]


def test_labels_that_the_agent_sets_keep_their_values():
    [found] = eventually(lambda: collector.query('jobs_total{queue="a",job="text"}'))
    assert found["metric"] == {"__name__": "jobs_total", "queue": "a", "job": "text", "instance": "web-01", "agent": "web-01",
                               "exported_instance": "x", "exported_job": "y"}
    assert collector.query('scrape_samples_scraped{job="text"} - scrape_samples_post_metric_relabeling == 1')


def test_a_secret_header():
    eventually(lambda: collector.query('secret_seen{job="secret"} == 1'))


def test_hostile_pages_fail_with_a_reason_and_harm_nobody():
    for name, reason in FAILURES.items():
        eventually(lambda name=name: collector.query(f'up{{job="{name}"}} == 0'))
        [found] = collector.query(f'lapwing_probe_failure{{job="{name}"}}')
        assert found["metric"]["reason"] == reason, name
        assert collector.query(f'scrape_samples_post_metric_relabeling{{job="{name}"}} == 0')
    assert collector.query('count({__name__=~"a|b|many"})') == []
    assert collector.query('up{job="text"} == 1') and collector.query('up{job="exporter"} == 1')


def test_a_page_speaks_for_nobody_else():
    eventually(lambda: collector.query('harmless{job="liar"} == 1'))
    for name in ("mysql_up", "lapwing_finding{id='R1'}", "ALERTS{job='liar'}", "node_boot_time_seconds"):
        assert collector.query(name) == [], name
    assert len(collector.query('up{job="liar"}')) == 1 and not collector.query('up{job="mysql"}')


def test_a_unix_socket(tmp_path):
    path = str(tmp_path / "metrics.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(65536).startswith(b"GET /m HTTP/1.1\r\n")
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsock 7\n")

        threading.Thread(target=serve, daemon=True).start()
        config = tmp_path / "agent.yaml"
        config.write_text(f"host: web-01\ndata: {tmp_path}\nprobes: {{ scrape: [ {{ name: s, url: 'unix:{path}:/m' }} ] }}\n")
        agent = os.path.join(os.path.dirname(os.environ.get("LAPWING_BIN", "build/dev/bin") + "/"), "lapwing-agent")
        done = subprocess.run([agent, "probe", "scrape", "--config", config], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert 'sock{job="s",instance="web-01"} 7' in done.stdout
