"""A query ends when its client leaves or its time is over, and queries take turns."""

import socket
import urllib.parse

import pytest
from harness import Collector
from reference import eventually

# It takes minutes, much longer than this test.
HEAVY = " + ".join(["quantile_over_time(0.5, vector(time())[9000s:1s])"] * 50)

collector = Collector("promql: { max_concurrent: 1, timeout: 10m }\n")


def ask():
    """A client that has sent its request and waits."""
    body = urllib.parse.urlencode({"query": HEAVY, "start": 0, "end": 900, "step": 1}).encode()
    client = socket.create_connection(("127.0.0.1", collector.people_port), 30)
    client.sendall(b"POST /api/v1/query_range HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                   b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
    return client


def metrics():
    found = {}
    for line in collector.people("/metrics").body.decode().splitlines():
        if line.startswith("lapwing_collector_queries"):
            name, number = line.rsplit(" ", 1)
            found[name.split('"')[1]] = int(number)
    return found


def are(**expected):
    def they_are():
        now = metrics()
        return all(now[name] == number for name, number in expected.items())
    eventually(they_are)


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        collector.start()
        yield
    finally:
        collector.close()


def test_a_client_that_leaves_ends_its_query():
    client = ask()
    are(running=1, waiting=0)
    client.close()
    are(running=0, cancelled=1)


def test_one_that_waits_for_its_turn_leaves_too():
    first = ask()
    are(running=1)
    second = ask()
    are(running=1, waiting=1)
    second.close()
    are(running=1, waiting=0, cancelled=2)
    first.close()
    are(running=0, cancelled=3)


def test_the_next_has_its_turn():
    first = ask()
    are(running=1)
    second = ask()
    are(waiting=1)
    first.close()
    are(running=1, waiting=0, cancelled=4)
    second.close()
    are(running=0, cancelled=5)
    assert collector.query("1") and metrics()["success"] == 1, metrics()


def test_a_time_limit_of_the_request():
    parameters = urllib.parse.urlencode({"query": HEAVY, "start": 0, "end": 900, "step": 1, "timeout": "300ms"})
    answer = collector.people("/api/v1/query_range?" + parameters)
    assert answer.status == 503, answer.status
    assert answer.json()["errorType"] == "timeout" and "query timed out in" in answer.json()["error"], answer.body
    are(running=0, timeout=1)
    first = ask()
    are(running=1)
    answer = collector.people("/api/v1/query?query=1&timeout=300ms")
    assert (answer.status, answer.json()["error"]) == (503, "query timed out in query queue"), answer.body
    first.close()
    are(running=0, timeout=2)
