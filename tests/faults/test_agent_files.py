"""Files of the agent fail: single calls, all calls for a while, a full disk. It goes on measuring and sending from memory, loses
nothing within the bound of that memory, and uses the disk again when the fault ends, without a restart."""

import errno
import os
import random
import subprocess
import time

import pytest
import results
from file_faults import CALLS, FAIL, SHORT_WRITE, FileFaults
from harness import LONG

pytestmark = pytest.mark.root
SECONDS = 60 if LONG else 12
ROUNDS = 150 if LONG else 5


@pytest.fixture(autouse=True)
def running(collector):
    collector.start()


def dropped(agent):
    return {reason: count for reason, count in agent.status()["dropped"].items() if count}


def runs(collector, seconds):
    """The times at which the probe node ran."""
    [series] = collector.query(f'up{{job="node",instance="web-01"}}[{int(seconds) + 60}s]') or [{"values": []}]
    return [float(at) for at, _ in series["values"]]


def check_runs(collector, began):
    """The probe ran every ten seconds since then (and at its start), and every run is in the collector."""
    times = [at for at in runs(collector, time.time() - began) if at >= began]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(times) > (time.time() - began) / 10 - 2 and max(gaps, default=0) < 15, (times, gaps)
    return len(times)


def fault_with_a_backlog(collector, agent, inject, clear):
    """A fault while samples wait in the spool: first without a collector, so that new samples have no other place, then with a
    collector, which takes new samples from memory. Returns the runs of the probe."""
    agent.start()
    process = agent.process
    agent.wait_until_sent()
    began = time.time()
    collector.kill()
    time.sleep(12)  # a run for the spool
    inject()
    time.sleep(SECONDS)
    assert process.poll() is None, agent.log_text()[-2000:]
    collector.start()
    time.sleep(SECONDS)
    assert process.poll() is None, agent.log_text()[-2000:]
    clear()
    agent.wait_until_sent()
    assert process.poll() is None
    assert dropped(agent) == {}, agent.status()
    count = check_runs(collector, began)
    # The disk is in use again: what is written now survives a kill.
    collector.kill()
    time.sleep(12)
    agent.kill()
    assert agent.look() > 0, "nothing is in the spool after the fault"
    collector.start()
    agent.start()
    agent.wait_until_sent()
    agent.check()
    return count


def test_agent_single_calls_fail(collector, agent):
    faults = FileFaults(agent.folder, collector.path("faults"))
    agent.environment = faults.environment
    agent.start()
    process = agent.process
    agent.wait_until_sent()
    began = time.time()
    met_before = faults.faults()
    for turn in range(ROUNDS):
        # The agent writes every ten seconds.
        calls = CALLS if turn % 2 == 0 else ("write", "sync")
        faults.arm(calls, random.randrange(4), random.choice((FAIL, SHORT_WRITE)), random.choice((errno.EIO, errno.ENOSPC)), random.choice((1, 1, 3, 20)))
        before, until = faults.faults(), time.monotonic() + 11
        while faults.faults() == before and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.2)
        faults.disarm()
        assert process.poll() is None, agent.log_text()[-2000:]
    met = faults.faults() - met_before
    assert met >= ROUNDS / 2, f"only {met} calls failed"
    agent.wait_until_sent()
    assert dropped(agent) == {}, agent.status()
    count = check_runs(collector, began)
    results.record("agent", "one to twenty writes, fsyncs, truncations, openings or removals fail with EIO or ENOSPC", f"{met} calls in {ROUNDS} rounds",
                   f"{count} runs of the probe, all in the collector, none twice", "by itself, at the next write")


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
def test_agent_all_writes_fail(collector, agent, error):
    faults = FileFaults(agent.folder, collector.path("faults"))
    agent.environment = faults.environment
    calls = ("write", "sync", "truncate", "open", "unlink", "rename") + (("read",) if error == "EIO" else ())
    count = fault_with_a_backlog(collector, agent, lambda: faults.arm(calls, 0, FAIL, getattr(errno, error), -1), faults.disarm)
    results.record("agent", f"every {'access to' if error == 'EIO' else 'change of'} its files fails with {error} for {2 * SECONDS} s, with a backlog, without and with the collector", "1",
                   f"{count} runs of the probe, all in the collector, none twice", "by itself, at the next write")


def test_agent_disk_full(collector, agent):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", agent.folder], check=True)
    filler = os.path.join(agent.folder, "filler")
    try:
        count = fault_with_a_backlog(
            collector, agent, lambda: subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], stderr=subprocess.DEVNULL),
            lambda: os.remove(filler))
    finally:
        agent.close()
        subprocess.run(["umount", agent.folder], check=True)
    results.record("agent", f"the disk is full for {2 * SECONDS} s, with a backlog, without and with the collector", "1", f"{count} runs of the probe, all in the collector, none twice",
                   "by itself, at the next write")
