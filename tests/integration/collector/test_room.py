"""Room for everybody: budgets of agents, the collector's own series, and how long a request may be."""

import json
import os
import re
import socket
import time
import urllib.parse

import pytest
from harness import NAME, WRITE_HEADERS, Collector, now_ms, write_request

RULES = """
groups:
- name: copies
  interval: 1s
  rules:
  - { record: "copy", expr: many }
- name: hot
  interval: 1s
  rules:
  - { record: "temp:hot", expr: temp > 30 }
  - { alert: Hot, expr: "temp:hot > 30" }
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
    assert shown["series_near_limit"] == [{"sender": "web-01", "part": "1"}] or \
        [each["sender"] for each in shown["series_near_limit"]] == ["web-01"], shown


def test_long_labels_cost_their_sender():
    fat = {f"l{i:02d}": str(i) + "v" * 9000 for i in range(20)}
    answer = collector.agent(bundles["web-03"]).write(
        [({"__name__": "fat", "job": "t", "i": str(i), **fat, "l00": str(i) + "w" * 9000}, [(now_ms(), 1.0)]) for i in range(10)])
    assert answer.status == 400 and b"ingest.agent.max_label_bytes" in answer.body, answer.body[-300:]
    assert metric("lapwing_collector_active_label_bytes", sender="web-03") <= 1_000_000
    assert collector.agent(bundles["web-03"]).write(series("up", 1)).status == 204


def test_the_limits_on_labels_are_settings():
    many = {f"l{i}": "v" for i in range(90)}
    assert local([({"__name__": "wide", **many}, [(now_ms(), 1.0)])]).status == 204
    assert local([({"__name__": "long", "l": "v" * 10_000}, [(now_ms(), 1.0)])]).status == 204
    for labels, words in (({f"l{i}": "v" for i in range(101)}, b"more than 100 labels"), ({"l": "v" * 10_001}, b"longer than 10000 bytes")):
        answer = local([({"__name__": "wide", **labels}, [(now_ms(), 1.0)])])
        assert answer.status == 400 and words in answer.body, answer.body[-200:]


def test_the_collectors_own_series_have_room_and_refused_results_are_errors():
    assert local(series("temp", 5)).status == 204
    answer = local(series("many", 5000))
    assert answer.status == 400 and b"ingest.max_series" in answer.body, answer.body
    os.makedirs(collector.path("rules"))
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(RULES)
    collector.process.send_signal(1)

    def written():
        local(series("many", 1500))
        local([({"__name__": "temp", "i": "3", "job": "t"}, [(now_ms(), 99.0)])])
        return collector.people("/api/v1/alerts").json()["data"]["alerts"] and collector.query("temp:hot")

    # The results of one rule fill the room of the own series; those of another were there before, or have none left, and say so.
    until(written)

    def rules():
        groups = collector.people("/api/v1/rules").json()["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    until(lambda: rules().get("copy", {}).get("health") == "err")
    assert "ingest.max_own_series" in rules()["copy"]["lastError"]
    until(lambda: metric("lapwing_rule_failing", rule="copy") == 1)
    until(lambda: metric("lapwing_rule_evaluation_failures_total", rule_group=collector.path("rules/a.yml") + ";copies") > 3)
    assert metric("lapwing_collector_own_samples_refused_total") > 0
    # Told once, though each evaluation is refused.
    assert len(re.findall(r"warning: rule copy of group copies", collector.log_text())) == 1, collector.log_text()


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
    for version, more in (("HTTP/1.1", ["Connection: close"]), ("HTTP/1.0", [])):
        answer = raw(head(version, *more) + write_request([({"__name__": "temp", "i": "0", "job": "t"}, [(now_ms(), 2.0)])]), end=True)
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
