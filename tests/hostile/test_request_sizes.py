"""Requests larger than their limits are refused before they take memory."""

import http.client
import socket

from attacks import MB
from harness import WRITE_HEADERS, Answer


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
        connection = site.attacker()
        try:
            connection.request("POST", "/api/v1/write", endless(), WRITE_HEADERS)
        except OSError:  # it was refused before its end
            pass
        try:
            attack.told = str(Answer(connection.getresponse()).status)
        except (OSError, http.client.HTTPException):
            attack.told = "the connection was closed"
        assert attack.told in ("413", "the connection was closed")
