"""Access to the listener for people, the form of its answers, and the configuration that it requires."""

import gzip
import json
import os
import ssl
import subprocess
import http.client
import urllib.parse

import pytest
from harness import PROGRAM, WRITE_HEADERS, Answer, Collector, basic, free_port, now_ms, write_request
from reference import eventually

collector = Collector()
outer_port = free_port()
password_hash = subprocess.run(["openssl", "passwd", "-6", "correct horse"], check=True, capture_output=True, text=True)
with open(collector.path("users"), "w") as users:
    users.write("# who may look\nann:" + password_hash.stdout)
collector.write_config(
    f"""http:
  listen: [ 127.0.0.1:{collector.people_port}, 0.0.0.0:{outer_port} ]
  tls: auto
  users_file: {collector.path('users')}
ingest: {{ local: true }}
"""
)
bundle = None  # of web-01


def outer(path, headers=None, method="GET", body=None):
    context = ssl.create_default_context(cafile=bundle)
    connection = http.client.HTTPSConnection("127.0.0.1", outer_port, context=context, timeout=30)
    connection.request(method, path, body, headers or {})
    return Answer(connection.getresponse())


@pytest.fixture(scope="module", autouse=True)
def running():
    global bundle
    try:
        bundle = collector.enrol("web-01")
        collector.start()
        yield
    finally:
        collector.close()


def test_off_loopback_needs_a_credential():
    assert outer("/", basic("ann", "correct horse")).status == 200
    for path in ("/", "/api/v1/query?query=up", "/metrics", "/-/healthy", "/nowhere"):
        answer = outer(path)
        assert answer.status == 401, (path, answer.status)
        assert answer.headers["WWW-Authenticate"].startswith("Basic "), path
        assert outer(path, basic("ann", "wrong")).status == 401
        assert outer(path, basic("nobody", "correct horse")).status == 401
    assert outer("/", {"Authorization": "Basic !!!"}).status == 401
    assert outer("/", {"Authorization": "Bearer x"}).status == 401
    # That was the tenth failure of this address: it must wait, but for credentials that were right before.
    for _ in range(5):
        answer = outer("/", basic("ann", "guess"))
    assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1
    metrics = collector.people("/metrics").body.decode()
    assert 'lapwing_collector_refused_logins_total{reason="credentials"} 10' in metrics, metrics
    assert outer("/", basic("ann", "correct horse")).status == 200
    assert outer("/-/healthy", basic("ann", "correct horse")).status == 200


def test_off_loopback_never_takes_samples():
    body = write_request([({"__name__": "outer"}, [(now_ms(), 1.0)])])
    answer = outer("/api/v1/write", {**WRITE_HEADERS, **basic("ann", "correct horse")}, "POST", body)
    assert answer.status == 404, answer.status
    assert collector.query("outer") == []


def test_local_ingest_works_on_loopback():
    body = write_request([({"__name__": "local"}, [(now_ms(), 1.5)])])
    assert collector.people("/api/v1/write", "POST", body, WRITE_HEADERS).status == 204
    [found] = collector.query("local")
    assert found["value"][1] == "1.5" and found["metric"] == {"__name__": "local"}


def test_rebound_names_are_refused():
    assert collector.people("/", headers={"Host": "evil.example"}).status == 403
    assert collector.people("/", headers={"Host": "127.0.0.1.evil.example"}).status == 403
    for host in ("localhost:9765", "127.0.0.1", "[::1]:1", "LOCALHOST"):
        assert collector.people("/", headers={"Host": host}).status == 200, host


