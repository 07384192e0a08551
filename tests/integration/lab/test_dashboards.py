"""Every query of the Grafana dashboards finds data on the lab: in the collector, and in a Prometheus and a VictoriaMetrics to which it
forwards. A panel that shows faults alone finds them during faults."""

import contextlib
import json
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from lab import api, collector_with, fault, until

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "integration/collector")]
import boards  # noqa: E402
import destinations  # noqa: E402

MACHINE = "10.77.0.1"  # as the lab's hosts see it
RANGE_S = 300
PATIENCE_S = 150

# Panels, or single queries of them, that are empty while nothing is wrong, or on a site like the lab.
EMPTY = {
    "lapwing-replication: Even in": "no replica catches up",
    "lapwing-replication: What to do": "no replica needs a hand",
    "lapwing-replication: Applier blocked": "no applier is blocked",
    "lapwing-replication: Errors of the threads": "no thread has an error",
    "lapwing-replication: Why a thread waits": "no thread waits",
    "lapwing-balancer: Who holds the moving address": "one balancer has no moving address",
    "lapwing-web: Certificate ends in": "the lab's site has no https",
    "lapwing-web: Why requests fail": "no request fails",
    "lapwing-web: The slowest tenth A": "the lab's access log lacks $request_time",
    "lapwing-web: The slowest tenth B": "the lab's access log lacks $upstream_response_time",
    "lapwing-web: Answers of the upstream servers": "the lab's access log lacks $upstream_status",
    "lapwing-database: Statements that cannot finish": "no statement waits",
    "lapwing-database: Why the server refuses the agent": "no server refuses the agent",
    "lapwing-host: Time of a disk access A": "the lab's files are in memory: nothing need be read",
    "lapwing-host: Disks that arrays lack A": "the machine may have no array",
    "lapwing-host: Disks that arrays lack B": "the machine may have no bond",
    "lapwing-exposure: Rules that are not understood": "the lab has no such rule",
    "lapwing-exposure: ssh accepts passwords": "the lab has no sshd",
    "lapwing-self: Why probes fail": "no probe fails",
}
# The panels among them that the faults below fill.
FILLED = ["lapwing-replication: What to do", "lapwing-replication: Applier blocked", "lapwing-web: Why requests fail",
          "lapwing-self: Why probes fail"]


def over_http(request):
    """A function as lab.api() of another server."""
    def get(path):
        answer = request("GET", path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body[:300]!r}"
        return json.loads(answer.body)
    return get


def for_the_lab(kind):
    """A destination that hosts of the lab reach."""
    class Reached(kind):
        def command(self):
            return [word.replace("127.0.0.1:", "0.0.0.0:") for word in super().command()]
    return Reached()


@pytest.fixture(scope="module")
def servers():
    """{name: api} of the collector, and of the servers to which it forwards during these tests."""
    made = {"prometheus": for_the_lab(destinations.Prometheus), "victoria-metrics": for_the_lab(destinations.VictoriaMetrics)}
    with contextlib.ExitStack() as stack:
        for server in made.values():
            server.start()
            stack.callback(server.close)
        forward = "".join(f"  - {{ name: {name}, url: 'http://{MACHINE}:{server.port}{server.write_path}' }}\n" for name, server in made.items())
        stack.enter_context(collector_with("\nnotify:", f"\nforward:\n{forward}notify:"))
        until(lambda: data(api, "/api/v1/query", query="1"), 30, "the collector with the new configuration")
        yield {"collector": api, **{name: over_http(server.request) for name, server in made.items()}}


def data(server, path, **parameters):
    return server(path + "?" + urllib.parse.urlencode(parameters))["data"]


def hosts(server):
    """What Grafana puts for the chosen hosts if all of them are chosen one by one."""
    names = data(server, "/api/v1/label/instance/values", **{"match[]": "up"})
    assert names, "no host"
    return {"instance": "(" + "|".join(name.replace(".", "\\\\.") for name in names) + ")"}


def found(server, target, values):
    """The series that the query yields, without those that have no value."""
    expression = boards.substituted(target["expr"], values)
    now = time.time()
    if target["instant"]:
        return data(server, "/api/v1/query", query=expression, time=f"{now:.3f}")["result"]
    return [series for series in data(server, "/api/v1/query_range", query=expression, start=f"{now - RANGE_S:.3f}", end=f"{now:.3f}",
                                      step=boards.STEP_S)["result"] if series["values"]]


def named():
    """{name: target}: `UID: TITLE`, with the letter of the query where a panel has several."""
    out = {}
    for dashboard in boards.DASHBOARDS:
        for panel in dashboard["panels"]:
            name = f"{dashboard['uid']}: {panel['title']}"
            for target in panel["targets"]:
                out[name if len(panel["targets"]) == 1 else f"{name} {target['refId']}"] = target
    return out


def test_the_table_names_queries():
    assert EMPTY.keys() <= named().keys(), EMPTY.keys() - named().keys()
    assert set(FILLED) <= EMPTY.keys()


@pytest.mark.parametrize("name", ["collector", "prometheus", "victoria-metrics"])
def test_each_query_finds_data(servers, name):
    server, waiting = servers[name], named()
    for empty in EMPTY:
        found(server, waiting.pop(empty), {"instance": ".*"})  # answered, with or without data

    def all_found():
        values = hosts(server)
        for each in [each for each, target in waiting.items() if found(server, target, values)]:
            del waiting[each]
        assert not waiting, "empty: " + ", ".join(f"{each}: {target['expr']}" for each, target in waiting.items())
        return True
    until(all_found, PATIENCE_S, f"data for each query in the {name}")


@pytest.mark.parametrize("name", ["collector", "prometheus", "victoria-metrics"])
def test_each_mark_is_answered(servers, name):
    """The lab may have nothing to mark, so an empty answer is right."""
    for dashboard in boards.DASHBOARDS:
        for mark in dashboard["annotations"]["list"]:
            found(servers[name], {"expr": mark["expr"], "instant": False}, {})


def test_panels_of_faults_find_them(servers):
    queries = named()

    def values(name):
        return found(servers["collector"], queries[name], {"instance": ".*"})

    def filled():
        empty = [name for name in FILLED if not values(name)]
        assert not empty, f"empty: {empty}"
        servers_now = values("lapwing-balancer: Servers behind the load balancer")
        states = {series["metric"]["server"]: float(series["values"][-1][1]) for series in servers_now}
        assert states["web-02"] == 0, states
        causes = {series["metric"]["cause"] for series in values("lapwing-replication: Replica lag")}
        assert causes and "healthy" not in causes, causes
        rows = {(row["metric"]["alertname"], row["metric"].get("instance")) for row in values("lapwing-overview: Alerts firing now")}
        assert {("NginxDown", "web-02"), ("AppDown", "web-02")} <= rows, rows
        return True

    with fault("applier-blocked"), fault("app-down"), fault("nginx-stopped"):
        until(filled, 120, "the faults in the panels")
