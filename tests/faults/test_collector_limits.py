"""The collector runs out of descriptors and of memory, is stopped for a while, and gets an old backup of its data: it goes on, or
systemd starts it again, and nothing that it acknowledged is lost."""

import http.client
import os
import random
import resource
import shutil
import signal
import socket
import threading
import time

import pytest
import results
from harness import LONG, Collector, now_ms
from writers import Writers

pytestmark = pytest.mark.root
STOPPED_SECONDS = 60 if LONG else 8


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def lacked_descriptors(collector):
    """How often the listener for people had no descriptor for a connection."""
    text = collector.people("/metrics").body.decode()
    [line] = [each for each in text.splitlines()
              if each.startswith('lapwing_collector_connections_limited_total{listener="people",limit="descriptors"}')]
    return float(line.split()[-1])


def test_collector_out_of_descriptors(collector):
    collector.start()
    process = collector.process
    writers = Writers(collector)
    rounds = 20 if LONG else 3
    slowest = 0
    with writers:
        for _ in range(rounds):
            writers.wait_for_acknowledgement()
            before = lacked_descriptors(collector)
            usual = descriptors(process)
            soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (usual + random.randrange(4), hard))
            idle = []
            for _ in range(30):  # clients that take each descriptor that is left
                idle.append(socket.create_connection(("127.0.0.1", collector.people_port), 5))
            time.sleep(random.uniform(0.5, 2))
            assert process.poll() is None, collector.log_text()[-2000:]
            for client in idle:
                client.close()
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            slowest = max(slowest, writers.wait_for_acknowledgement())
            assert lacked_descriptors(collector) > before, "there were descriptors enough"
    writers.check()
    results.record("collector", "no descriptor is left", rounds, f"{results.number(writers.checked)} acknowledged samples, none lost, none twice",
                   f"by itself, after at most {slowest:.1f} s")


def supervise(collector, done):
    """Starts the collector again when it ends, as systemd does. Returns a list to which each end is added."""
    ends = []

    def watch():
        while not done.is_set():
            if collector.process.poll() is not None:
                ends.append(collector.process.returncode)
                collector.log.close()
                collector.launch()
            time.sleep(0.1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return ends, thread


def ask_until_refused(collector):
    """Many large queries at once, until several were refused or got no answer. Returns how many."""
    until = time.monotonic() + 10
    refused = []

    def ask():
        while time.monotonic() < until and len(refused) < 10:
            try:
                if collector.people("/api/v1/query?query=counted[1h]").status == 200:
                    continue
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            refused.append(1)

    clients = [threading.Thread(target=ask) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return len(refused)


def test_collector_out_of_memory(collector):
    """The address space is bounded, and queries, threads and writes ask for more."""
    collector.start()
    writers = Writers(collector)
    rounds = 30 if LONG else 4
    slowest = refused = 0
    done = threading.Event()
    ends, watcher = supervise(collector, done)
    try:
        with writers:
            for _ in range(rounds):
                writers.wait_for_acknowledgement()
                pid = collector.process.pid
                with open(f"/proc/{pid}/statm") as statm:
                    used = int(statm.read().split()[0]) * resource.getpagesize()
                try:
                    resource.prlimit(pid, resource.RLIMIT_AS, (used + random.randrange(1 << 20), resource.RLIM_INFINITY))
                except ProcessLookupError:
                    continue
                refused += ask_until_refused(collector)
                try:
                    resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                except ProcessLookupError:
                    pass
                slowest = max(slowest, writers.wait_for_acknowledgement())
    finally:
        done.set()
        watcher.join()
    collector.wait_until_ready()
    assert refused > 0, "there was memory enough"
    writers.check()
    results.record("collector", "no memory is left (RLIMIT_AS)", rounds, f"{results.number(writers.checked)} acknowledged samples, none lost, none twice",
                   f"after at most {slowest:.1f} s; {rounds - len(ends)} times by itself, {len(ends)} times by a restart")


def test_collector_stopped(collector):
    collector.start()
    writers = Writers(collector)
    rounds = 3 if LONG else 1
    slowest = 0
    with writers:
        for _ in range(rounds):
            writers.wait_for_acknowledgement()
            collector.process.send_signal(signal.SIGSTOP)
            time.sleep(STOPPED_SECONDS)
            collector.process.send_signal(signal.SIGCONT)
            slowest = max(slowest, writers.wait_for_acknowledgement())
    writers.check()
    results.record("collector", f"SIGSTOP for {STOPPED_SECONDS} s", rounds, f"{results.number(writers.checked)} acknowledged samples, none lost, none twice",
                   f"by itself, {slowest:.1f} s after SIGCONT")


def test_collector_gets_an_old_backup(collector):
    """All samples up to the backup are there, later samples are gone, and agents that send them again fill the gap."""
    collector.start()
    writers = Writers(collector)
    with writers:
        writers.wait_for_acknowledgement()
        time.sleep(2)
    done = collector.run("backup", collector.path("copy.db"))
    assert done.returncode == 0, done.stderr
    writers.check()
    before = writers.writers
    later = [(now_ms() + i, float(i)) for i in range(100)]
    series = [({"__name__": "later", "instance": "web-01"}, later)]
    assert collector.agent(writers.bundles["web-01"]).write(series).status == 204
    collector.kill()
    for name in os.listdir(collector.path("data")):
        if name.startswith("lapwing.db"):
            os.remove(collector.path("data/" + name))
    shutil.copy(collector.path("copy.db"), collector.path("data/lapwing.db"))
    collector.start()
    writers.writers = before
    writers.checked = 0
    writers.check()
    assert collector.query("count_over_time(later[10m])") == []
    connection = collector.agent(writers.bundles["web-01"])
    for _ in range(3):  # the agent's spool was restored, too: it sends some samples again
        assert connection.write(series).status == 204
    assert [float(r["value"][1]) for r in collector.query("count_over_time(later[10m])", at=later[-1][0] / 1000)] == [100.0]
    with writers:
        writers.wait_for_acknowledgement()
    writers.check()
    results.record("collector", "an old backup is restored", 1, f"{results.number(writers.checked)} samples acknowledged before the backup or after the restore, none lost, none twice",
                   "at its start")
