"""Requests of an agent, and answers of servers that it asks, which would take far more memory than they have bytes."""

import socket
import struct
import threading
import time
import zlib

from attacks import MB, AttackedSite
from harness import WRITE_HEADERS, message, now_ms, varint

GOAL = 8 * MB
MEMORY = "memory for reading input of others"
V2_HEADERS = {**WRITE_HEADERS, "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "X-Prometheus-Remote-Write-Version": "2.0.0"}


def packed(head, unit, times, tail=b""):
    """Snappy's block format of head + unit * times + tail: the unit once, then copies of it of at most 60 bytes each."""

    def literal(data):
        out = b""
        for at in range(0, len(data), 60):
            part = data[at : at + 60]
            out += bytes([(len(part) - 1) << 2]) + part
        return out

    out = varint(len(head) + len(unit) * times + len(tail)) + literal(head) + literal(unit)
    left = len(unit) * (times - 1)
    copies = []
    while left:
        length = min(left, 60)
        copies.append(bytes([(length - 1) << 2 | 2]) + struct.pack("<H", len(unit)))
        left -= length
    return out + b"".join(copies) + literal(tail)


def sample():
    return message(2, b"\x09" + struct.pack("<d", 1) + b"\x10" + varint(now_ms()))


def label(name, value):
    return message(1, message(1, name) + message(2, value))


def bombs():
    """{what: (body, headers)}"""
    pair = label(b"a", b"b") + sample()
    inner = len(pair) * 16_000
    yield "16,000 labels and samples that alternate", packed(b"\x0a" + varint(inner), pair, 16_000), WRITE_HEADERS
    inner = len(pair) * 90_000
    yield "90,000 labels and samples that alternate", packed(b"\x0a" + varint(inner), pair, 90_000), WRITE_HEADERS
    yield "32 MB of zeros", packed(b"", b"\0" * 60, 32 * MB // 60), WRITE_HEADERS
    empty = message(1, message(2, b""))
    yield "100,000 series of an empty sample", packed(b"", empty, 99_999), WRITE_HEADERS
    unit = label(b"a", b"b")
    yield "two million labels of a series", packed(b"\x0a" + varint(len(unit) * 2_000_000 + len(sample())), unit, 2_000_000, sample()), WRITE_HEADERS
    metadata = message(3, message(2, b"m"))
    yield "two million statements of metadata", packed(b"", metadata, 2_000_000), WRITE_HEADERS
    symbols = message(4, b"") + message(4, b"s" * 4000)
    references = message(5, message(1, b"\x01\x01" * 60) + sample())
    yield "a symbol of 4,000 bytes as 120,000 labels", packed(symbols, references, 2000), V2_HEADERS
    yield "400,000 empty symbols", packed(b"", message(4, b""), 400_000), V2_HEADERS


def test_writes_that_expand(site):
    for what, body, headers in bombs():
        memory = GOAL + 2 * len(body)
        with site.attack(what, limit=MEMORY, memory=memory) as attack:
            answer = site.attacker().post("/api/v1/write", body, headers)
            attack.told = str(answer.status)
            assert answer.status in (204, 400, 413), (what, answer.status, answer.body)


def test_documents_that_expand(site):
    bomb = b"LWZ1" + zlib.compress(b"x" * (63 * MB), 9)
    with site.attack("a document of 63 MB in 60 KB", limit=MEMORY, memory=GOAL + 2 * len(bomb)) as attack:
        answer = site.attacker().post("/api/lapwing/v1/documents?kind=ruleset", bomb, {})
        attack.told = str(answer.status)
        assert answer.status == 200, answer.body


def test_forms_of_tiny_pairs(site):
    body = b"a&" * (2 * MB)
    with site.attack("a form of two million pairs", limit=MEMORY, memory=GOAL + 2 * len(body)) as attack:
        answer = site.collector.people("/api/v1/query", "POST", body, {"Content-Type": "application/x-www-form-urlencoded"})
        attack.told = str(answer.status)
        assert answer.status == 400, answer.body


class RogueServer(threading.Thread):
    """Gives every client the same answer."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = 0

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                try:
                    client.settimeout(10)
                    client.recv(8192)
                    self.asked += 1
                    client.sendall(self.answer)
                except OSError:
                    pass


def csv(rows):
    columns = ("qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr wredis status weight act bck chkfail chkdown lastchg downtime"
               " qlimit pid iid sid throttle lbtot tracked type rate rate_lim rate_max check_status check_code check_duration hrsp_1xx hrsp_2xx hrsp_3xx"
               " hrsp_4xx hrsp_5xx hrsp_other hanafail req_rate req_rate_max req_tot cli_abrt srv_abrt").split()
    out = ["# pxname,svname," + ",".join(columns) + ",\n"]
    out += [f"p{i},s{i}," + "1," * 15 + "UP," + "1," * 13 + ",2,1,1,1,L4OK," + "1," * (len(columns) - 35) + "\n" for i in range(rows)]
    return "".join(out).encode()


def test_answers_that_expand():
    answers = {
        "HAProxy's page of 9,500 rows": csv(9500),
        "HAProxy's page of 499 rows": csv(499),
        "16 MB of one line": b"# pxname,\"" + b"x" * (16 * MB - 100),
    }
    servers = {}
    for what, body in answers.items():
        servers[what] = RogueServer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    packed_page = zlib.compressobj(9, zlib.DEFLATED, 31)
    page = packed_page.compress(b"# pxname,\n" + b"a,\n" * (20 * MB)) + packed_page.flush()
    answers["gzip of 60 MB in 60 KB"] = page
    servers["gzip of 60 MB in 60 KB"] = RogueServer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    answers["endless headers"] = b""
    servers["endless headers"] = RogueServer(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * MB)
    for what, server in servers.items():
        server.start()
        target = f"[ {{ url: 'http://127.0.0.1:{server.port}/stats', instance: lb-01 }} ]"
        with AttackedSite(victim="web-02", probes={"node": "on", "haproxy": target}) as site:
            site.until(lambda: site.collector.query('up{job="node",agent="web-02"}'))
            site.until(lambda: server.asked > 0)
            with site.attack(what, limit="rows of HAProxy's statistics" if "rows" in what else MEMORY,
                             memory=GOAL + 2 * len(answers[what]), process=site.victim) as attack:
                before = server.asked
                site.until(lambda: server.asked >= before + 2)
                time.sleep(0.5)
                up = site.collector.query('up{job="haproxy",agent="web-02"}')
                attack.told = "up " + (up[0]["value"][1] if up else "unknown")
        server.listener.close()
