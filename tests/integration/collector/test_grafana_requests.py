"""The requests of Grafana's Prometheus data source and of its alerting pages, in their form."""

import gzip
import json
import os
import urllib.parse

import pytest
from harness import WRITE_HEADERS, Collector, message, now_ms, snappy, write_request
from reference import eventually

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip"}
RULES = """groups:
- name: g
  interval: 1s
  rules:
  - alert: Down
    expr: up{job="node"} == 0
    labels: { severity: page }
    annotations: { summary: "{{ $labels.instance }}" }
  - { record: one, expr: "1" }
"""

collector = Collector("ingest: { local: true }\n")
os.makedirs(collector.path("rules"))
with open(collector.path("rules/g.yml"), "w") as out:
    out.write(RULES)
NOW = now_ms()


def text_of(answer):
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers.items()
    return gzip.decompress(answer.body).decode() if answer.headers.get("Content-Encoding") == "gzip" else answer.body.decode()


def post(path, **form):
    answer = collector.people("/api/v1/" + path, "POST", urllib.parse.urlencode(form, doseq=True), FORM)
    assert answer.status == 200, (answer.status, answer.body)
    return text_of(answer)


def get(path, **parameters):
    answer = collector.people(f"/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}", headers={"Accept-Encoding": "gzip"})
    assert answer.status == 200, (answer.status, answer.body)
    return json.loads(text_of(answer))["data"]


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        collector.start()
        ticks = [NOW - 15_000 * k for k in range(4, -1, -1)]
        write([({"__name__": "up", "job": "node", "instance": f"web-0{i}"}, [(at, float(i == 1)) for at in ticks]) for i in (1, 2)])
        write([({"__name__": "lapwing_probe_failure", "job": "node", "instance": "web-02", "reason": "timeout"}, [(NOW, 1.0)]),
               ({"__name__": "scrape_duration_seconds", "job": "node", "instance": "web-02"}, [(NOW, 0.25)]),
               ({"__name__": "t_bytes", "job": "node", "instance": "web-01"}, [(NOW + 1, 5.0)])])
        described = message(3, b"\x08\x02" + message(2, b"t_bytes") + message(4, b"How much.") + message(5, b"bytes"))
        assert collector.people("/api/v1/write", "POST", snappy(described), WRITE_HEADERS).status == 204
        eventually(lambda: "up" in get("metadata"))
        yield
    finally:
        collector.close()


def test_save_and_test():
    assert post("query", query="1+1", time="4") == '{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}'
    build = get("status/buildinfo")
    assert tuple(map(int, build["version"].split(".")[:2])) >= (2, 42) and "features" not in build, build


def test_panels():
    text = post("query_range", query='sum by (job) (up{job=~"node|x"})', start=f"{NOW / 1000 - 60:.3f}", end=f"{NOW / 1000:.3f}", step="15")
    # With another order, Grafana buffers the whole answer.
    assert text.index('"status"') < text.index('"resultType":"matrix"') < text.index('"result":['), text
    result = json.loads(text)["data"]["result"]
    assert [entry["metric"] for entry in result] == [{"job": "node"}] and len(result[0]["values"]) == 5, result
    result = json.loads(post("query", query='{__name__=~".+",job="node",}', time=f"{NOW / 1000:.3f}"))["data"]["result"]
    assert [entry["metric"]["__name__"] for entry in result] == ["lapwing_probe_failure", "scrape_duration_seconds", "up", "up"], result


def test_a_large_answer_is_compressed_and_whole():
    text = post("query_range", query="vector(time())", start="0", end="10999", step="1")
    assert len(json.loads(text)["data"]["result"][0]["values"]) == 11000


def test_exemplars_are_none():
    assert post("query_exemplars", query="up", start=str(NOW - 60_000), end=str(NOW)) == '{"status":"success","data":[]}'


