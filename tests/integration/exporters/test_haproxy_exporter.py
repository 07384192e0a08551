"""The probe haproxy beside HAProxy's own Prometheus exporter, in one process: every series that the exporter has is there with the same
name, type, labels and value. docs/metrics.md lists the exceptions. Debian 12's HAProxy 2.6; in long mode those of Debian 13 and of sid."""

import contextlib
import fnmatch
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from harness import PROGRAM, free_port

ROOT = Path(__file__).resolve().parents[3]
AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
CONFIG = """global
    stats socket {socket} mode 600 level operator
    maxconn 100
    node lb-01
resolvers local
    nameserver here 127.0.0.1:{closed}
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend metrics
    bind 127.0.0.1:{port}
    http-request use-service prometheus-exporter
frontend site
    bind 127.0.0.1:{site}
    default_backend pool
backend pool
    option httpchk
    server good 127.0.0.1:{server} check inter 200ms
    server bad 127.0.0.1:{closed} check inter 200ms fall 1
    server plain 127.0.0.1:{server} backup
    server away 127.0.0.1:{server} check disabled maxconn 7
backend empty
"""


def exceptions():
    """[(pattern of a series, where)] of the table in docs/metrics.md."""
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    table = text.split("\n| series of HAProxy's exporter | here | why |\n| --- | --- | --- |\n", 1)[1].split("\n\n", 1)[0]
    found = {"absent": [], "other values": []}
    for row in table.splitlines():
        names, kind, reason = (cell.strip() for cell in row.strip("|").split(" | "))
        assert reason, row
        found[kind] += re.findall(r"`([\w*]+)`", names)
    return found


EXCEPTIONS = exceptions()


def excepted(kind, name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in EXCEPTIONS[kind])


