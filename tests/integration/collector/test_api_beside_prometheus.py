"""Sends the same requests, valid and invalid, to Prometheus 3.5 and to the collector, which have the same series and rules. Compares
status, content type and body, down to the order of the keys. The differences that docs/api.md names are left out."""

import gzip
import json
import re
import urllib.parse

import pytest
from harness import WRITE_HEADERS, Collector, now_ms, write_request
from reference import Prometheus, eventually, from_sid

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RULES = """groups:
- name: first
  interval: 1s
  rules:
  - { record: job:t_up:sum, expr: sum by (job) (t_up) , labels: { team: a } }
  - { record: t_one, expr: "1" }
- name: second
  interval: 1s
  limit: 10
  rules:
  - alert: Down
    expr: t_up == 0
    labels: { severity: page }
    annotations: { summary: "{{ $labels.instance }} is down" }
  - { alert: Never, expr: t_up > 5, for: 1m, keep_firing_for: 30s }
  - { alert: Pending, expr: "vector(1)", for: 1h }
- name: third
  interval: 1s
  rules:
  - { record: t_two, expr: "2" }
"""

NOW = now_ms()
SERIES = [({"__name__": "t_up", "job": "t_node", "instance": f"t{i}"}, [(NOW - 1000 * k, float(i % 2)) for k in range(60, -1, -1)])
          for i in range(5)]
SERIES += [
    ({"__name__": "t_big", "job": "t_other"}, [(NOW - 500, 1234567.0)]),
    ({"__name__": "t_small", "job": "t_other", "le": "<&>\u2028\"\\\n"}, [(NOW - 500, 1e-9)]),
    ({"__name__": "t.http.requests", "job": "t_utf8", "my.label": "\u00fc\n"}, [(NOW - 500, float("inf"))]),
    ({"__name__": "t_nan", "job": "t_other"}, [(NOW - 500, float("nan"))]),
]
SERIES.sort(key=lambda series: sorted(series[0].items()))

SECONDS = NOW / 1000
TIMES = [f"{SECONDS:.3f}", f"{SECONDS - 30:.1f}", str(int(SECONDS)), f"{SECONDS:e}", "2026-11-23T07:02:46Z",
         "2026-11-23T07:02:46.834567Z", "2026-11-23T08:02:46+01:00", "2024-02-29T00:00:00,5Z", "0", "-1", "1e9", "+5", "",
         "abc", "2026-02-29T00:00:00Z", "2026-11-23T07:02:46", "2026-11-23t07:02:46z", "1x", "1 ", "0x", "--1"]
STEPS = ["1", "0.5", "15s", "1m30s", "1h", "0", "-1", "", "abc", "1 s", "1.5m", "1e10", "Inf", "300y", "-5s", "1s1m"]
LIMITS = ["0", "1", "2", "+2", "-1", "abc", "1.5", "", "99999999999999999999"]
QUERIES = ["t_up", "1", '"text"', "t_up[30s]", "sum(t_up)", "t_nan", '{"t.http.requests"}', "vector(1e-9)", "vector(1e21)",
           "vector(-0)", "{__name__=~\"t_.+\",}", "t_up{instance=\"t1\"} @ 5", "nothing", "t_up + on(instance) t_up",
           "", "(", "t_up{", "rate(t_up)", "t_up offset", "no_function(t_up)", "sum(t_up) by",
           "{a=\"\"}", "t_up + on(job) t_up", "label_replace(t_up, \"job\", \"$1\", \"instance\", \"(\")",
           "histogram_quantile(0.9, t_up)", "quantile(2, t_up)", "rate(t_up[1m])", "1 == 2", "\xff", "t_up # a comment"]
# The written series, without those of the rules and of the collector.
WRITTEN = "{__name__=~\"t_up|t_big|t_small|t_nan|t[.].+\"}"
SELECTORS = ["t_up", WRITTEN, "{__name__=~\"t_[u-z].*\",__name__!=\"t_two\",}", "{\"t.http.requests\"}", "{\"my.label\"!=\"\"}",
             "t_up{job=\"\"}", "t_up{job=~\".*\"}", "t_up{job=\"t_node\", job!=\"x\"}", "nothing",
             "t_up[5m]", "t_up offset 5m", "sum(t_up)", "", "{", "{job=~\"(\"}"]
EMPTY_SELECTORS = ["{}", "{job=\"\"}", "{job=~\".*\"}"]


LONG = 'sum by (job, instance) (rate({__name__=~"t_.+", job="t_node"}[5m])) '
# Prometheus formats these over several lines.
LONG_QUERIES = [
    LONG + "/ on (job) group_left (instance) " + LONG, f"topk(3, {LONG} > bool {LONG})", f"-({LONG} + {LONG} + {LONG})",
    f"clamp({LONG} or {LONG} unless {LONG}, 0, 1)", f"max_over_time(({LONG} + {LONG})[1h:1m] offset 5m)",
    f"quantile by (a, b) (0.5, abs(-{LONG} ^ 2 ^ {LONG}))", 't_up{job="' + "x" * 100 + '"}', f"count_values without (x) (\"v\", {LONG} * {LONG})",
    f'label_replace({LONG}, "a", "$1", "b", "(.*)")',
]


