"""Queries that ask for more memory or time than a query may have, and samples that cost a window each."""

import http.client
import os
import struct
import threading
import urllib.parse

import process_memory
import pytest
from attacks import MB, AttackedSite
from harness import LONG, WRITE_HEADERS, message, now_ms, snappy, varint

MEMORY = "memory of a query with its answer, of any other request to the API, and of a rule with its templates"
TIME = "time of a query, and of any other request to the API, with the wait for its turn"
SELECTORS = "selectors of a request for series or labels (`match[]`)"
RETENTION = "samples before the retention time"
TOGETHER = "queries that run at once"
SAMPLES = "samples that a query loads"
# promql.max_memory, and what SQLite, zlib and the answer's way to the client take beside it.
QUERY_MEMORY = 160_000_000 + 48 * MB
AFTERWARDS = 8 * MB
SERIES = 5000
TIMEOUT = "60s" if LONG else "5s"
REFUSED = (400, 422, 503)


@pytest.fixture(scope="module")
def loaded():
    """A site with 5000 series of 100 samples."""
    with AttackedSite() as site:
        site.now = now_ms()
        connection = site.attacker()
        for block in range(0, SERIES, 500):
            series = [({"__name__": "x", "instance": "web-01", "job": "j", "k": f"{i:05d}", "a": "0123456789"},
                       [(site.now - 3_600_000 + j * 36_000, float(i * 100 + j)) for j in range(100)]) for i in range(block, block + 500)]
            assert connection.write(series).status == 204
        yield site


def ask(site, path, parameters):
    """The status of the answer, and its length. The answer is read and thrown away."""
    connection = http.client.HTTPConnection("127.0.0.1", site.collector.people_port, timeout=180)
    try:
        form = urllib.parse.urlencode(parameters)
        if path == "/federate":
            connection.request("GET", path + "?" + form)
        else:
            connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        length = 0
        while part := response.read(1 << 16):
            length += len(part)
        return response.status, length
    finally:
        connection.close()


def instant(site, query):
    """At the time of the samples: on a slow machine they are too old for a query of the present."""
    return "/api/v1/query", {"query": query, "time": site.now / 1000, "timeout": TIMEOUT}


def ranged(site, query, step):
    return "/api/v1/query_range", {"query": query, "start": (site.now - 3_600_000) / 1000, "end": site.now / 1000, "step": step, "timeout": TIMEOUT}


def goes_back(site, before):
    """The memory of the queries goes back to the system."""
    site.until(lambda: process_memory.resident(site.collector.process.pid) <= before + AFTERWARDS, 120)


def attack(site, what, requests, limit=MEMORY, memory=QUERY_MEMORY, statuses=REFUSED):
    before = process_memory.resident(site.collector.process.pid)
    with site.attack(what, limit=limit, memory=memory) as attacked:
        told = set()
        for path, parameters in requests:
            status, length = ask(site, path, parameters)
            print(f"      {status} {length:,} bytes {str(parameters)[:90]}")
            assert status in statuses, (status, str(parameters)[:300])
            told.add(str(status))
            # The client has its answer before the memory of the query is free, and another query may run beside it.
            goes_back(site, before)
            attacked.next_request()
        attacked.told = ", ".join(sorted(told))


def nested(levels, before, inner, after):
    return before * levels + inner + after * levels


