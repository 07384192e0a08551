"""The measured engines: how to find, start, stop and compact each."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.parse
from pathlib import Path

from captures import free_port

ROOT = Path(__file__).resolve().parents[3]
HERTZ = os.sysconf("SC_CLK_TCK")


class Connection:
    """A kept-alive HTTP connection with little cost of its own, to measure the server."""

    def __init__(self, port):
        self.port = port
        self.socket = None
        self.answered = 0
        self.buffer = bytearray(b"\1" * (1 << 22))

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def ask(self, path, method="GET"):
        """Status and body; `answered` is when its last byte was there. OSError if there is no whole answer."""
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.port), 300)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: 0\r\n\r\n".encode())
            size = 0
            while (end := self.buffer.find(b"\r\n\r\n", 0, size)) < 0:
                size = self.more(size)
            head = bytes(self.buffer[:end])
            length = re.search(rb"\ncontent-length: *(\d+)", head, re.I)
            if length:
                while size < end + 4 + int(length.group(1)):
                    size = self.more(size)
            else:
                while self.buffer[size - 5:size] != b"0\r\n\r\n":
                    size = self.more(size)
            self.answered = time.monotonic()
            body = bytes(self.buffer[end + 4:size])
            if re.search(rb"\nconnection: *close", head, re.I):
                self.close()
            return int(head.split(b" ", 2)[1]), body if length else dechunked(body)
        except OSError:
            self.close()
            raise

    def more(self, size):
        """Receives behind what is there already, into memory that is kept: asking the kernel for some takes longer than
        many an answer. The new size."""
        if size == len(self.buffer):
            self.buffer += bytes(size)
        with memoryview(self.buffer) as view:
            received = self.socket.recv_into(view[size:])
        if received == 0:
            raise ConnectionResetError("the server closed the connection")
        return size + received


def dechunked(data):
    out, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        if size == 0:
            return b"".join(out)
        out.append(data[end + 2:end + 2 + size])
        at = end + 4 + size


def disk_bytes(directory):
    """The disk space of the files. A file with several names counts once."""
    inodes = {}
    for path in Path(directory).rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        inodes[status.st_dev, status.st_ino] = 512 * status.st_blocks
    return sum(inodes.values())


class Engine:
    """One engine with its files in one directory, on a loopback port of its own."""

    def __init__(self, name, program, directory):
        self.name, self.program = name, program
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.data.mkdir(parents=True)
        self.port = free_port()
        self.process = None
        self.connection = Connection(self.port)

    def command(self):
        raise NotImplementedError

    def start(self, query="1"):
        """Starts it and returns the seconds until it answered the query with something."""
        log = open(self.directory / "log", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)
        log.close()
        while True:
            try:
                status, body = self.connection.ask("/api/v1/query?" + urllib.parse.urlencode({"query": query, "nocache": "1"}))
                if status == 200 and json.loads(body)["data"]["result"]:
                    return time.monotonic() - began
            except OSError:
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}: {self.log()}")
            if time.monotonic() - began > 300:
                raise SystemExit(f"{self.name} does not answer {query}: {self.log()}")
            time.sleep(0.001)

    def log(self):
        return (self.directory / "log").read_text(errors="replace")[-2000:]

    def stop(self):
        self.end(signal.SIGTERM)

    def end(self, number):
        self.connection.close()
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
        if self.process:
            self.process.wait(120)

    def reconnect(self):
        """Servers close connections that were idle for long."""
        self.connection.close()
        self.connection.ask("/api/v1/query?query=1")

    def query(self, text, at):
        parameters = urllib.parse.urlencode({"query": text, "time": f"{at:.3f}", "nocache": "1"})
        status, body = self.connection.ask("/api/v1/query?" + parameters)
        if status != 200:
            raise SystemExit(f"{self.name}: {text}: {status} {body[:300]}")
        return json.loads(body)["data"]["result"]

    def cpu(self):
        """Seconds, of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / HERTZ

    def memory(self):
        """MB: resident, its peak, anonymous."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1)) / 1024 for key in ("VmRSS", "VmHWM", "RssAnon")}

    def compacted(self):
        """Has it compact what it holds as far as it can be made to, and returns the bytes of that alone: no log, no
        free pages. It may end up stopped."""
        raise NotImplementedError


class Lapwing(Engine):
    """`program` is the directory of its programs."""

    def command(self):
        config = self.directory / "collector.yaml"
        config.write_text(f"""
host: monitor
data: {self.data}/lapwing.db
http: {{ listen: 127.0.0.1:{self.port} }}
agents: {{ listen: none }}
admin: {{ socket: none }}
ingest: {{ local: on }}
rules: [ {self.directory}/rules/*.yml ]
""")
        return [str(self.program / "lapwing-collector"), "run", "--config", str(config)]

    def compacted(self):
        self.stop()
        subprocess.run([str(self.program / "bench-compact"), str(self.data / "lapwing.db")], check=True)
        database = sqlite3.connect(self.data / "lapwing.db")
        size, count, free = (database.execute(f"PRAGMA {name}").fetchone()[0]
                             for name in ("page_size", "page_count", "freelist_count"))
        database.close()
        return size * (count - free)


class Prometheus(Engine):
    def command(self):
        config = self.directory / "prometheus.yml"
        config.write_text("global: { evaluation_interval: 1m }\n")
        return [str(self.program), f"--config.file={config}", f"--storage.tsdb.path={self.data}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver",
                "--web.enable-admin-api", "--log.level=warn"]

    def compacted(self):
        self.reconnect()
        status, body = self.connection.ask("/api/v1/admin/tsdb/snapshot", "POST")
        if status != 200:
            raise SystemExit(f"{self.name}: snapshot: {body[:300]}")
        return disk_bytes(self.data / "snapshots" / json.loads(body)["data"]["name"])


class VictoriaMetrics(Engine):
    def command(self):
        return [str(self.program), f"-storageDataPath={self.data}", f"-httpListenAddr=127.0.0.1:{self.port}",
                "-loggerLevel=WARN"]

    def compacted(self):
        self.reconnect()
        for path in ("/internal/force_flush", "/internal/force_merge"):
            status, body = self.connection.ask(path)
            if status != 200:
                raise SystemExit(f"{self.name}: {path}: {status} {body[:300]}")
        # The merge runs in the background. It is over when the files stop changing.
        last, same = None, 0
        while same < 5:
            time.sleep(1)
            now = disk_bytes(self.data)
            same = same + 1 if now == last else 0
            last = now
        return last


def find(programs, words):
    """How each of the engines that --engines names is made in a directory: Lapwing from the directory `programs`, Debian's
    installed ones, and sid's, which tests/sid fetches."""
    kinds = {"prometheus": (Prometheus, "Prometheus", "prometheus"),
             "victoria": (VictoriaMetrics, "VictoriaMetrics", "victoria-metrics")}
    found = {}
    for word in words:
        kind, name, package = kinds.get(word.removesuffix("-sid"), (Lapwing, "Lapwing", None))
        if package is None:
            program = programs
        elif word.endswith("-sid"):
            program = Path(output(ROOT / "tests" / "sid", package))
            name += " (sid)"
        else:
            program = Path("/usr/bin") / package
            name += " " + re.match(r"(?:\d+:)?([0-9.]+)", output("dpkg-query", "-W", "-f=${Version}", package)).group(1)
        found[word] = lambda directory, kind=kind, name=name, program=program: kind(name, program, directory)
    return found


def output(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