def test_variables():
    bounds = {"start": f"{NOW / 1000 - 60}", "end": f"{NOW / 1000 + 1}"}
    assert json.loads(post("labels", **bounds, **{"match[]": ['up{job="node"}']}))["data"] == ["__name__", "instance", "job"]
    assert get("label/instance/values", **bounds, **{"match[]": 'up{job="node"}'}) == ["web-01", "web-02"]
    assert get("label/instance/values", **bounds, **{"match[]": 'up{job="node"}', "limit": "1"}) == ["web-01"]
    assert "up" in get("label/__name__/values", **bounds)
    found = json.loads(post("series", **bounds, **{"match[]": ['up{job="node"}', 'up{job="none"}']}))["data"]
    assert found == [{"__name__": "up", "instance": f"web-0{i}", "job": "node"} for i in (1, 2)], found


def test_metrics_browser():
    assert get("metadata", limit="40000", limit_per_metric="1")["up"], "the collector describes its own"
    assert get("metadata", metric="t_bytes") == {"t_bytes": [{"type": "gauge", "unit": "bytes", "help": "How much."}]}


def test_alerting_pages():
    def firing():
        alerts = get("alerts")["alerts"]
        return alerts if [alert["state"] for alert in alerts] == ["firing"] else None

    alert = eventually(firing)[0]
    assert alert["labels"] == {"alertname": "Down", "instance": "web-02", "job": "node", "severity": "page"}, alert
    assert alert["annotations"] == {"summary": "web-02"} and alert["value"] == "0e+00" and alert["activeAt"], alert
    group = get("rules")["groups"][0]
    assert set(group) == {"name", "file", "rules", "interval", "limit", "evaluationTime", "lastEvaluation"}, group
    down, one = group["rules"]
    assert set(down) == {"state", "name", "query", "duration", "keepFiringFor", "labels", "annotations", "alerts", "health",
                         "evaluationTime", "lastEvaluation", "type"}, down
    assert down["state"] == "firing" and down["type"] == "alerting" and len(down["alerts"]) == 1, down
    assert one["type"] == "recording" and one["health"] == "ok", one
    page = get("rules", type="alert", group_limit="1", exclude_alerts="true")
    assert page["groups"][0]["rules"][0]["alerts"] is None and "groupNextToken" not in page, page


def test_nobody_takes_it_for_a_ruler():
    for path in ("/api/v1/rules/test/test", "/config/v1/rules", "/ruler/api/v1/rules", "/api/v2/alerts"):
        answer = collector.people(path)
        assert answer.status == 404 and b"page not found" in answer.body, (path, answer.status, answer.body)


def test_targets():
    active = {entry["labels"]["instance"]: entry for entry in get("targets", state="active")["activeTargets"]
              if entry["scrapePool"] == "node"}
    assert set(active) == {"web-01", "web-02"} and active["web-01"]["health"] == "up", active
    down = active["web-02"]
    assert (down["health"], down["lastError"], down["scrapeInterval"]) == ("down", "timeout", "15s"), down
    assert down["lastScrapeDuration"] == 0.25 and down["labels"] == {"instance": "web-02", "job": "node"}, down
    assert get("scrape_pools")["scrapePools"][-1] == "node"
    own = get("targets/metadata", match_target='{job="node"}', metric="t_bytes")
    assert own == [{"target": {"instance": "web-01", "job": "node"}, "type": "gauge", "help": "How much.", "unit": "bytes"}], own


def test_status_pages():
    assert get("status/runtimeinfo")["storageRetention"] == "90d"
    assert get("status/flags")["query.lookback-delta"] == "5m"
    assert "evaluation_interval" in get("status/config")["yaml"]
    head = get("status/tsdb", limit="2")
    assert head["headStats"]["numSeries"] >= 3 and len(head["seriesCountByMetricName"]) == 2, head
    assert head["labelValueCountByLabelName"][0]["name"] == "__name__", head
    # More than the collector's own series, which have several label pairs each.
    assert head["headStats"]["numLabelPairs"] > 10 and head["seriesCountByLabelValuePair"][0]["value"] >= 10, head


def write(series):
    answer = collector.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS)
    assert answer.status == 204, answer.body
