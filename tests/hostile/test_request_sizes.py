"""Requests larger than their limits are refused before they take memory. What stands beside them goes on."""

import http.client
import os
import socket
import ssl
import zlib

import pytest
from attacks import MB, AttackedSite
from bodies import label, packed, sample
from harness import NAME, WRITE_HEADERS, Answer, message, now_ms, varint

GOAL = 8 * MB
WRITE = "a write request"
DOCUMENT = "a document"
LINES = "the other lines of a request's head"


@pytest.fixture(scope="module")
def site():
    with AttackedSite("ingest: { local: true }\n", attackers=("web-01", "web-02")) as attacked:
        yield attacked


def answer_to(connection, send):
    """The status of the answer, or "closed". It may come before the request has been sent."""
    try:
        send(connection)
    except OSError:
        pass
    try:
        return str(Answer(connection.getresponse()).status)
    except (OSError, http.client.HTTPException):
        return "closed"
    finally:
        connection.close()


def test_long_uris(site):
    with site.attack("a URI of 4 MB to the listener for people", limit="a URI: queries and administration; agents", memory=16 * MB) as attack:
        with socket.create_connection(("127.0.0.1", site.collector.people_port), 10) as client:
            try:
                client.sendall(b"GET /api/v1/query?query=" + b"1" * (4 * MB) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            except OSError:  # it was refused before its end
                pass
            attack.told = client.recv(12)[9:].decode()
        assert attack.told == "414"


def test_bodies_without_length(site):
    def endless():
        for _ in range(100):
            yield b"x" * MB

    with site.attack("chunks of 1 MB, 100 of them", limit="a body without Content-Length: chunked, or until the client ends its side", memory=24 * MB) as attack:
        attack.told = answer_to(site.attacker(), lambda connection: connection.request("POST", "/api/v1/write", endless(), WRITE_HEADERS))
        assert attack.told in ("413", "closed")


def heads():
    """What the lines of a head are, and the lines: 300 KB, or one of 70 KB."""
    yield "a line of 70 KB", b"X: " + b"y" * 70_000 + b"\r\n"
    yield "a line of 300 KB", b"X: " + b"y" * 300_000 + b"\r\n"
    yield "lines of 8 KB", b"".join(b"X-%d: %s\r\n" % (i, b"y" * 8000) for i in range(38))
    yield "lines of 20 bytes", b"aaaaaaaa: bbbbbbbb\r\n" * 20_000


def test_long_heads(site):
    agent = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=site.bundles["web-01"])
    agent.load_cert_chain(site.bundles["web-01"])
    for what, lines in heads():
        with site.attack(f"a head with {what}", limit=LINES, memory=GOAL) as attack:
            for port in (site.collector.people_port, site.collector.agents_port):
                with socket.create_connection(("127.0.0.1", port), 10) as raw:
                    client = raw if port == site.collector.people_port else agent.wrap_socket(raw, server_hostname=NAME)
                    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
                    answer = client.recv(4096)
                assert answer.startswith(b"HTTP/1.1 400 "), (port, answer)
            attack.told = "400"


def many_samples(count):
    """A write of so many samples of one series."""
    labels, unit = label(b"__name__", b"bomb"), sample()
    return packed(b"\x0a" + varint(len(labels) + count * len(unit)) + labels, unit, count)


def test_large_writes(site):
    declared = lambda connection: connection.request("POST", "/api/v1/write", b"x" * (8 * 1000 * 1000 + 400_000), WRITE_HEADERS)
    with site.attack("a write of 8.4 MB", limit=WRITE, memory=GOAL) as attack:
        attack.told = answer_to(site.attacker(), declared)
        assert attack.told in ("413", "closed"), attack.told
    for what, body in (("33 MB unpacked", packed(b"", b"\0" * 60, 33 * MB // 60)), ("101,000 samples", many_samples(101_000))):
        with site.attack(f"a write of {what} in {len(body):,} bytes", limit=WRITE, memory=GOAL + 2 * len(body)) as attack:
            answer = site.attacker().post("/api/v1/write", body, WRITE_HEADERS)
            attack.told = str(answer.status)
            assert answer.status == 413 and answer.body, (answer.status, answer.body)
    assert site.collector.query("bomb") == []


def test_series_with_many_labels_and_long_ones(site):
    """The series beside them are stored."""
    cases = (
        ("labels of a series", "2,000 series of 65 labels", {f"l{n:02d}": str(n) for n in range(62)}, "more than 64 labels", 2000),
        ("a label's name or value", "500 series with values of 4,100 bytes", {"l": "v" * 4100}, "longer than 4096 bytes", 500),
        ("a label's name or value", "500 series with names of 4,100 bytes", {"l" * 4100: "v"}, "longer than 4096 bytes", 500),
    )
    for limit, what, labels, words, count in cases:
        series = [({"__name__": "wide", "i": str(i), "job": "t", **labels}, [(now_ms(), 1.0)]) for i in range(count)]
        beside = ({"__name__": "beside", "what": what}, [(now_ms(), 1.0)])
        with site.attack(what, limit=limit, memory=GOAL + 6 * MB) as attack:
            answer = site.attacker().write([*series, beside])
            assert answer.status == 400 and int(answer.headers["X-Lapwing-Refused"]) == count, (answer.status, answer.body[-300:])
            assert words in answer.body.decode() and len(answer.body) < 10_000, answer.body[-300:]
            attack.told = "400"
        assert site.collector.query("wide") == [] and len(site.collector.query(f'beside{{what="{what}"}}')) == 1


def test_large_documents(site):
    def put(body, part=""):
        return site.attacker("web-02").post("/api/lapwing/v1/documents?kind=ruleset" + part, body, {})

    with site.attack("a document of 3 MB in one request", limit=DOCUMENT, memory=GOAL) as attack:
        attack.told = answer_to(site.attacker(), lambda connection: connection.request("POST", "/api/lapwing/v1/documents?kind=ruleset", b"x" * (3 * MB), {}))
        assert attack.told in ("413", "closed"), attack.told
    bomb = b"LWZ1" + zlib.compress(b"x" * (65 * MB), 9)
    with site.attack(f"a document of 65 MB in {len(bomb):,} bytes", limit=DOCUMENT, memory=GOAL + 2 * len(bomb)) as attack:
        answer = put(bomb)
        attack.told = str(answer.status)
        assert answer.status == 413, (answer.status, answer.body)
    digest = "0" * 64
    with site.attack("a document of 65 parts", limit=DOCUMENT, memory=GOAL) as attack:
        answer = put(b"x", f"&part={digest}/1/65")
        attack.told = str(answer.status)
        assert answer.status == 400 and b"at most 64 parts" in answer.body, (answer.status, answer.body)
    parts = 20
    for number in range(1, parts + 1):
        assert put(os.urandom(MB), f"&part={digest}/{number}/64").status == 200
    with site.attack(f"the first part of a document again and again, beside {parts - 1} others of 1 MB", limit=DOCUMENT, memory=GOAL + MB) as attack:
        for _ in range(4):
            assert put(os.urandom(MB), f"&part={digest}/1/64").status == 200
        attack.told = "200"


def test_large_forms(site):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with site.attack("a form of 4.2 MB", limit="a form", memory=GOAL + 5 * MB) as attack:
        connection = http.client.HTTPConnection("127.0.0.1", site.collector.people_port, timeout=30)
        attack.told = answer_to(connection, lambda each: each.request("POST", "/api/v1/query", b"query=" + b"1" * (4_200_000), form))
        assert attack.told in ("413", "closed"), attack.told
