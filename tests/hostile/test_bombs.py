"""Requests of an agent, and answers of servers that it asks, which would take far more memory than they have bytes."""

import contextlib
import signal
import socket
import struct
import threading
import zlib
from pathlib import Path

from attacks import MB, AttackedSite
from bodies import label, packed, sample
from harness import WRITE_HEADERS, message, varint

GOAL = 8 * MB
MEMORY = "memory for reading input of others"
V2_HEADERS = {**WRITE_HEADERS, "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "X-Prometheus-Remote-Write-Version": "2.0.0"}


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
    """Answers as an honest server until it is `armed`, and then with its answer: one text, or a generator of parts without end."""

    def __init__(self, honest, answer):
        super().__init__(daemon=True)
        self.honest, self.answer = honest, answer
        self.armed = False
        self.served = 0  # clients that got the answer, or a part of it
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(10)
                try:
                    self.serve(client)
                except OSError:
                    pass

    def serve(self, client):
        armed = self.armed
        client.recv(8192)
        if not armed:
            client.sendall(self.honest)
            return
        self.served += 1
        for part in [self.answer] if isinstance(self.answer, bytes) else self.answer():
            client.sendall(part)


def mysql_packet(number, payload):
    return struct.pack("<I", len(payload))[:3] + bytes([number & 0xFF]) + payload


class RogueDatabase(RogueServer):
    """Speaks the protocol of MySQL, without TLS, and takes any login. Statements are refused until it is `armed`."""

    OK = b"\0\0\0\2\0\0\0"
    REFUSED = b"\xff\x15\x04#28000no"

    def __init__(self, answer):
        super().__init__(b"", answer)

    def serve(self, client):
        salt, capabilities = b"abcdefghijklmnopqrst", 0xFFFFFFFF & ~0x820
        client.sendall(mysql_packet(0, b"\x0a8.0.40\0" + struct.pack("<I", 7) + salt[:8] + b"\0" + struct.pack("<HBHH", capabilities & 0xFFFF, 0x2D, 2, capabilities >> 16)
                                    + b"\x15" + bytes(10) + salt[8:] + b"\0mysql_native_password\0"))
        self.receive(client)
        client.sendall(mysql_packet(2, self.OK))
        while statement := self.receive(client):
            if statement[:1] == b"\x01":
                return
            if b"SELECT" not in statement and b"SHOW" not in statement:
                client.sendall(mysql_packet(1, self.OK))
            elif not self.armed:
                client.sendall(mysql_packet(1, self.REFUSED))
            else:
                self.served += 1
                for number, part in enumerate(self.answer(), 1):
                    client.sendall(mysql_packet(number, part))

    @staticmethod
    def receive(client):
        def read(size):
            data = b""
            while len(data) < size:
                part = client.recv(size - len(data))
                if not part:
                    raise OSError("the agent has closed")
                data += part
            return data

        return read(struct.unpack("<I", read(4)[:3] + b"\0")[0])


def csv(rows):
    columns = ("qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr wredis status weight act bck chkfail chkdown lastchg downtime"
               " qlimit pid iid sid throttle lbtot tracked type rate rate_lim rate_max check_status check_code check_duration hrsp_1xx hrsp_2xx hrsp_3xx"
               " hrsp_4xx hrsp_5xx hrsp_other hanafail req_rate req_rate_max req_tot cli_abrt srv_abrt").split()
    out = ["# pxname,svname," + ",".join(columns) + ",\n"]
    out += [f"p{i},s{i}," + "1," * 15 + "UP," + "1," * 13 + ",2,1,1,1,L4OK," + "1," * (len(columns) - 35) + "\n" for i in range(rows)]
    return "".join(out).encode()


def page(body, *more):
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *more]) + b"\r\n\r\n" + body


def forever(head, part):
    def parts():
        yield head
        while True:
            yield part

    return parts


def packed_page(text):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return page(packer.compress(text) + packer.flush(), b"Content-Encoding: gzip")


def mysql_text(text):
    return (bytes([len(text)]) if len(text) < 251 else b"\xfc" + struct.pack("<H", len(text))) + text


COLUMN = mysql_text(b"def") + mysql_text(b"") * 3 + mysql_text(b"a") * 2 + b"\x0c\x2d\0\xff\xff\0\0\xfd\0\0\0\0\0"
END_OF_COLUMNS = b"\xfe\0\0\2\0"


def endless_rows():
    yield from (b"\x01", COLUMN, END_OF_COLUMNS)
    while True:
        yield mysql_text(b"x" * 60_000)


def endless_row():
    yield from (b"\x01", COLUMN, END_OF_COLUMNS)
    while True:
        yield b"A" * 0xFFFFFF


def endless_columns():
    yield b"\xfd\xff\xff\xff"
    while True:
        yield COLUMN


