"""Real servers that receive remote_write, and that a test can stop for a while. Standard library only."""

import http.server
import json
import threading
import urllib.parse

from reference import PROMETHEUS_2, Process


class Destination(Process):
    """start() after stop() keeps the data; close() removes it."""

    def start(self):
        return self.run(self.command(), self.health)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


class Prometheus(Destination):
    write_path = "/api/v1/write"
    health = "/-/ready"

    def __init__(self, out_of_order=None):
        super().__init__()
        with open(self.path("prometheus.yml"), "w") as out:
            if out_of_order:
                out.write(f"storage: {{ tsdb: {{ out_of_order_time_window: {out_of_order} }} }}\n")

    def command(self):
        return [PROMETHEUS_2, f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver"]

    def samples(self, selector, seconds, at_ms):
        """{labels: [(milliseconds, value), ...]} of every sample of the last `seconds`, as often as it is stored."""
        form = urllib.parse.urlencode({"query": f"{selector}[{seconds}s]", "time": f"{at_ms / 1000:.3f}"})
        answer = self.request("GET", "/api/v1/query?" + form)
        assert answer.status == 200, answer.body
        return {
            tuple(sorted(series["metric"].items())): [(round(at * 1000), float(value)) for at, value in series["values"]]
            for series in answer.json()["data"]["result"]
        }


class VictoriaMetrics(Destination):
    write_path = "/api/v1/write"
    health = "/health"

    def __init__(self, *flags):
        super().__init__()
        self.flags = flags

    def command(self):
        return ["/usr/bin/victoria-metrics", f"-storageDataPath={self.directory}/data", f"-httpListenAddr=127.0.0.1:{self.port}",
                "-retentionPeriod=100y", *self.flags]

    def samples(self, selector, seconds, at_ms):
        """As Prometheus.samples()."""
        # Makes the latest samples searchable.
        assert self.request("GET", "/internal/force_flush").status == 200
        form = urllib.parse.urlencode({"match[]": selector, "start": (at_ms - seconds * 1000) / 1000, "end": at_ms / 1000})
        answer = self.request("GET", "/api/v1/export?" + form)
        assert answer.status == 200, answer.body
        found = {}
        for line in answer.body.splitlines():
            series = json.loads(line)
            samples = zip(series["timestamps"], (float(value) for value in series["values"]))
            found.setdefault(tuple(sorted(series["metric"].items())), []).extend(samples)
        return found


class Between:
    """Passes write requests on to a destination. If `lose` is set, it calls `lose` at the next success, and the sender gets no
    answer."""

    def __init__(self, destination):
        self.lose = None
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
                answer = destination.request("POST", self.path, body, headers)
                lose, between.lose = between.lose, None
                if lose and answer.status // 100 == 2:
                    lose()
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
