"""Limits on the cost of a client: queries have limits and end with the service, and refusals are logged."""

import os
import signal
import socket
import threading
import time
import urllib.parse

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request

collector = Collector("ingest: { local: true }\npromql: { max_samples: 10000 }\n")
bundle = None  # of web-01


def write(series):
    return collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS)


@pytest.fixture(scope="module", autouse=True)
def running():
    global bundle
    try:
        bundle = collector.enrol("web-01")
        collector.start()
        yield
    finally:
        collector.close()


def test_a_query_of_too_many_samples_is_refused():
    now = now_ms()
    assert write([({"__name__": "many"}, [(now - 20_000 + i, float(i)) for i in range(10_001)])]).status == 204
    answer = collector.people("/api/v1/query?query=count_over_time(many[1m])")
    assert answer.status == 422 and b"too many samples" in answer.body, answer.body
    assert collector.people("/api/v1/query?query=1").status == 200


def test_refused_samples_are_in_the_log():
    series = [({"__name__": "ahead", "job": "x", "a\nfake: line": "b"}, [(now_ms() + 2 * 3_600_000, 1.0)])]
    for _ in range(3):
        answer = collector.agent(bundle).write(series)
        assert answer.status == 400 and b"is the clock right?" in answer.body, answer.body
    lines = [line for line in collector.log_text().splitlines() if "is the clock right?" in line]
    assert len(lines) == 1 and "web-01: 1 of 1 samples refused" in lines[0] and "fake" in lines[0], lines


def test_a_length_that_is_no_number_is_told():
    for length in (b"abc", b"99999999999999999999999999", b"1 2"):
        with socket.create_connection(("127.0.0.1", collector.people_port), 10) as raw:
            raw.sendall(b"POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\nquery=1")
            answer = raw.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400 ") and b"Content-Length" in answer, answer


def test_an_enrolment_that_fails_leaves_the_bundle():
    with open(bundle, "rb") as text:
        before = text.read()
    os.rename(collector.path("data/ca/agents"), collector.path("kept"))
    with open(collector.path("data/ca/agents"), "w"):
        done = collector.run("enrol", "web-01", "--bundle", bundle)
    os.remove(collector.path("data/ca/agents"))
    os.rename(collector.path("kept"), collector.path("data/ca/agents"))
    assert done.returncode == 2 and "web-01.crt" in done.stderr, done
    with open(bundle, "rb") as text:
        assert text.read() == before
    done = collector.run("enrol", "web-02", "--bundle", collector.directory)
    assert done.returncode == 2 and not os.path.exists(collector.path("data/ca/agents/web-02.crt")), done


def test_no_rules_are_told():
    assert "no rules are loaded" in collector.log_text()


def test_stopping_ends_a_long_query():
    slow = "quantile_over_time(0.5, vector(time())[9000s:1s])"
    query = urllib.parse.urlencode({"query": " + ".join([slow] * 50), "start": 0, "end": 900, "step": 1})
    asking = threading.Thread(target=lambda: ask("/api/v1/query_range?" + query))
    asking.start()
    time.sleep(1)
    busy = asking.is_alive()
    begin = time.monotonic()
    collector.process.send_signal(signal.SIGTERM)
    collector.process.wait(60)
    took = time.monotonic() - begin
    asking.join()
    assert busy and took < 5, (busy, took)


def ask(path):
    try:
        collector.people(path)
    except OSError:
        pass
