"""The collector's server speaks HTTP/1.1: pipelined requests, chunks, 100 (Continue), half-closed connections, HEAD, gzip."""

import gzip
import socket
import time

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request

collector = Collector("ingest: { local: true }\n")


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        collector.start()
        yield
    finally:
        collector.close()


def connect():
    return socket.create_connection(("127.0.0.1", collector.people_port), 20)


def answer(stream):
    """(status, headers, body) of the next answer."""
    status = int(stream.readline().split()[1])
    headers = {}
    for line in iter(stream.readline, b"\r\n"):
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    return status, headers, stream.read(int(headers.get("content-length", 0)))


def get(path, *more):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *more]).encode() + b"\r\n\r\n"


def test_pipelined_requests_are_answered_in_order():
    with connect() as client, client.makefile("rb") as stream:
        form = b"query=2"
        client.sendall(b"\r\n" + get("/api/v1/query?query=1") + b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(form) + form + get("/-/healthy") * 20)
        for expected in (b'"1"]', b'"2"]'):
            status, _, body = answer(stream)
            assert status == 200 and expected in body, body
        for _ in range(20):
            assert answer(stream)[0] == 200


def test_a_request_in_single_bytes():
    with connect() as client, client.makefile("rb") as stream:
        for byte in get("/-/healthy"):
            client.sendall(bytes([byte]))
        assert answer(stream)[0] == 200


def test_chunks_with_extensions_and_trailers():
    body = write_request([({"__name__": "chunked"}, [(now_ms(), 1.0)])])
    head = "\r\n".join(["POST /api/v1/write HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", *(f"{name}: {value}" for name, value in WRITE_HEADERS.items())])
    chunks = b"".join(b"%X;ext=1\r\n%s\r\n" % (len(part), part) for part in (body[:3], body[3:4], body[4:])) + b"0\r\nX-Trailer: 1\r\n\r\n"
    with connect() as client, client.makefile("rb") as stream:
        client.sendall(head.encode() + b"\r\n\r\n")
        for i in range(0, len(chunks), 5):
            client.sendall(chunks[i:i + 5])
        assert answer(stream)[0] == 204
        client.sendall(get("/-/healthy"))
        assert answer(stream)[0] == 200


def test_expect_continue():
    body = write_request([({"__name__": "expected"}, [(now_ms(), 1.0)])])
    lines = [f"{name}: {value}" for name, value in WRITE_HEADERS.items()]
    with connect() as client, client.makefile("rb") as stream:
        client.sendall("\r\n".join(["POST /api/v1/write HTTP/1.1", "Host: localhost", "Expect: 100-continue", f"Content-Length: {len(body)}", *lines]).encode() + b"\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n" and stream.readline() == b"\r\n"
        client.sendall(body)
        assert answer(stream)[0] == 204
    # A body that is too large is refused before it is asked for, and so is a request to a foreign name.
    for host, size, expected in (("localhost", 1 << 30, 413), ("elsewhere.example", 5, 403)):
        with connect() as client, client.makefile("rb") as stream:
            client.sendall("\r\n".join(["POST /api/v1/write HTTP/1.1", f"Host: {host}", "Expect: 100-continue", f"Content-Length: {size}", *lines]).encode() + b"\r\n\r\n")
            status, headers, _ = answer(stream)
            assert status == expected and headers["connection"].lower() == "close", (status, headers)


def test_a_client_that_has_closed_its_side_gets_its_answer():
    with connect() as client, client.makefile("rb") as stream:
        client.sendall(get("/-/healthy"))
        client.shutdown(socket.SHUT_WR)
        assert answer(stream)[0] == 200
        assert stream.read() == b""


def test_a_body_that_ends_early():
    with connect() as client, client.makefile("rb") as stream:
        client.sendall(b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nquery=1")
        client.shutdown(socket.SHUT_WR)
        status, _, body = answer(stream)
        assert status == 400 and b"ended early" in body, (status, body)


def test_keep_alive():
    for version, header, kept in (("1.1", "X: y", True), ("1.1", "Connection: close", False), ("1.0", "X: y", False), ("1.0", "Connection: keep-alive", True)):
        with connect() as client, client.makefile("rb") as stream:
            client.sendall(f"GET /-/healthy HTTP/{version}\r\nHost: localhost\r\n{header}\r\n\r\n".encode())
            _, headers, _ = answer(stream)
            assert (headers["connection"].lower() == "keep-alive") == kept, (version, header, headers)
            client.sendall(get("/-/healthy"))
            assert stream.readline().startswith(b"HTTP/1.1 200") == kept


def test_an_idle_connection_serves_again():
    with connect() as client, client.makefile("rb") as stream:
        for pause in (0, 0.5, 12):  # longer than a head may take
            time.sleep(pause)
            client.sendall(get("/-/healthy"))
            assert answer(stream)[0] == 200


def test_compressed_answers():
    with connect() as client, client.makefile("rb") as stream:
        client.sendall(get("/metrics", "Accept-Encoding: gzip, deflate"))
        status, headers, body = answer(stream)
        assert status == 200 and headers["content-encoding"] == "gzip" and b"lapwing_collector_series" in gzip.decompress(body)
        client.sendall(get("/metrics", "Accept-Encoding: gzip;q=0"))
        _, headers, body = answer(stream)
        assert "content-encoding" not in headers and b"lapwing_collector_series" in body


def test_nonsense_is_400():
    for nonsense in (b"nonsense\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                     b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with connect() as client, client.makefile("rb") as stream:
            client.sendall(nonsense)
            assert answer(stream)[0] == 400, nonsense