@pytest.fixture(scope="module")
def rules_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("api") / "test.rules.yml"
    file.write_text(RULES)
    return str(file)


@pytest.fixture(scope="module")
def prometheus(rules_file):
    server = Prometheus(from_sid("prometheus"), f"global: {{ evaluation_interval: 1s }}\nrule_files: [ {rules_file} ]\n",
                        "--web.enable-remote-write-receiver")
    yield server
    server.close()


@pytest.fixture(scope="module")
def collector(rules_file):
    made = Collector(f"ingest: {{ local: true }}\nrules: [ {rules_file} ]\n")
    try:
        yield made.start()
    finally:
        made.close()


def encode(parameters):
    return parameters if isinstance(parameters, str) else urllib.parse.urlencode(parameters)


def requests(rules_file):
    """(method, path, body or None) of every comparison."""
    both = []
    for query in QUERIES:
        both.append(("query", [("query", query), ("time", f"{SECONDS:.3f}")]))
        both.append(("query_range", [("query", query), ("start", f"{SECONDS - 60:.3f}"), ("end", f"{SECONDS:.3f}"), ("step", "15")]))
        both.append(("format_query", [("query", query)]))
        both.append(("parse_query", [("query", query)]))
        both.append(("query_exemplars", [("query", query), ("start", NOW), ("end", NOW)]))
    both += [("format_query", [("query", query)]) for query in LONG_QUERIES]
    both += [("parse_query", [("query", query)]) for query in LONG_QUERIES]
    for at in TIMES:
        if at:
            both.append(("query", [("query", "vector(1)"), ("time", at)]))
        both.append(("query_range", [("query", "vector(1)"), ("start", at), ("end", f"{SECONDS:.3f}"), ("step", "1000000")]))
        both.append(("query_range", [("query", "vector(1)"), ("start", "0"), ("end", at), ("step", "1000000")]))
        for name in ("series", "labels"):
            both.append((name, [("match[]", "t_up"), ("start", at)]))
            both.append((name, [("match[]", "t_up"), ("start", "0"), ("end", at)]))
    for step in STEPS:
        both.append(("query_range", [("query", "vector(1)"), ("start", "1000"), ("end", "1005"), ("step", step)]))
        both.append(("query", [("query", "vector(1)"), ("time", "5"), ("timeout", step)])) if step != "0" and step[0:1] != "-" else None
        both.append(("query", [("query", "t_up"), ("time", f"{SECONDS:.3f}"), ("lookback_delta", step)])) if step[0:1] != "-" else None
    for limit in LIMITS:
        for name in ("series", "labels"):
            both.append((name, [("match[]", WRITTEN), ("limit", limit)]))
        both.append(("query", [("query", "t_up"), ("time", f"{SECONDS:.3f}"), ("limit", limit)]))
        both.append(("query_range", [("query", "t_up"), ("start", f"{SECONDS:.3f}"), ("end", f"{SECONDS:.3f}"), ("step", "1"), ("limit", limit)]))
    for selector in SELECTORS + EMPTY_SELECTORS:
        for name in ("series", "labels"):
            both.append((name, [("match[]", selector)]))
    both += [("series", ""), ("query", ""), ("query_range", ""), ("format_query", ""), ("query_exemplars", ""),
             ("query", "query=%zz"), ("query", "query=1;2"), ("series", "match[]=%zz"), ("series", "match[]=t_up&a;b"),
             ("query", "query=1+%2B+1&time=4"), ("query", "query=1&query=2&time=4"), ("query", "time=4&query=t_up%7Bjob%3D%22x"),
             ("query", "query=1%2B1&time=4&nocache=x"),
             ("query_range", "query=1&start=0&end=11000&step=1"), ("query_range", "query=1&start=0&end=11001&step=1"),
             ("query_range", "query=1&start=0&end=11000.5&step=1"), ("query_range", "query=1&start=10&end=5&step=1"),
             ("query_exemplars", "query=t_up&start=5&end=1"), ("labels", "match[]=t_up&start=abc&limit=x")]
    for name, parameters in both:
        yield "GET", f"/api/v1/{name}?{encode(parameters)}", None
        yield "POST", f"/api/v1/{name}", encode(parameters)
    yield "POST", "/api/v1/query?query=2&time=7", "query=1"

    get = [f"metadata?{p}" for p in ("limit=x", "limit_per_metric=x", "metric=t_nothing")]
    get += ["targets/metadata?limit=x", "targets/metadata?match_target={", "status/tsdb?limit=0", "status/tsdb?limit=x",
            "alertmanagers", "notifications", "status/walreplay", "read/x", "nosuch"]
    for name in ("job", "__name__", "instance", "my.label", "U__my_2e_label", "U__my_2e_labe", "le", "absent", "%FF"):
        get.append(f"label/{name}/values?" + encode([("match[]", WRITTEN)]))
    for at in TIMES:
        get.append("label/job/values?" + encode([("match[]", "t_up"), ("start", at)]))
    for limit in LIMITS:
        get.append("label/instance/values?" + encode([("match[]", "t_up"), ("limit", limit)]))
    for selector in SELECTORS:
        get.append("label/__name__/values?" + encode([("match[]", selector), ("match[]", "t_up")]))
    get += ["rules", "alerts"]
    get += ["rules?" + encode(p) for p in (
        [("type", "alert")], [("type", "record")], [("type", "RECORD")], [("type", "x")], [("rule_name[]", "Down")],
        [("rule_name[]", "Down"), ("rule_name[]", "t_two")], [("rule_name[]", "nothing")], [("rule_group[]", "first")],
        [("file[]", "nothing")], [("file[]", rules_file)], [("exclude_alerts", "true")], [("exclude_alerts", "F")],
        [("exclude_alerts", "x")], [("match[]", "{severity=\"page\"}")], [("match[]", "{team=\"a\"}"), ("match[]", "{severity=\"page\"}")],
        [("match[]", "{")], [("match[]", "{a=\"\"}")], [("group_limit", "5")], [("group_limit", "0")], [("group_limit", "x")],
        [("group_limit", "99999999999")], [("group_next_token", "x")], [("group_limit", "1"), ("group_next_token", "x")])]
    for path in get:
        yield "GET", "/api/v1/" + path, None
    for path in ("/api/v1/query", "/api/v1/nosuch"):
        yield "OPTIONS", path, None
    for method, path in (("PUT", "/api/v1/query"), ("DELETE", "/api/v1/labels"), ("POST", "/api/v1/rules"), ("POST", "/federate"),
                         ("POST", "/api/v1/label/job/values"), ("DELETE", "/api/v1/status/buildinfo")):
        yield method, path, None
    for selector in SELECTORS:
        yield "GET", "/federate?" + encode([("match[]", selector)]), None
    yield "GET", "/federate", None
    yield "GET", "/federate?match[]=%zz", None


