"""An outage of the collector costs no sample. An agent that starts meanwhile delivers each sample afterwards, once."""

import json
import time

from lab import every_second_once, inside, note, svc, until, value

AWAY = 45


def refused():
    return value("sum(lapwing_collector_samples_refused_total)") or 0


def test_an_agent_started_while_the_collector_is_down_delivers_everything_once(fault):
    before = refused()
    svc("web-02", "agent", "stop")
    with fault("collector-down"):
        svc("web-02", "agent", "start")
        started = until(lambda: inside("web-02", "lapwing-agent", "status", check=False).stdout and time.time(), 10,
                        "the agent's status")
        time.sleep(AWAY)
        status = json.loads(inside("web-02", "lapwing-agent", "status", "--json", check=False).stdout)
        note(f"while the collector is down, its agent says: {json.dumps(status)[:200]}")
        back = time.time()
    until(lambda: value('lapwing_agent_spool_samples{instance="web-02"} < 1000'), 60, "the spool is delivered")
    count = until(lambda: every_second_once("web-02", started + 1, back), 30, "every second while it was away")
    note(f"{count} samples of {back - started:.0f} s, each once")
    assert (value('sum(lapwing_agent_samples_dropped_total{instance="web-02"})') or 0) == 0
    assert refused() <= before, "the collector refused samples"


def test_the_network_cut_for_a_while_loses_nothing(fault):
    since = time.time()
    with fault("network-cut"):
        time.sleep(AWAY)
    back = time.time()
    until(lambda: every_second_once("web-02", since, back), 90, "every second while the network was cut")