def parse(text):
    """({name: type}, {(name, labels): value}) without the values NaN and -1, by which the exporter says that there is none."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    samples = {}
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
        pairs = tuple(sorted(pair for pair in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)
                             if pair[1] and pair[0] not in ("job", "instance", "via")))
        assert (name, pairs) not in samples, (name, pairs)
        if value not in ("NaN", "Nan", "-1"):
            samples[name, pairs] = float(value)
    return types, samples


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        with contextlib.suppress(OSError):  # a check ends when it has the status
            self.wfile.write(b"ok")

    do_OPTIONS = do_GET

    def log_message(self, *_):
        pass


class Haproxy:
    """HAProxy with a master, and a web server behind it. `root`: the root of another Debian, where it then runs."""

    def __init__(self, directory, root=None):
        self.directory, self.root = Path(directory), Path(root or "/")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port, self.site, self.closed = free_port(), free_port(), free_port()
        place = self.directory if root is None else Path("/tmp/ha")
        inside = self.root / place.relative_to("/")
        inside.mkdir(parents=True, exist_ok=True)
        self.socket = inside / "s.sock"
        (inside / "ha.cfg").write_text(CONFIG.format(socket=place / "s.sock", port=self.port, site=self.site, closed=self.closed,
                                                     server=self.server.server_port))
        enter = [] if root is None else ["chroot", root]
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen([*enter, "/usr/sbin/haproxy", "-W", "-db", "-f", str(place / "ha.cfg")], stdout=log, stderr=log)

    def __enter__(self):
        self.until(self.is_ready, "HAProxy and its checks")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.server.shutdown()
        self.server.server_close()

    def until(self, condition, what):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except (OSError, subprocess.CalledProcessError):
                pass
            time.sleep(0.1)
        raise AssertionError(f"not within 20 s: {what}: {(self.directory / 'log').read_text()}")

    def is_ready(self):
        _, samples = self.theirs()
        state = {server: samples[("haproxy_server_status", (("proxy", "pool"), ("server", server), ("state", state)))]
                 for server, state in (("good", "UP"), ("bad", "DOWN"))}
        return all(state.values())

    def get(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def theirs(self):
        return parse(self.get(self.port, "/metrics"))

    def ours(self):
        config = self.directory / "agent.yaml"
        config.write_text(f"host: lb-01\ndata: {self.directory}\nprobes: {{ haproxy: [ {{ socket: {self.socket} }} ] }}\n", encoding="utf-8")
        done = subprocess.run([AGENT, "probe", "haproxy", "--config", config], capture_output=True, text=True, timeout=30, check=True)
        return parse(done.stdout)


def differences(before, ours, after):
    types, first = before
    our_types, samples = ours
    last = after[1]
    for key in sorted(first.keys() & last.keys()):
        name, labels = key
        if excepted("absent", name):
            continue
        if our_types.get(name, types[name]) != types[name]:
            yield f"{name} is a {our_types[name]}, not a {types[name]}"
        elif excepted("other values", name):
            continue
        elif key not in samples:
            yield f"{name}{dict(labels)} is missing"
        else:
            low, high = sorted((first[key], last[key]))
            # Between the two scrapes come the agent's own connection and the checks.
            slack = 1e-6 * abs(high) + (0 if name.startswith("haproxy_backend") or name.startswith("haproxy_server") else 3)
            if not low - slack <= samples[key] <= high + slack and "bytes" not in name:
                yield f"{name}{dict(labels)} is {samples[key]}, not {low} to {high}"
    for name in sorted(our_types.keys() & types.keys()):
        if excepted("absent", name):
            yield f"{name} is there, and docs/metrics.md says that it is not"


def compared(directory, root=None):
    with Haproxy(directory, root) as haproxy:
        for path in ("/", "/", "/missing"):
            try:
                haproxy.get(haproxy.site, path)
            except urllib.error.HTTPError as error:
                assert error.code == 404
        time.sleep(1.2)  # rates of the last second
        before, ours, after = haproxy.theirs(), haproxy.ours(), haproxy.theirs()
    assert len(before[0]) > 150
    assert not list(differences(before, ours, after))
    pool = ("proxy", "pool")
    assert ours[1]["haproxy_server_http_responses_total", (("code", "2xx"), pool, ("server", "good"))] >= 2
    assert ours[1]["haproxy_backend_agg_server_status", (pool, ("state", "UP"))] == 2
    assert ours[1]["haproxy_backend_agg_server_status", (pool, ("state", "MAINT"))] == 1
    assert ours[1]["haproxy_backend_agg_check_status", (pool, ("state", "L7OK"))] == 1
    assert ours[1]["haproxy_resolver_sent", (("nameserver", "here"), ("resolver", "local"))] == 0
    assert ours[1]["lapwing_haproxy_old_workers", ()] == 0
    return before, ours


@pytest.fixture(autouse=True)
def installed():
    if not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed")


def test_the_series_of_haproxys_own_exporter(tmp_path):
    compared(tmp_path)


def test_a_worker_that_outlives_a_reload_is_counted(tmp_path):
    with Haproxy(tmp_path) as haproxy, socket.create_connection(("127.0.0.1", haproxy.site)) as held:
        held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")  # not yet a request: the old worker waits for the rest
        time.sleep(0.2)
        haproxy.process.send_signal(signal.SIGUSR2)
        old = ("lapwing_haproxy_old_workers", ())
        haproxy.until(lambda: haproxy.ours()[1].get(old) == 1, "an old worker")
        held.close()
        haproxy.until(lambda: haproxy.ours()[1].get(old) == 0, "the old worker's end")


def other_debian(tmp_path_factory, suite):
    root = tmp_path_factory.mktemp(suite) / "root"
    made = subprocess.run([ROOT / "tests/debian-root", root, suite, "haproxy", "--variant=extract"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"the HAProxy of {suite} cannot be had: {made.stderr[-200:]}")
    for name in ("bin", "lib", "lib64", "sbin"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    return root


@pytest.mark.long
@pytest.mark.root
@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_newer_versions(tmp_path, tmp_path_factory, suite):
    before, ours = compared(tmp_path, other_debian(tmp_path_factory, suite))
    for name in ("haproxy_backend_agg_server_status", "haproxy_resolver_sent"):
        assert name in before[0] and name in ours[0]