def test_labels_that_double(loaded):
    one = 'x{k="00001"}'
    attack(loaded, "labels that each function makes longer", [
        instant(loaded, nested(18, "label_replace(", "x", ',"a","$1$1","a","(.*)")')),
        instant(loaded, nested(26, "label_replace(", one, ',"a","$1$1","a","(.*)")')),
        instant(loaded, nested(26, "label_join(", one, ',"a","","a","a")')),
        instant(loaded, nested(16, "label_join(", "x", ',"a","","a","a")')),
        instant(loaded, nested(5, "label_join(", one, ',"a","",' + ",".join(['"a"'] * 60) + ")")),
        instant(loaded, nested(3, "label_replace(", one, ',"a","' + "$1" * 5000 + '","a","(.*)")')),
        instant(loaded, 'label_replace(x,"a","' + "b" * MB + '","","")'),
        instant(loaded, "x * on(k) group_left(" + ",".join(f"l{i}" for i in range(2000)) + ") " + nested(12, "label_join(", "x", ',"l1","","a","l1","l1")')),
        instant(loaded, " or ".join(['label_replace(x,"b","' + "c" * 2000 + '","","")'] * 200)),
        instant(loaded, 'count_values("' + "v" * 100_000 + '",x)'),
        ranged(loaded, 'count_values("v",x)', "1"),
    ])


def test_vectors_of_many_values(loaded):
    ranges = ["x", "x+x", "x or x", "sum by(k)(x)", "rate(x[30m])", "topk(5000,x)", "x @ end()", "quantile by(k)(0.5,x)",
              "x * on(k) group_left() x", "-x", "sort(x)", "clamp(x,0,1)", "x and on(k) x"]
    attack(loaded, "panels of 55 million values", [ranged(loaded, query, "0.33") for query in ranges])
    attack(loaded, "subqueries with tiny steps", [
        instant(loaded, "max_over_time(vector(1)[1000y:1ms])"),
        instant(loaded, "max_over_time(max_over_time(vector(1)[30d:1s])[30d:1s])"),
        instant(loaded, "max_over_time(max_over_time(max_over_time(vector(1)[1h:1s])[1h:1s])[1h:1s])"),
        instant(loaded, "count_over_time(x[1h:1ms])"),
        instant(loaded, "x[1h:10ms]"),
        instant(loaded, "absent_over_time(x[1h:1ms])"),
    ], statuses=(200, *REFUSED))