def test_pages_of_other_sites_get_no_data():
    def status(path, **headers):
        return collector.people(path, headers={name.replace("_", "-"): value for name, value in headers.items()}).status
    query = "/api/v1/query?query=1"
    assert status(query) == status(query, Sec_Fetch_Site="same-origin") == 200
    assert status(query, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors") == 403
    assert status(query, Origin="https://evil.example") == 403
    assert status("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document") == 200


def test_headers_protect_the_page():
    answer = collector.people("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy, policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert b"<script>" not in answer.body and b"style=" not in answer.body and b"http://" not in answer.body
    again = collector.people("/", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and again.body == b""


def test_markup_in_labels_stays_text():
    body = write_request([({"__name__": "odd", "x": "</script><img src=x onerror=alert(1)>"}, [(now_ms(), 1.0)])])
    assert collector.people("/api/v1/write", "POST", body, WRITE_HEADERS).status == 204
    answer = collector.people("/api/v1/query?query=odd")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["data"]["result"][0]["metric"]["x"] == "</script><img src=x onerror=alert(1)>"


def test_answers_have_prometheus_form():
    answer = collector.people("/api/v1/query", "POST", "query=1%2B1&time=4", {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.body == b'{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}', answer.body
    answer = collector.people("/api/v1/query_range?query=vector(1)&start=0&end=1.5&step=500ms")
    assert answer.body == (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":'
        b'[[0,"1"],[0.500,"1"],[1,"1"],[1.500,"1"]]}]}}'
    ), answer.body
    info = collector.people("/api/v1/status/buildinfo").json()["data"]
    assert tuple(map(int, info["version"].split("."))) >= (2, 42, 0) and "features" not in info
    assert collector.people("/api/v1/query_exemplars?query=up&start=1&end=2").json()["data"] == []
    assert collector.people("/api/v1/label/__name__/values").json()["data"].count("up") == 1
    assert "job" in collector.people("/api/v1/labels").json()["data"]
    assert collector.people("/api/v1/series?match[]=up").json()["data"] == [{"__name__": "up", "instance": "monitor", "job": "collector"}]
    assert collector.people("/api/v1/nothing").body == b"404 page not found\n"
    assert collector.people("/api/v1/nothing").status == 404


def test_errors_have_prometheus_form():
    cases = [
        ("/api/v1/query", 400, "bad_data", 'invalid parameter "query"'),
        ("/api/v1/query?query=up%7B", 400, "bad_data", 'invalid parameter "query"'),
        ("/api/v1/query?query=up&time=never", 400, "bad_data", 'invalid parameter "time": invalid time value for \'time\': cannot parse "never" to a valid timestamp'),
        ("/api/v1/query_range?query=up&start=1&end=0&step=1", 400, "bad_data", 'invalid parameter "end": end timestamp must not be before start time'),
        ("/api/v1/query_range?query=up&start=0&end=1&step=0", 400, "bad_data", 'invalid parameter "step": zero or negative'),
        ("/api/v1/query_range?query=up&start=0&end=11001&step=1", 400, "bad_data", "exceeded maximum resolution of 11,000 points"),
        ("/api/v1/query?query=up+%2B+on(job)+local%2Bup", 422, "execution", None),
        ("/api/v1/series", 400, "bad_data", "no match[] parameter provided"),
        ("/api/v1/query?query=up&limit=x", 400, "bad_data", 'invalid parameter "limit"'),
        ("/api/v1/query?query=%zz", 400, "bad_data", 'invalid parameter "query": unknown position: parse error: no expression found in input'),
    ]
    for path, status, kind, text in cases:
        if kind == "execution":
            body = write_request([({"__name__": "many", "n": str(n)}, [(now_ms(), 1.0)]) for n in range(2)])
            collector.people("/api/v1/write", "POST", body, WRITE_HEADERS)
            path = "/api/v1/query?" + urllib.parse.urlencode({"query": "many + on() many"})
        answer = collector.people(path)
        body = answer.json()
        assert (answer.status, body["status"], body["errorType"]) == (status, "error", kind), (path, answer.body)
        assert text is None or body["error"].startswith(text), (path, body["error"])
    assert collector.people("/api/v1/query_range?query=vector(1)&start=0&end=11000&step=1").status == 200
    assert collector.people("/api/v1/query?query=up", "DELETE").status == 405


def test_large_answers_are_compressed_for_those_who_ask():
    path = "/api/v1/query_range?query=vector(1)&start=0&end=9999&step=1"
    plain = collector.people(path)
    packed = collector.people(path, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 2


def test_admin_socket_answers_without_credentials():
    mode = os.stat(collector.path("admin.sock")).st_mode & 0o777
    assert mode == 0o660, oct(mode)
    done = collector.run("status", "--json")
    assert json.loads(done.stdout)["agents"] == 1, done.stdout
    done = collector.run("agents")
    assert done.returncode == 1 and "web-01  NEVER REPORTED" in done.stdout, done


def test_own_metrics_are_served_and_stored():
    connection = collector.agent(collector.path("web-01.pem"))
    assert connection.write([({"__name__": "up", "job": "node", "instance": "web-01"}, [(now_ms(), 1.0)])]).status in (200, 204)
    connection.close()
    text = collector.people("/metrics").body.decode()
    assert '# TYPE lapwing_collector_series gauge' in text and 'lapwing_agent_last_seen_seconds{host="web-01"}' in text
    [seen] = eventually(lambda: collector.query("lapwing_agent_last_seen_seconds"), 15)
    assert seen["metric"]["host"] == "web-01" and float(seen["value"][1]) >= 0
    assert collector.query('up{job="collector"}')[0]["metric"]["instance"] == "monitor"


def test_configuration_errors_come_all_at_once():
    with open(collector.path("bad.yaml"), "w") as out:
        out.write("retenton: { time: 1d }\nhttp:\n  listen: 0.0.0.0:9765\nagents: { listen: nowhere }\n"
                  "promql: { compat: 4 }\nsite:\n  allow: [ { to: mysql, from: [ 10.0.0.300 ] } ]\n")
    done = subprocess.run([PROGRAM,
                           "check-config", "--config", collector.path("bad.yaml")], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done
    assert all(line.startswith(collector.path("bad.yaml") + ":") for line in lines), lines
    for wanted in ('1:1: unknown key "retenton"; did you mean "retention"?', "http.tls is needed", "http.users_file is needed",
                   '"nowhere" must be ADDRESS:PORT', "promql.compat must be from 2 to 3", "must be an address or a network"):
        assert any(wanted in line for line in lines), (wanted, lines)


def test_a_taken_port_is_named():
    second = Collector()
    try:
        second.write_config(f"http: {{ listen: 127.0.0.1:{collector.people_port} }}\n")
        done = second.run("run")
        assert done.returncode == 2 and "another process listens there already" in done.stderr, done
    finally:
        second.close()


def test_a_directory_that_cannot_be_made_is_named():
    done = subprocess.run([PROGRAM, "run", "--config", "/dev/stdin"],
                          input="data: /proc/nowhere/lapwing.db\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "/proc/nowhere" in done.stderr, done


def test_reload_keeps_what_is_good():
    os.makedirs(collector.path("rules"), exist_ok=True)
    rule = "groups: [ { name: g, rules: [ { alert: Always, expr: vector(1) } ] } ]\n"
    with open(collector.path("rules/one.yml"), "w") as out:
        out.write(rule)
    collector.process.send_signal(1)
    names = lambda: [r["name"] for g in collector.people("/api/v1/rules").json()["data"]["groups"] for r in g["rules"]]
    wait_for(lambda: names() == ["Always"])
    with open(collector.path("rules/one.yml"), "w") as out:
        out.write(rule.replace("vector(1)", "vector("))
    collector.process.send_signal(1)
    wait_for(lambda: "stay in force" in collector.log_text())
    assert names() == ["Always"] and "one.yml:1:" in collector.log_text()


def wait_for(condition):
    import time
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.05)
