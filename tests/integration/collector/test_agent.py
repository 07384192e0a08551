"""A real agent and a real collector: the observed services are targets, and the metrics have descriptions."""


import pytest
from harness import Collector
from reference import eventually

collector = Collector()


def get(path):
    answer = collector.people("/api/v1/" + path)
    assert answer.status == 200, (answer.status, answer.body)
    return answer.json()["data"]


@pytest.fixture(scope="module", autouse=True)
def running():
    agent = None
    try:
        collector.start()
        agent = collector.start_agent("web-01", {"node": "on"})
        yield
    finally:
        if agent:
            agent.terminate()
            agent.wait(20)
        collector.close()


def test_the_agents_metrics_are_described():
    eventually(lambda: get("metadata?metric=node_cpu_seconds_total"))
    said = get("metadata?metric=node_cpu_seconds_total")["node_cpu_seconds_total"]
    assert [entry["type"] for entry in said] == ["counter"] and said[0]["help"], said
    assert get("metadata?metric=lapwing_agent_info")["lapwing_agent_info"][0]["type"] == "gauge"


def test_what_it_observes_is_a_target():
    def observed():
        return {target["scrapePool"]: target for target in get("targets")["activeTargets"]
                if target["labels"].get("agent") == "web-01" and target["scrapeInterval"]}

    eventually(lambda: {"agent", "node"} <= set(observed()))
    node = observed()["node"]
    assert node["health"] == "up" and node["labels"] == {"agent": "web-01", "instance": "web-01", "job": "node"}, node
    assert node["scrapeUrl"] == "lapwing-agent://web-01/node" and node["lastScrapeDuration"] > 0, node
    metadata = get("targets/metadata?metric=node_load1")
    assert [entry["target"]["job"] for entry in metadata] == ["node"], metadata


def test_a_restarted_collector_still_knows():
    collector.stop()
    collector.start()
    assert get("metadata?metric=node_load1")
