"""A damaged database: the collector starts with everything readable, tells what is lost, and goes on."""

import glob
import os
import random
import sqlite3
import time

import pytest
from harness import Collector, now_ms

PAGE = 4096
collector = Collector()
bundle = None


@pytest.fixture(scope="module", autouse=True)
def running():
    global bundle
    try:
        bundle = collector.enrol("web-01")
        collector.start()
        yield
    finally:
        collector.close()


def database():
    return collector.path("data/lapwing.db")


def write(count, at):
    series = [({"__name__": "kept", "instance": "web-01", "job": "t", "i": str(i)}, [(at, float(i))]) for i in range(count)]
    assert collector.agent(bundle).write(series).status == 204


def fold_log():
    """Copies the write-ahead log into the file, so that damage of the file is read."""
    connection = sqlite3.connect(database())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def roots():
    connection = sqlite3.connect(database())
    found = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema"))
    connection.close()
    return found


def flip(page, count, seed):
    chance = random.Random(seed)
    with open(database(), "r+b") as file:
        for _ in range(count):
            at = (page - 1) * PAGE + chance.randrange(PAGE)
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ chance.randrange(1, 256)]))


def aside():
    return [path for path in glob.glob(database() + ".damaged-*") if not path.endswith(("-wal", "-shm"))]


def test_sixteen_bytes_in_three_pages():
    at = now_ms()
    write(500, at)
    collector.stop()
    fold_log()
    pages = [1, roots()["series"], roots()["states"]]
    for number, page in enumerate(pages):
        flip(page, 16, number)
    with open(database(), "rb") as file:
        damaged = file.read()
    done = collector.run("check")
    assert done.returncode == 1 and "is damaged" in done.stdout, done
    copy = collector.path("copy.db")
    done = collector.run("check", "--salvage", copy)
    assert done.returncode in (0, 1) and os.path.exists(copy), done
    collector.start()
    assert len(aside()) == 1
    with open(aside()[0], "rb") as file:
        assert file.read() == damaged, "the damaged file has been changed"
    assert "the database was damaged and is rebuilt" in collector.log_text()
    found = collector.query("kept", at=at / 1000)
    assert len(found) > 400, len(found)
    assert all(float(each["value"][1]) == int(each["metric"]["i"]) for each in found)
    write(500, now_ms())
    assert len(collector.query("kept", at=now_ms() / 1000)) == 500


def test_it_is_told_until_the_damaged_file_is_removed():
    deadline = time.monotonic() + 60
    while not collector.query("lapwing_collector_salvaged_timestamp_seconds"):
        assert time.monotonic() < deadline, collector.log_text()
        time.sleep(0.5)
    told = collector.query("lapwing_collector_salvaged_timestamp_seconds")[0]["metric"]
    assert told["file"] == aside()[0] and told["lost"] != "", told
    done = collector.run("status")
    assert "was damaged and rebuilt" in done.stdout and aside()[0] in done.stdout, done
    os.remove(aside()[0])
    while b"lapwing_collector_salvaged_timestamp_seconds{" in collector.people("/metrics").body:
        assert time.monotonic() < deadline + 60
        time.sleep(0.5)
    done = collector.run("check")
    assert done.returncode == 0 and "fine" in done.stdout, done


def test_damage_that_is_met_later_leads_to_another_start():
    """The collector marks the database when SQLite meets damage. Here the mark is false: everything is found well."""
    pid = collector.process.pid
    with open(database() + ".check", "w"):
        pass
    deadline = time.monotonic() + 60
    while os.path.exists(database() + ".check"):
        assert time.monotonic() < deadline, collector.log_text()
        time.sleep(0.2)
    collector.wait_until_ready()
    assert "starting again, to rebuild the damaged database" in collector.log_text()
    assert collector.process.pid == pid and not aside()
    write(500, now_ms())


def test_a_database_that_is_another_programs_is_refused_in_one_line():
    collector.stop()
    os.rename(database(), collector.path("data/kept.db"))
    for name in ("-wal", "-shm"):
        if os.path.exists(database() + name):
            os.remove(database() + name)
    with open(database(), "w") as file:
        file.write("These are my notes.\n" * 1000)
    collector.launch()
    assert collector.process.wait(60) == 2
    assert "is not a SQLite database" in collector.log_text() and "--salvage" in collector.log_text()
    with open(database()) as file:
        assert file.read() == "These are my notes.\n" * 1000
    os.replace(collector.path("data/kept.db"), database())
    collector.log.close()
    collector.start()
