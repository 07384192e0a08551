"""Real servers to compare with, and real senders: Debian 12's Prometheus, and programs that tests/sid fetches."""

import http.client
import os
import shutil
import subprocess
import tempfile
import time

import pytest
from harness import Answer, free_port

REPOSITORY = os.path.dirname(os.path.realpath(__file__)) + "/../../.."
PROMETHEUS_2 = "/usr/bin/prometheus"


def from_sid(package, program=None):
    """The path of a program of Debian sid. Skips the test if the mirror does not have it."""
    command = [os.path.join(REPOSITORY, "tests/sid"), package] + ([program] if program else [])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Process:
    """A program with a directory of its own, which close() ends and removes."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="lapwing-test-")
        self.port = free_port()

    def path(self, name):
        return os.path.join(self.directory, name)

    def run(self, command, ready):
        self.log = open(self.path("log"), "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=self.directory)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.request("GET", ready).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{command[0]} does not get ready: {self.log_text()}")

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def log_text(self):
        with open(self.path("log"), errors="replace") as text:
            return text.read()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Prometheus(Process):
    def __init__(self, program, config, *arguments):
        super().__init__()
        with open(self.path("prometheus.yml"), "w") as out:
            out.write(config)
        self.run([program, "--config.file=" + self.path("prometheus.yml"), "--storage.tsdb.path=" + self.path("data"),
                  f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", *arguments], "/-/ready")


def eventually(what, seconds=30):
    """The first true value that `what` returns."""
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > deadline:
            assert value, f"{what.__name__} did not come true in {seconds} s"
            return value
        time.sleep(0.2)
