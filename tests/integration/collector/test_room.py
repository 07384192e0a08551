"""Room for everybody: budgets of agents, the collector's own series, and how long a request may be."""

import json
import os
import re
import signal
import socket
import time
import urllib.parse

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request

HOT = """
groups:
- name: hot
  interval: 1s
  rules:
  - { record: "temp:hot", expr: temp > 30 }
  - { alert: Hot, expr: "temp:hot > 30" }
"""
COPIES = """
- name: copies
  interval: 1s
  rules:
  - { record: "copy", expr: many }
"""

collector = Collector("ingest: { local: true, max_series: 4000, max_own_series: 1000, agent: { max_series: 1000, max_label_bytes: 1MB },\n"
                      "          max_labels_per_series: 100, max_label_length: 10000 }\n")
bundles = {}


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        for host in ("web-01", "web-02", "web-03"):
            bundles[host] = collector.enrol(host)
        collector.start()
        yield
    finally:
        collector.close()


def series(name, count, **more):
    return [({"__name__": name, "i": str(i), "job": "t", **more}, [(now_ms(), float(i))]) for i in range(count)]


def local(written):
    return collector.people("/api/v1/write", "POST", write_request(written), WRITE_HEADERS)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, collector.log_text()
        time.sleep(0.2)


def metric(name, **labels):
    for line in collector.people("/metrics").body.decode().splitlines():
        if line.split("{")[0].split(" ")[0] == name and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.split(" ")[-1])
    return None


def test_an_agent_beyond_its_budget_harms_nobody_else():
    answer = collector.agent(bundles["web-01"]).write(series("churn", 1500))
    assert answer.status == 400 and answer.headers["X-Lapwing-Refused"] == "500", answer.body
    assert b"500 of 1500 samples refused, the others are stored" in answer.body, answer.body
    assert b"web-01 has 1000 already (ingest.agent.max_series)" in answer.body, answer.body
    # Its known series go on.
    assert collector.agent(bundles["web-01"]).write(series("churn", 1000)).status == 204
    assert collector.agent(bundles["web-02"]).write(series("up", 500)).status == 204
    assert metric("lapwing_collector_active_series", sender="web-01") == 1000
    assert metric("lapwing_collector_series_limit_refused_total", sender="web-01") == 500
    assert metric("lapwing_collector_series_limit_refused_total", sender="web-02") == 0
    tsdb = collector.people("/api/v1/status/tsdb").json()["data"]
    assert tsdb["activeSeriesCountBySender"][0] == {"name": "web-01", "value": 1000}, tsdb


def test_status_names_the_agent():
    until(lambda: "web-01 has 100 %" in collector.run("status").stdout)
    shown = json.loads(collector.run("status", "--json").stdout)
    assert [each["sender"] for each in shown["series_near_limit"]] == ["web-01"], shown


def test_long_labels_cost_their_sender():
    fat = {f"l{i:02d}": str(i) + "v" * 9000 for i in range(20)}
    answer = collector.agent(bundles["web-03"]).write(
        [({"__name__": "fat", "job": "t", "i": str(i), **fat, "l00": str(i) + "w" * 9000}, [(now_ms(), 1.0)]) for i in range(10)])
    assert answer.status == 400 and b"ingest.agent.max_label_bytes" in answer.body, answer.body[-300:]
    assert len(answer.body) < 1000, len(answer.body)
    assert metric("lapwing_collector_active_label_bytes", sender="web-03") <= 1_000_000
    assert collector.agent(bundles["web-03"]).write(series("up", 1)).status == 204


def test_the_limits_on_labels_are_settings():
    many = {f"l{i}": "v" for i in range(90)}
    assert local([({"__name__": "wide", **many}, [(now_ms(), 1.0)])]).status == 204
    assert local([({"__name__": "long", "l": "v" * 10_000}, [(now_ms(), 1.0)])]).status == 204
    for labels, words in (({f"l{i}": "v" for i in range(101)}, b"more than 100 labels"), ({"l": "v" * 10_001}, b"longer than 10000 bytes")):
        answer = local([({"__name__": "wide", **labels}, [(now_ms(), 1.0)])])
        assert answer.status == 400 and words in answer.body, answer.body[-200:]


def load_rules(text):
    os.makedirs(collector.path("rules"), exist_ok=True)
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(text)
    collector.process.send_signal(signal.SIGHUP)


def rule(name):
    groups = collector.people("/api/v1/rules").json()["data"]["groups"]
    return {each["name"]: each for group in groups for each in group["rules"]}.get(name, {})