def test_four_at_once(loaded):
    """As many as may run together, beside others that wait."""
    before = process_memory.resident(loaded.collector.process.pid)
    told = []
    request = ranged(loaded, "rate(x[30m])", "4")

    def client():
        try:
            told.append(ask(loaded, *request)[0])
        except (OSError, http.client.HTTPException) as error:
            told.append(repr(error))

    with loaded.attack("20 of the greatest queries at once", limit=TOGETHER, memory=4 * QUERY_MEMORY) as attacked:
        clients = [threading.Thread(target=client) for _ in range(20)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        assert len(told) == 20 and set(told) <= {200, *REFUSED}, told
        attacked.told = ", ".join(f"{told.count(status)} times {status}" for status in sorted(set(told)))
    goes_back(loaded, before)


def test_selectors_and_regular_expressions(loaded):
    attack(loaded, "regular expressions that take long", [
        instant(loaded, "x{" + ",".join(['k=~".{0,900}.{0,900}"'] * 20) + "}"),
        instant(loaded, "x{" + ",".join(['k=~".{0,1000}"'] * 3000) + "}"),
        instant(loaded, 'x{k=~"(a*)*(a*)*(a*)*b|' + "|".join("(x+x+)+y%d" % i for i in range(2000)) + '"}'),
        instant(loaded, 'x{k=~"' + "|".join("%05dz" % i for i in range(130_000)) + '"}'),
        instant(loaded, 'x{k=~"(((a{1000}){1000}){1000})"}'),
        instant(loaded, nested(300, "label_replace(", "x", ',"b","$1$2$3","a","(.{0,300})(.{0,300})(.{0,300})")')),
    ], statuses=(200, *REFUSED))
    everything = '{__name__=~".+"}'
    attack(loaded, "thousands of selectors", [
        ("/api/v1/series", [("match[]", everything)] * 101),
        ("/api/v1/labels", [("match[]", everything)] * 5000),
    ], limit=SELECTORS, statuses=(400,))
    attack(loaded, "lists of everything", [
        ("/api/v1/series", [("match[]", everything)] * 100),
        ("/api/v1/labels", [("match[]", everything)] * 100),
        ("/federate", [("match[]", everything)] * 50),
        ("/api/v1/series", [("match[]", '{__name__=~".{0,900}.{0,900}",k=~".{0,900}.{0,900}"}')] * 20),
        ("/api/v1/query", [("&", "")] * 300_000),
    ], statuses=(200, 400, 405, 422, 503))


def test_deep_and_long_expressions(loaded):
    attack(loaded, "expressions of 100,000 parts", [
        instant(loaded, "(" * 100_000 + "1" + ")" * 100_000),
        instant(loaded, "-" * 100_000 + "x"),
        instant(loaded, nested(90_000, "sum(", "x", ")")),
        instant(loaded, "+".join(["1"] * 300_000)),
        instant(loaded, "^".join(["1"] * 200_000)),
        instant(loaded, "x" + "[5m:1m]" * 60_000),
        instant(loaded, "x" + " offset 1s" * 50_000),
        instant(loaded, "x{" + ",".join(f'l{i}!="v"' for i in range(50_000)) + "}"),
        instant(loaded, "sum by (" + ",".join(f"l{i}" for i in range(100_000)) + ") (x)"),
        instant(loaded, 'label_join(x,"a",""' + ',"a"' * 400_000 + ")"),
        ("/api/v1/format_query", {"query": "(" * 390 + "+".join(["x"] * 400) + ")" * 390}),
        ("/api/v1/format_query", {"query": nested(290, "sum(", "x", ")") + "+sum(x)" * 100}),
        ("/api/v1/parse_query", {"query": nested(390, "(", "x", ")")}),
    ], statuses=(200, *REFUSED))


def test_time(loaded):
    with loaded.attack("queries that take minutes", limit=TIME, memory=QUERY_MEMORY) as attacked:
        # They take long, and load few samples: a query that loads too many is refused for that (422) on a quick machine.
        for query in ("+".join(["quantile_over_time(0.5,vector(time())[9000s:1s])"] * 50), nested(380, "sort_by_label(", "x", ',"a","k")')):
            path, parameters = ranged(loaded, query, "4")
            status, _ = ask(loaded, path, {**parameters, "timeout": "1s"})
            assert status == 503, (status, query[:60])
        attacked.told = "503"


def test_samples_that_a_query_loads(loaded):
    """Eleven times all samples: 5.5 million."""
    with loaded.attack("a query of 5.5 million samples", limit=SAMPLES, memory=QUERY_MEMORY) as attacked:
        query = "+".join(f'sum(count_over_time(x{{k!="{i}"}}[2h]))' for i in range(11))
        answer = loaded.collector.people("/api/v1/query", "POST", urllib.parse.urlencode({"query": query, "time": loaded.now / 1000}),
                                         {"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 422 and b"too many samples" in answer.body, (answer.status, answer.body)
        attacked.told = "422"


def test_samples_of_1970(site):
    """Each sample lies in a window of its own, and each window is a block of the file."""
    def body(series):
        labels = (("__name__", "win"), ("instance", "web-01"), ("k", str(series)))
        return snappy(message(1, b"".join(message(1, message(1, name.encode()) + message(2, value.encode())) for name, value in labels)
                              + b"".join(message(2, b"\x09" + struct.pack("<d", 1) + b"\x10" + varint(1000 + i * 7_200_000)) for i in range(99_000))))

    with site.attack("half a million samples, each two hours after the other, from 1970", limit=RETENTION, memory=96 * MB) as attacked:
        connection = site.attacker()
        for series in range(6):
            assert connection.post("/api/v1/write", body(series), WRITE_HEADERS).status == 400
        attacked.told = "400"
    # The windows within the retention are stored: 90 days.
    assert len(site.collector.query("win[100d]")) <= 6
    assert os.path.getsize(site.collector.path("data/lapwing.db")) < 64 * MB
