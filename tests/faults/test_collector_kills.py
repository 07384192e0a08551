"""The collector is killed with kill -9, at random moments and at chosen calls to its files, while agents write: it starts
again by itself, every acknowledged sample is there, and no sample is there twice."""

import random
import sqlite3
import subprocess
import time

import pytest
import results
from file_faults import KILL_AFTER, KILL_BEFORE, KILL_WITHIN, FileFaults
from harness import LONG
from writers import SAMPLES, SERIES, Writers

pytestmark = pytest.mark.root
ROUNDS = 500 if LONG else 12
ROUNDS_BETWEEN_CHECKS = 25


def in_rounds(collector, kill_once):
    """Calls kill_once(round) for each round, and checks every few rounds. Returns (acknowledged samples, slowest start)."""
    writers = Writers(collector)
    slowest = 0
    done = 0
    while done < ROUNDS:
        with writers:
            for _ in range(min(ROUNDS_BETWEEN_CHECKS, ROUNDS - done)):
                kill_once(done)
                done += 1
            begin = time.monotonic()
            collector.start()
            slowest = max(slowest, time.monotonic() - begin)
            writers.wait_for_acknowledgement()
        writers.check()
        collector.kill()
        # However often it is killed, a start replays about half a million samples at most.
        with sqlite3.connect(collector.path("data/lapwing.db")) as database:
            [(entries,)] = database.execute("SELECT count(*) FROM log").fetchall()
        assert entries * SERIES * SAMPLES < 3_000_000, f"{entries} batches are not compacted"
    assert writers.checked > 0
    return writers.checked, slowest


def test_collector_killed_at_random_moments(collector):
    def kill_once(_):
        collector.start()
        time.sleep(random.uniform(0, 0.5))
        collector.kill()

    samples, slowest = in_rounds(collector, kill_once)
    results.record("collector", "kill -9 at a random moment", ROUNDS, f"{results.number(samples)} acknowledged samples, none lost, none twice",
                   f"ready at most {slowest:.1f} s after each start")


def test_collector_killed_at_a_call_to_its_files(collector):
    faults = FileFaults(collector.path("data"), collector.path("faults"))
    collector.environment = faults.environment
    met = 0
    # Calls of a quiet start and of half a second of writes: the moments to choose from.
    choices = (("write", 400), ("write", 20), ("sync", 12), ("truncate", 2), ("open", 6), ("unlink", 2), ("write", 2000), ("read", 100))

    def kill_once(turn):
        nonlocal met
        call, most = choices[turn % len(choices)]
        action = (KILL_BEFORE, KILL_WITHIN, KILL_AFTER)[turn // len(choices) % 3]
        at_start = random.random() < 0.4
        if at_start:
            faults.arm((call,), random.randrange(most), action)
        try:
            collector.start()
            if not at_start:
                faults.arm((call,), random.randrange(most), action)
            collector.process.wait(0.7)
        except subprocess.TimeoutExpired:
            faults.disarm()
            collector.kill()
            return
        except AssertionError:  # it did not get ready, because it was killed
            assert collector.process.poll() is not None
        faults.disarm()
        assert collector.process.returncode == -9, (collector.process.returncode, collector.log_text())
        collector.log.close()
        met += 1

    samples, slowest = in_rounds(collector, kill_once)
    assert met > ROUNDS / 4, f"only {met} of {ROUNDS} kills met their call"
    results.record("collector", "kill -9 before, within or after a write, fsync, truncation, opening or removal", f"{met} of {ROUNDS} (the others at random moments)",
                   f"{results.number(samples)} acknowledged samples, none lost, none twice", f"ready at most {slowest:.1f} s after each start")