def test_nobody_uses_up_the_room_of_the_collectors_own_series():
    answer = local(series("temp", 5) + series("many", 5000))
    assert answer.status == 400 and b"ingest.max_series" in answer.body, answer.body
    hot = {"__name__": "many", "i": "3", "job": "t"}

    def fires():
        assert local([(hot, [(now_ms(), 99.0)])]).status == 204
        return any(alert["state"] == "firing" for alert in collector.people("/api/v1/alerts").json()["data"]["alerts"])

    load_rules(HOT.replace("temp > 30", '\'many{i="3"} > 30\''))
    until(fires)
    assert collector.query("temp:hot") and collector.query('ALERTS{alertname="Hot"}')
    assert rule("temp:hot")["health"] == rule("Hot")["health"] == "ok"
    assert metric("lapwing_collector_own_samples_refused_total") == 0


def test_a_result_that_is_refused_is_an_error_and_told_once():
    load_rules(HOT + COPIES)

    def refused():
        local(series("many", 1200))
        return rule("copy").get("health") == "err"

    until(refused)
    assert "ingest.max_own_series" in rule("copy")["lastError"], rule("copy")
    until(lambda: metric("lapwing_rule_failing", rule="copy") == 1)
    group = collector.path("rules/a.yml") + ";copies"
    until(lambda: metric("lapwing_rule_evaluation_failures_total", rule_group=group) > 3)
    assert metric("lapwing_collector_own_samples_refused_total") > 0
    assert len(re.findall("warning: rule copy of group copies", collector.log_text())) == 1, collector.log_text()


def raw(data, end=False):
    with socket.create_connection(("127.0.0.1", collector.people_port), 20) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def head(version, *more):
    lines = [f"POST /api/v1/write {version}", "Host: localhost", *(f"{name}: {value}" for name, value in WRITE_HEADERS.items()), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_bodies_without_a_length():
    body = write_request([({"__name__": "temp", "i": "0", "job": "t"}, [(now_ms(), 1.0)])])
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    answer = raw(head("HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close") + chunks)
    assert answer.startswith(b"HTTP/1.1 204 "), answer
    for number, version, more in (("1", "HTTP/1.1", ["Connection: close"]), ("2", "HTTP/1.0", [])):
        # Two writes may come within one millisecond: each has a series of its own, which is there already.
        body = write_request([({"__name__": "temp", "i": number, "job": "t"}, [(now_ms(), 2.0)])])
        answer = raw(head(version, *more) + body, end=True)
        assert b" 204 " in answer.splitlines()[0], answer
    assert b" 411 " in raw(head("HTTP/1.1") + body).splitlines()[0]
    too_long = b"".join(b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20)) for _ in range(9)) + b"0\r\n\r\n"
    assert b" 413 " in raw(head("HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close") + too_long).splitlines()[0]


def test_long_queries():
    def query(bytes_of_url):
        path = "/api/v1/query?query=" + urllib.parse.quote("count(temp) or vector(0) # ")
        return path + "x" * (bytes_of_url - len(path))

    # Poco's reader of heads mistakes some lengths for the end of the head: try each remainder.
    for length in [1000, 16_385, 100_000, *range(20_000, 21_030), (1 << 20) - 1, 1 << 20]:
        answer = collector.people(query(length))
        assert answer.status == 200 and answer.json()["data"]["result"], (length, answer.body)
    for length in ((1 << 20) + 1, 3 << 20):
        answer = collector.people(query(length))
        assert answer.status == 414 and b"1048576" in answer.body, (length, answer.status, answer.body)
    agent = collector.agent(bundles["web-02"])
    agent.request("GET", "/api/lapwing/v1/assignments?version=" + "x" * 17_000)
    assert agent.getresponse().status == 414
    answer = raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 8000) for i in range(40)) + b"\r\n")
    assert b" 400 " in answer.splitlines()[0], answer
    answer = raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n")
    assert b" 400 " in answer.splitlines()[0], answer
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for size, status in (((4 << 20) - 20, 200), ((4 << 20) + 1, 413)):
        body = "query=" + urllib.parse.quote("vector(1) # ")
        answer = collector.people("/api/v1/query", "POST", body + "x" * (size - len(body)), form)
        assert answer.status == status, (size, answer.status, answer.body[:200])


def test_the_answer_to_head_has_no_body():
    with socket.create_connection(("127.0.0.1", collector.people_port), 20) as connection:
        for path in (b"/-/ready", b"/api/v1/status/buildinfo", b"/"):
            connection.sendall(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 ") and answer.endswith(b"\r\n\r\n"), answer
            if b"close" in answer.lower():
                break
