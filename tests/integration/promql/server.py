"""A Prometheus on a free loopback port, with a remote_write receiver."""

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse


class Prometheus:
    def __init__(self, folder, program, *options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as out:
            out.write("global: { evaluation_interval: 1m }\n")
        self.log = open(os.path.join(folder, "prometheus.log"), "wb")
        self.process = subprocess.Popen(
            [program, "--config.file=" + config, "--storage.tsdb.path=" + os.path.join(folder, "data"),
             "--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:%d" % self.port,
             "--web.enable-remote-write-receiver", "--log.level=warn", *options],
            stdout=self.log, stderr=self.log)
        self.connection = None

    def wait(self, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("prometheus ended with %d" % self.process.returncode)
            try:
                if self.request("GET", "/-/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError("prometheus was not ready in %d s" % seconds)

    def request(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def write(self, body):
        status, text = self.request("POST", "/api/v1/write", body, {
            "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0"})
        if status // 100 != 2:
            raise RuntimeError("remote_write: %d %s" % (status, text.decode()))

    def query(self, kind, query, times):
        if kind == "format":
            path, form = "/api/v1/format_query", {"query": query}
        elif kind == "instant":
            path, form = "/api/v1/query", {"query": query, "time": "%.3f" % (times[0] / 1000)}
        else:
            path = "/api/v1/query_range"
            form = {"query": query, "start": "%.3f" % (times[0] / 1000), "end": "%.3f" % (times[1] / 1000),
                    "step": "%.3f" % (times[2] / 1000)}
        body = urllib.parse.urlencode(form)
        _, text = self.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        return json.loads(text)

    def stop(self):
        if self.connection is not None:
            self.connection.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
