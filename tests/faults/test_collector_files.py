"""Files of the collector fail: single calls, all calls for a while, a full disk, a disk that turns read-only. It refuses writes as
long as it cannot keep them, goes on by itself when the fault ends, and loses nothing that it acknowledged."""

import errno
import os
import random
import subprocess
import time

import pytest
import results
from file_faults import CALLS, FAIL, SHORT_WRITE, FileFaults
from harness import LONG
from writers import Writers

pytestmark = pytest.mark.root
ROUNDS = 400 if LONG else 30
SECONDS = 20 if LONG else 3


@pytest.fixture
def small_disk(collector):
    """The collector's data on a file system of their own, of 24 MB."""
    data = collector.path("data")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0755", "tmpfs", data], check=True)
    try:
        yield data
    finally:
        collector.kill()
        subprocess.run(["umount", data], check=True)


def still_there(collector, process):
    assert process.poll() is None, f"the collector ended: {collector.log_text()[-2000:]}"


def test_collector_single_calls_fail(collector):
    faults = FileFaults(collector.path("data"), collector.path("faults"))
    collector.environment = faults.environment
    collector.start()
    process = collector.process
    slowest = 0
    writers = Writers(collector)
    with writers:
        writers.wait_for_acknowledgement()
        for turn in range(ROUNDS):
            call = CALLS[turn % len(CALLS)]
            error = (errno.EIO, errno.ENOSPC)[turn // len(CALLS) % 2]
            action = random.choice((FAIL, SHORT_WRITE))
            faults.arm((call,), random.randrange(30) if call in ("write", "sync") else 0, action, error, random.choice((1, 1, 3, 20)))
            time.sleep(0.15)
            faults.disarm()
            slowest = max(slowest, writers.wait_for_acknowledgement())
            still_there(collector, process)
    met = faults.faults()
    assert met > ROUNDS / 4, f"only {met} calls failed"
    writers.check()
    collector.kill()
    collector.start()
    writers.checked = 0
    writers.check()
    results.record("collector", "one to twenty writes, fsyncs, truncations, openings or removals fail with EIO or ENOSPC", f"{met} calls in {ROUNDS} rounds",
                   f"{results.number(writers.checked)} acknowledged samples, none lost, none twice, also after kill -9", f"by itself, after at most {slowest:.1f} s")


@pytest.mark.parametrize("calls, error", [(("write", "sync", "truncate", "open"), "EIO"), (("write", "sync", "truncate", "open"), "ENOSPC"),
                                          (("sync",), "EIO"), (("read", "write", "sync", "truncate", "open"), "EIO")], ids=["EIO", "ENOSPC", "sync", "reads"])
def test_collector_calls_fail_for_a_while(collector, calls, error):
    faults = FileFaults(collector.path("data"), collector.path("faults"))
    collector.environment = faults.environment
    collector.start()
    process = collector.process
    writers = Writers(collector)
    with writers:
        writers.wait_for_acknowledgement()
        faults.arm(calls, 0, FAIL, getattr(errno, error), -1)
        time.sleep(2)  # a batch may be acknowledged until the next fsync fails, half a second later
        before = writers.count()
        time.sleep(SECONDS)
        assert writers.count() == before, "samples are acknowledged that cannot be on the disk"
        refused = {status: count for status, count in writers.answers().items() if status not in (204, "nothing")}
        # SQLite calls a failed read damage, which is 500. Agents keep their samples after both.
        assert set(refused) <= ({500, 503} if "read" in calls else {503}) and refused, writers.answers()
        assert collector.people("/api/v1/query?query=count(counted)").status in ((200, 422, 500, 503) if "read" in calls else (200,))
        still_there(collector, process)
        faults.disarm()
        after = writers.wait_for_acknowledgement()
    writers.check()
    results.record("collector", f"every {' and '.join(calls)} fails with {error} for {SECONDS} s", "1",
                   f"{results.number(writers.checked)} acknowledged samples, none lost, none twice; writes are answered 503{'' if 'read' in calls else ', queries 200'}",
                   f"by itself, after {after:.1f} s")


def test_collector_disk_full(collector, small_disk):
    collector.start()
    process = collector.process
    writers = Writers(collector)
    filler = os.path.join(small_disk, "filler")
    slowest = 0
    rounds = 20 if LONG else 3
    with writers:
        for _ in range(rounds):
            writers.wait_for_acknowledgement()
            subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 60
            while 503 not in writers.answers() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert 503 in writers.answers(), writers.answers()
            assert collector.people("/api/v1/query?query=count(counted)").status == 200
            time.sleep(random.uniform(0, 1))
            still_there(collector, process)
            os.remove(filler)
            slowest = max(slowest, writers.wait_for_acknowledgement())
    writers.check()
    collector.kill()
    collector.start()
    writers.checked = 0
    writers.check()
    results.record("collector", "the disk is full", rounds, f"{results.number(writers.checked)} acknowledged samples, none lost, none twice, also after kill -9; writes are answered 503, queries 200",
                   f"by itself, at most {slowest:.1f} s after there was room")


def test_collector_file_system_read_only(collector, small_disk):
    collector.start()
    process = collector.process
    writers = Writers(collector)
    faults = FileFaults(small_disk, collector.path("faults"))
    collector.kill()
    collector.environment = faults.environment
    collector.start()
    process = collector.process
    with writers:
        writers.wait_for_acknowledgement()
        # A file system that turns read-only under open files, as ext4 does after an error: the kernel answers EROFS.
        faults.arm(("write", "truncate", "open", "unlink", "rename"), 0, FAIL, errno.EROFS, -1)
        time.sleep(0.5)
        before = writers.count()
        time.sleep(SECONDS)
        assert writers.count() == before
        still_there(collector, process)
        faults.disarm()
        after = writers.wait_for_acknowledgement()
        # And a restart on a file system that is read-only says so.
        collector.kill()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        try:
            collector.launch()
            assert collector.process.wait(30) != 0
            said = collector.log_text().splitlines()[-1].lower()
            assert "read" in said and "only" in said, said
        finally:
            subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        collector.start()
        writers.wait_for_acknowledgement()
    writers.check()
    results.record("collector", f"the file system turns read-only for {SECONDS} s, and is read-only at a start", "1 each",
                   f"{results.number(writers.checked)} acknowledged samples, none lost, none twice; the start says why it fails",
                   f"by itself, after {after:.1f} s; systemd starts it again")
