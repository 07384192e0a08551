"""Real servers that take remote_write, each on a loopback port in a directory of its own. Standard library only."""

import http.client
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse

from harness import free_port


class Destination:
    """start() after stop() or kill() finds what was there before; close() removes it."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="lapwing-test-")
        self.port = free_port()
        self.process = None

    def start(self):
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"{self.command()[0]} ended: {self.log_text()}"
            try:
                if self.request("GET", self.health)[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.command()[0]} does not get ready: {self.log_text()}")

    def log_text(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as text:
            return text.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Prometheus(Destination):
    write_path = "/api/v1/write"
    health = "/-/ready"

    def __init__(self, out_of_order=None):
        super().__init__()
        with open(os.path.join(self.directory, "prometheus.yml"), "w") as out:
            if out_of_order:
                out.write(f"storage: {{ tsdb: {{ out_of_order_time_window: {out_of_order} }} }}\n")

    def command(self):
        return ["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver"]

    def samples(self, selector, seconds, at_ms):
        """{labels: [(milliseconds, text), ...]} of every sample of the last `seconds`, as often as it is stored."""
        form = urllib.parse.urlencode({"query": f"{selector}[{seconds}s]", "time": f"{at_ms / 1000:.3f}"})
        status, body = self.request("GET", "/api/v1/query?" + form)
        assert status == 200, body
        return {
            tuple(sorted(series["metric"].items())): [(round(at * 1000), float(value)) for at, value in series["values"]]
            for series in json.loads(body)["data"]["result"]
        }


class VictoriaMetrics(Destination):
    write_path = "/api/v1/write"
    health = "/health"

    def __init__(self, *flags):
        super().__init__()
        self.flags = flags

    def command(self):
        return ["victoria-metrics", f"-storageDataPath={self.directory}/data", f"-httpListenAddr=127.0.0.1:{self.port}",
                "-retentionPeriod=100y", *self.flags]

    def samples(self, selector, seconds, at_ms):
        """As Prometheus.samples()."""
        # What was written last is not found before this.
        status, body = self.request("GET", "/internal/force_flush")
        assert status == 200, body
        form = urllib.parse.urlencode({"match[]": selector, "start": (at_ms - seconds * 1000) / 1000, "end": at_ms / 1000})
        status, body = self.request("GET", "/api/v1/export?" + form)
        assert status == 200, body
        found = {}
        for line in body.splitlines():
            series = json.loads(line)
            samples = zip(series["timestamps"], (float(value) for value in series["values"]))
            found.setdefault(tuple(sorted(series["metric"].items())), []).extend(samples)
        return found


class Between:
    """Passes write requests on to a destination; after `lose` the destination's next answer is dropped, not before
    `then` has been called."""

    def __init__(self, destination):
        self.lose = None
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
                status, answer = destination.request("POST", self.path, body, headers)
                lose, between.lose = between.lose, None
                if lose and status // 100 == 2:
                    lose()
                    self.close_connection = True
                    return
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
