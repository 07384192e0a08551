"""Starts real collectors, each in its own directory, and speaks remote_write and TLS to them. Standard library only."""

import atexit
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import urllib.parse

PROGRAM = os.path.join(os.environ.get("LAPWING_BIN", "build/dev/bin"), "lapwing-collector")
LONG = os.environ.get("LAPWING_LONG") == "1"  # the slow variants are wanted
NAME = "lapwing-collector"  # what the collector's certificate says
PROBES = ("node", "nginx", "app", "haproxy", "mysql", "sockets", "firewall", "keepalived", "inventory", "logs", "units", "textfile", "scrape")


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def snappy(data):
    """Snappy's block format, with literals only."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 65536):
        chunk = data[at : at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(chunk) - 1) + chunk
    return bytes(out)


def write_request(series):
    """series: list of (labels, [(milliseconds, value), ...])."""
    out = b""
    for labels, samples in series:
        body = b""
        for name in sorted(labels):
            body += message(1, message(1, name.encode()) + message(2, labels[name].encode()))
        for time_ms, value in samples:
            body += message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms))
        out += message(1, body)
    return snappy(out)


WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Collector:
    """A collector on loopback ports, with its files in a temporary directory that close() removes."""

    def __init__(self, config=""):
        self.directory = tempfile.mkdtemp(prefix="lapwing-test-")
        self.people_port = free_port()
        self.agents_port = free_port()
        self.config_file = self.path("collector.yaml")
        self.process = None
        self.programs = os.path.dirname(PROGRAM)
        self.environment = {}  # what start() adds to the environment of the program
        atexit.register(self.close)
        self.write_config(config)

    def path(self, name):
        return os.path.join(self.directory, name)

    def program(self, name):
        return os.path.join(self.programs, name)

    def write_config(self, more):
        os.makedirs(self.path("data"), exist_ok=True)
        with open(self.config_file, "w") as out:
            out.write(
                f"host: monitor\ndata: {self.path('data/lapwing.db')}\nagents: {{ listen: 127.0.0.1:{self.agents_port} }}\n"
                f"admin: {{ socket: {self.path('admin.sock')} }}\n"
            )
            if not more.startswith("http:") and "\nhttp:" not in more:
                out.write(f"http: {{ listen: 127.0.0.1:{self.people_port} }}\n")
            if "rules:" not in more:
                out.write(f"rules: [ {self.path('rules')}/*.yml ]\n")
            out.write(more)

    def run(self, *arguments):
        return subprocess.run(
            [self.program("lapwing-collector"), "--config", self.config_file, *arguments], capture_output=True, text=True, timeout=60
        )

    def start(self):
        self.launch()
        return self.wait_until_ready()

    def launch(self):
        self.log = open(self.path("log"), "ab")
        self.process = subprocess.Popen([self.program("lapwing-collector"), "run", "--config", self.config_file], stdout=self.log, stderr=self.log,
                                        env={**os.environ, **self.environment})

    def wait_until_ready(self, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the collector ended with {self.process.returncode}: {self.log_text()}")
            try:
                if self.people("/-/ready").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("the collector does not get ready: " + self.log_text())

    def log_text(self):
        with open(self.path("log"), errors="replace") as text:
            return text.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait(20)
        self.log.close()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def put(self, series):
        """Writes a sample of each (labels, value). The next call within one millisecond would give a series a second value for one time."""
        at = now_ms()
        answer = self.people("/api/v1/write", "POST", write_request([(labels, [(at, float(value))]) for labels, value in series]), WRITE_HEADERS)
        assert answer.status in (200, 204), (answer.status, answer.body)
        while now_ms() == at:
            time.sleep(0.0005)

    def people(self, path, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.people_port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def query(self, text, at=None):
        parameters = {"query": text} if at is None else {"query": text, "time": str(at)}
        answer = self.people("/api/v1/query?" + urllib.parse.urlencode(parameters))
        assert answer.status == 200, answer.body
        return answer.json()["data"]["result"]

    def enrol(self, host):
        bundle = self.path(host + ".pem")
        done = self.run("enrol", host, "--bundle", bundle)
        assert done.returncode == 0, done.stderr
        return bundle

    def invite(self, *arguments):
        """The string of an invitation: invite("web-01"), invite("--many", "10m")."""
        done = self.run("invite", *arguments)
        assert done.returncode == 0, done.stderr
        [line] = done.stdout.splitlines()
        command, text, end = line.split("'")
        assert (command, end) == ("sudo lapwing-agent join ", ""), line
        return text

    def stranger(self, source=None):
        """A connection without a client certificate."""
        return self.agent(None, ca=self.path("data/ca/ca.crt"), source=source)

    def start_agent(self, host, probes):
        """Starts a real agent with only these probes: {"node": "on"}."""
        self.configure_agent(host, probes)
        return self.launch_agent()

    def configure_agent(self, host, probes, name="agent", known=PROBES):
        """Its files are `name` with the endings .yaml, .sock and .log, and the directory `name`. It knows the probes `known`."""
        bundle = self.enrol(host)
        os.makedirs(self.path(name))
        wanted = ", ".join(f"{name}: {probes.get(name, 'off')}" for name in known)
        with open(self.path(name + ".yaml"), "w") as out:
            out.write(f"host: {host}\ndata: {self.path(name)}\nstatus_socket: {self.path(name + '.sock')}\n"
                      f"collector: {{ url: 'https://127.0.0.1:{self.agents_port}', ca: {bundle}, cert: {bundle}, key: {bundle},"
                      f" server_name: {NAME} }}\nattempts: off\ncanary: off\nprobes: {{ {wanted} }}\n")

    def launch_agent(self, environment=None, name="agent", programs=None):
        with open(self.path(name + ".log"), "ab") as log:
            return subprocess.Popen([os.path.join(programs or self.programs, "lapwing-agent"), "run", "--config",
                                     self.path(name + ".yaml")], stdout=log, stderr=log, env={**os.environ, **(environment or {})})

    def agent(self, cert, key=None, ca=None, source=None):
        """A connection for agents, from the address `source`; `cert` is a bundle, or a certificate with `key` and `ca` beside it."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca or cert)
        if cert and (key or ca is None or cert != ca):
            context.load_cert_chain(cert, key)
        return AgentConnection(self.agents_port, context, source)


class AgentConnection(http.client.HTTPConnection):
    def __init__(self, port, context, source=None):
        super().__init__("127.0.0.1", port, timeout=30, source_address=source and (source, 0))
        self.context = context

    def connect(self):
        raw = socket.create_connection((self.host, self.port), self.timeout, self.source_address)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.context.wrap_socket(raw, server_hostname=NAME)

    def write(self, series, **headers):
        return self.post("/api/v1/write", write_request(series), {**WRITE_HEADERS, **headers})

    def post(self, path, body, headers):
        self.request("POST", path, body, headers)
        return Answer(self.getresponse())

    def get_answer(self, path):
        self.request("GET", path)
        return Answer(self.getresponse())


def now_ms():
    return int(time.time() * 1000)


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