CHANGING = {"evaluationTime", "lastEvaluation", "activeAt"}


def settled(value):
    """Pairs instead of objects, so that order counts, without members that change at each evaluation."""
    if isinstance(value, list):
        return [settled(each) for each in value]
    if isinstance(value, Pairs):
        out = [(name, None if name in CHANGING else settled(each)) for name, each in value.pairs]
        # Prometheus does not order alerts.
        return [(name, sorted(each) if name == "alerts" and each else each) for name, each in out]
    return value


class Pairs:
    def __init__(self, pairs):
        self.pairs = pairs


def body(answer):
    data = gzip.decompress(answer.body) if answer.headers.get("Content-Encoding") == "gzip" else answer.body
    if answer.headers.get("Content-Type") == "application/json":
        return settled(json.loads(data, object_pairs_hook=Pairs))
    text = data.decode()
    return sorted(text.split("\n")) if text.startswith("#") else text


def told(answer):
    """The compared parts of an answer."""
    return answer.status, answer.headers.get("Content-Type"), body(answer)


def without_positions(value):
    """Removes positions and the words of parse errors, which integration/promql compares query by query."""
    text = re.sub(r"(unknown position|[0-9]+:[0-9]+): parse error: .*", "parse error", json.dumps(value))
    return re.sub(r" \([0-9]+:[0-9]+\)\"", '"', text)


def write(to):
    answer = to("POST", "/api/v1/write", write_request(SERIES), WRITE_HEADERS)
    assert answer.status == 204, (answer.status, answer.body)


def evaluated(ask):
    def all_rules_evaluated():
        groups = json.loads(ask("GET", "/api/v1/rules").body)["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return len(rules) == 6 and all(rule["health"] == "ok" for rule in rules) and [
            len(rule["alerts"]) for rule in rules if "alerts" in rule] == [3, 0, 1]
    return all_rules_evaluated


def test_every_answer_is_the_same(prometheus, collector, rules_file):
    def ours(method, path, data=None, headers=None):
        return collector.people(path, method, data, headers)

    write(prometheus.request)
    write(ours)
    eventually(evaluated(prometheus.request))
    eventually(evaluated(ours))
    same, different = 0, []
    for method, path, data in requests(rules_file):
        for headers in ({}, {"Accept-Encoding": "gzip"}):
            headers = {**headers, **(FORM if data is not None else {})}
            theirs = prometheus.request(method, path, data, headers)
            own = ours(method, path, data, headers)
            if without_positions(told(theirs)) != without_positions(told(own)):
                different.append(f"{method} {path} {data or ''}\n    prometheus: {str(told(theirs))[:600]}\n"
                                 f"    lapwing:    {str(told(own))[:600]}")
                break
            same += 1
    print(f"{same} answers are the same")
    assert not different, f"{len(different)} answers differ:\n" + "\n".join(different)
