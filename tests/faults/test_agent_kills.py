"""The agent is killed with kill -9, at random moments and at chosen calls to its files, with and without a collector: every sample
in its spool arrives, once."""

import random
import subprocess
import time

import pytest
import results
from file_faults import KILL_AFTER, KILL_BEFORE, KILL_WITHIN, FileFaults
from harness import LONG

pytestmark = pytest.mark.root
ROUNDS = 500 if LONG else 12
ROUNDS_BETWEEN_CHECKS = 50 if LONG else 12


def in_rounds(collector, agent, kill_once):
    """Calls kill_once(round) for each round: the first half of them without a collector. Returns how many samples arrived."""
    checked = 0
    done = 0
    while done < ROUNDS:
        agent.spooled = {}
        turns = min(ROUNDS_BETWEEN_CHECKS, ROUNDS - done)
        for turn in range(turns):
            if turn == turns // 2:
                collector.start()
            kill_once(done)
            agent.look()
            done += 1
        agent.start()
        agent.wait_until_sent()
        agent.kill()
        checked += agent.check()
        collector.kill()
    assert checked > ROUNDS * 10, f"only {checked} samples were in the spool"
    return checked


def test_agent_killed_at_random_moments(collector, agent):
    def kill_once(_):
        agent.start()
        time.sleep(random.uniform(0.1, 2.2))
        agent.kill()

    samples = in_rounds(collector, agent, kill_once)
    results.record("agent", "kill -9 at a random moment, with and without the collector", ROUNDS,
                   f"{results.number(samples)} samples in the spool at a kill, all in the collector, none twice", "by its next start")


def test_agent_killed_at_a_call_to_its_files(collector, agent):
    faults = FileFaults(agent.folder, collector.path("faults"))
    agent.environment = faults.environment
    met = 0
    choices = (("write", 30), ("sync", 4), ("write", 8), ("truncate", 2), ("open", 3), ("unlink", 1), ("write", 60))

    def kill_once(turn):
        nonlocal met
        call, most = choices[turn % len(choices)]
        action = (KILL_BEFORE, KILL_WITHIN, KILL_AFTER)[turn // len(choices) % 3]
        faults.arm((call,), random.randrange(most), action)
        agent.start()
        try:
            agent.process.wait(2.2)
            assert agent.process.returncode == -9, (agent.process.returncode, agent.log_text()[-2000:])
            met += 1
        except subprocess.TimeoutExpired:
            agent.kill()
        faults.disarm()

    samples = in_rounds(collector, agent, kill_once)
    assert met > ROUNDS / 4, f"only {met} of {ROUNDS} kills met their call"
    results.record("agent", "kill -9 before, within or after a write, fsync, truncation, opening or removal", f"{met} of {ROUNDS} (the others at random moments)",
                   f"{results.number(samples)} samples in the spool at a kill, all in the collector, none twice", "by its next start")