ROWS = "rows of HAProxy's statistics"
ANSWER = "an answer to an HTTP probe"
DATABASE = "an answer of a database to the agent"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSED = ("exhausted", "unavailable", "timeout")  # what a probe says of a connection that it has closed; late on a busy machine
# (limit, probe, what, answer, up, the reasons that may be told, bytes of the answer that the agent may hold)
ANSWERS = [
    (ROWS, "haproxy", "HAProxy's page of 9,500 rows", page(csv(9500)), "0", ("exhausted",), 2 * MB),
    (ROWS, "haproxy", "HAProxy's page of 499 rows", page(csv(499)), "1", (), 4 * MB),
    (MEMORY, "haproxy", "16 MB of one line", page(b'# pxname,"' + b"x" * (16 * MB - 100)), "0", ("exhausted",), 32 * MB),
    (ANSWER, "haproxy", "a page of HAProxy without end", forever(CHUNKED, b"100000\r\n" + b"a,b\n" * (MB // 4) + b"\r\n"), "0", ("exhausted",), 32 * MB),
    (ANSWER, "nginx", "a page of Nginx of 17 MB", page(b"Active connections: 1 \n" * (17 * MB // 23)), "0", ("exhausted",), 32 * MB),
    (ANSWER, "haproxy", "gzip of 60 MB in 60 KB", packed_page(b"# pxname,\n" + b"a,\n" * (20 * MB)), "0", ("exhausted",), 2 * MB),
    (ANSWER, "haproxy", "headers without end", forever(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 10_000), "0", ("protocol",), MB),
    (ANSWER, "nginx", "a header without end", forever(b"HTTP/1.1 200 OK\r\nA: ", b"x" * 60_000), "0", ("protocol",), MB),
    (ANSWER, "app", "a page of an application without end", forever(CHUNKED, b"100000\r\n" + b"x" * MB + b"\r\n"), "1", (), 8 * MB),
    (DATABASE, "mysql", "rows of a database without end", endless_rows, "0", CLOSED, 8 * MB),
    (DATABASE, "mysql", "a row without end", endless_row, "0", CLOSED, 8 * MB),
    (DATABASE, "mysql", "columns without end", endless_columns, "0", CLOSED, 8 * MB),
]
CUT = ("rows of a database without end", "columns without end")
HONEST = {"haproxy": page(csv(3)), "nginx": page(b"Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n"), "app": page(b"well")}


def target_of(probe, server, password):
    if probe == "mysql":
        return f"[ {{ instance: db-01, host: 127.0.0.1, port: {server.port}, user: lapwing, password_file: {password} }} ]"
    return f"[ {{ url: 'http://127.0.0.1:{server.port}/page', instance: lb-01 }} ]"


def test_answers_that_expand(tmp_path):
    """Each of them attacks an agent of its own. The agents run beside each other, since a probe takes its turn every ten seconds."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    servers, victims = {}, {}
    for i, (_, probe, _, answer, *_) in enumerate(ANSWERS):
        host = f"victim-{i:02d}"
        servers[host] = RogueDatabase(answer) if probe == "mysql" else RogueServer(HONEST[probe], answer)
        servers[host].start()
        victims[host] = {probe: target_of(probe, servers[host], password)}

    def told(host, probe):
        """The newest `up`, if it is of a run that has ended since the server was armed, and the reason."""
        up = site.collector.query(f'up{{job="{probe}",agent="{host}"}}')
        reasons = site.collector.query(f'lapwing_probe_failure{{job="{probe}",agent="{host}"}}')
        return up[0]["value"][1] if up else None, reasons[0]["metric"]["reason"] if reasons else None

    with AttackedSite(victims=victims) as site, contextlib.ExitStack() as attacks:
        for host, (_, probe, *_) in zip(servers, ANSWERS):
            site.until(lambda: told(host, probe)[0] == ("0" if probe == "mysql" else "1"))
        running = {}
        for host, (limit, _, what, _, _, _, size) in zip(servers, ANSWERS):
            running[host] = attacks.enter_context(site.attack(what, limit=limit, memory=GOAL + size, process=site.victims[host]))
            servers[host].armed = True
        for host, (_, probe, what, _, up, reasons, _) in zip(servers, ANSWERS):
            site.until(lambda: servers[host].served >= 2)
            site.until(lambda: told(host, probe) in [(up, reason) for reason in reasons or (None,)])
            running[host].told = " ".join(["up", *filter(None, told(host, probe))])
        for host in (host for host, (_, _, what, *_) in zip(servers, ANSWERS) if what in CUT):
            site.until(lambda: "an answer of more than 4 MiB" in Path(site.collector.path(host + ".log")).read_text())
    for server in servers.values():
        server.listener.close()


def test_rule_files_that_expand(site):
    """The rules stay in force that are."""
    rules = Path(site.collector.path("rules"))
    rules.mkdir(exist_ok=True)
    (rules / "good.yml").write_text("groups: [ { name: good, interval: 1s, rules: [ { record: good, expr: vector(1) } ] } ]\n")

    def reload(words):
        before = site.collector.log_text().count(words)
        site.collector.process.send_signal(signal.SIGHUP)
        site.until(lambda: site.collector.log_text().count(words) > before)

    reload("the rules were reloaded")
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 60)}]\n" for i in range(1, 12))
    files = {"aliases that make billions of nodes": laughs, "a file of 5 MB": "#" * (5 * MB) + "\n", "a file of 1 MB of lists": "[" * MB, "a file of 1 MB of entries": "- a\n" * (MB // 4)}
    for what, text in files.items():
        with site.attack(f"a rule file: {what}", limit="a configuration (all its files together) or rule file", memory=GOAL + 2 * min(len(text), 4 * MB)) as attack:
            (rules / "bad.yml").write_text(text)
            reload("the previous rules stay in force")
            assert "bad.yml" in site.collector.log_text()
            groups = site.collector.people("/api/v1/rules").json()["data"]["groups"]
            assert [group["name"] for group in groups] == ["good"], groups
            attack.told = "the rules stay"
    (rules / "bad.yml").unlink()
