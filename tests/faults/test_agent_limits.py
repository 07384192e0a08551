"""The agent runs out of descriptors and of memory, is stopped for a while, and gets an old copy of its data: it goes on, or systemd
starts it again, and the samples in its spool arrive once."""

import os
import random
import resource
import shutil
import signal
import time

import pytest
import results
from harness import LONG

pytestmark = pytest.mark.root
STOPPED_SECONDS = 60 if LONG else 12


@pytest.fixture(autouse=True)
def running(collector):
    collector.start()


def newest_run(collector):
    found = collector.query('timestamp(up{job="node",instance="web-01"})')
    return float(found[0]["value"][1]) if found else 0.0


def wait_for_run(collector, after, seconds=60):
    """Seconds until a run of the probe that began after that time is in the collector."""
    began = time.monotonic()
    while newest_run(collector) <= after:
        assert time.monotonic() - began < seconds, "no run of the probe arrives"
        time.sleep(0.2)
    return time.monotonic() - began


def test_agent_out_of_descriptors(collector, agent):
    rounds = 10 if LONG else 1
    agent.start()
    wait_for_run(collector, 0)
    slowest = 0
    for _ in range(rounds):
        process = agent.process
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        usual = len(os.listdir(f"/proc/{process.pid}/fd"))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (max(usual - random.randrange(4), 3), hard))
        time.sleep(random.uniform(11, 25))
        assert process.poll() is None, agent.log_text()[-2000:]
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        slowest = max(slowest, wait_for_run(collector, time.time()))
    agent.kill()
    agent.start()
    agent.wait_until_sent()
    agent.check()
    results.record("agent", "no descriptor is left", rounds, "every sample in the spool is in the collector, none twice",
                   f"by itself, with a run of the probe at most {slowest:.0f} s later")


def test_agent_out_of_memory(collector, agent):
    rounds = 10 if LONG else 2
    agent.start()
    wait_for_run(collector, 0)
    restarts = 0
    slowest = 0
    for _ in range(rounds):
        process = agent.process
        with open(f"/proc/{process.pid}/statm") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        resource.prlimit(process.pid, resource.RLIMIT_AS, (used + random.randrange(1 << 20), resource.RLIM_INFINITY))
        time.sleep(random.uniform(11, 15))
        if process.poll() is None:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            restarts += 1
            agent.look()
            agent.start()
        slowest = max(slowest, wait_for_run(collector, time.time()))
    agent.wait_until_sent()
    agent.check()
    results.record("agent", "no memory is left (RLIMIT_AS)", rounds, "every sample in the spool is in the collector, none twice",
                   f"with a run of the probe at most {slowest:.0f} s later; by itself {rounds - restarts} times, by a restart {restarts} times")


def test_agent_stopped(collector, agent):
    agent.start()
    wait_for_run(collector, 0)
    agent.process.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)
    agent.process.send_signal(signal.SIGCONT)
    after = wait_for_run(collector, time.time())
    agent.kill()
    agent.start()
    agent.wait_until_sent()
    agent.check()
    results.record("agent", f"SIGSTOP for {STOPPED_SECONDS} s", 1, "every sample in the spool is in the collector, none twice",
                   f"by itself, with a run of the probe {after:.0f} s after SIGCONT")


def test_agent_gets_an_old_spool(collector, agent):
    """An old copy of the data directory holds samples that were sent since: they are sent again, and are there once."""
    collector.kill()
    agent.start()
    time.sleep(13)
    agent.kill()
    old = len(agent.spooled)
    assert old > 0
    shutil.copytree(agent.folder, collector.path("old"))
    collector.start()
    agent.start()
    agent.wait_until_sent()
    agent.kill()
    shutil.rmtree(agent.folder)
    shutil.copytree(collector.path("old"), agent.folder)
    agent.start()
    agent.wait_until_sent()
    assert {reason: count for reason, count in agent.status()["dropped"].items() if count} == {}, agent.status()
    agent.check()
    results.record("agent", "an old copy of the data directory is restored", 1, f"{old} samples that had been delivered are sent again; each is in the collector once",
                   "at its start")
