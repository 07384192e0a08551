"""The store from outside: deletion through the admin socket, copies of the database while it is written, limits."""

import http.client
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import threading
import urllib.parse

import pytest
from harness import PROGRAM, WRITE_HEADERS, Answer, Collector, now_ms, write_request

collector = Collector("ingest: { local: true, max_series: 1000 }\nretention: { time: none, size: 100MB }\n")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def admin(path, method="POST", body=None, headers=None):
    connection = UnixConnection(collector.path("admin.sock"))
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def write(series, to=collector):
    return to.people("/api/v1/write", "POST", write_request(series), WRITE_HEADERS)


def count(name, to=collector):
    answer = to.people("/api/v1/query?" + urllib.parse.urlencode({"query": f"count_over_time({name}[1h])"}))
    return {r["metric"].get("i", ""): int(r["value"][1]) for r in answer.json()["data"]["result"]}


def some(name, now=None):
    now = now or now_ms()
    return [({"__name__": name, "i": str(i)}, [(now - s * 1000, s) for s in range(100, 0, -1)]) for i in range(3)]


@pytest.fixture(scope="module", autouse=True)
def running():
    try:
        collector.start()
        yield
    finally:
        collector.close()


def test_series_are_deleted_through_the_admin_socket():
    now = now_ms()
    assert write(some("d", now)).status == 204
    selector = urllib.parse.quote('d{i="1"}')
    answer = admin(f"/api/v1/admin/tsdb/delete_series?match[]={selector}&start={now / 1000 - 50}")
    assert (answer.status, answer.body) == (204, b""), answer.body
    assert count("d") == {"0": 100, "1": 50, "2": 100}, count("d")
    form = urllib.parse.urlencode([("match[]", 'd{i="1"}'), ("match[]", 'd{i="2"}')])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert admin("/api/v1/admin/tsdb/delete_series", "PUT", form, headers).status == 204
    assert count("d") == {"0": 100}
    assert admin("/api/v1/admin/tsdb/clean_tombstones").status == 204
    collector.kill()
    collector.start()
    assert count("d") == {"0": 100}


def test_wrong_deletions_are_refused_and_delete_nothing():
    for query, word in (("", "no match[]"), ("match[]=%7B", "match[]"), ("match[]=d&start=x", "start"),
                        ("match[]=d&start=2&end=1", "end")):
        answer = admin("/api/v1/admin/tsdb/delete_series?" + query)
        assert answer.status == 400 and word in answer.json()["error"], (query, answer.body)
    assert admin("/api/v1/admin/tsdb/delete_series?match[]=d", "GET").status == 405
    assert count("d") == {"0": 100}


def test_the_listener_for_people_deletes_nothing():
    for path in ("delete_series?match[]=d", "clean_tombstones", "snapshot"):
        assert collector.people("/api/v1/admin/tsdb/" + path, "POST").status == 404, path
    assert count("d") == {"0": 100}


def test_the_admin_socket_also_answers_what_people_ask():
    assert admin("/api/v1/query?query=1", "GET").status == 200


def test_new_series_beyond_the_limit_are_refused_and_counted():
    now = now_ms()
    answer = write([({"__name__": "many", "i": str(i)}, [(now, i)]) for i in range(2000)])
    assert answer.status == 400 and b"ingest.max_series" in answer.body, answer.body
    assert write([({"__name__": "many", "i": "0"}, [(now + 1, 1)])]).status == 204
    refused = [line for line in collector.people("/metrics").body.decode().splitlines()
               if line.startswith('lapwing_collector_series_limit_refused_total{sender="@local"}')]
    assert float(refused[0].split()[1]) > 1000, refused
    assert admin("/api/v1/admin/tsdb/delete_series?match[]=many").status == 204


def test_a_backup_of_a_running_collector_answers_as_it_did():
    assert write(some("kept")).status == 204
    stop = threading.Event()

    def keep_writing():
        while not stop.is_set():
            assert write(some("noise")).status in (204, 400)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        done = collector.run("backup", collector.path("copy.db"))
    finally:
        stop.set()
        writer.join()
    assert done.returncode == 0, done.stderr
    assert os.stat(collector.path("copy.db")).st_mode & 0o777 & ~0o640 == 0
    with sqlite3.connect(collector.path("copy.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    restored = Collector()
    try:
        shutil.copy(collector.path("copy.db"), restored.path("data/lapwing.db"))
        restored.start()
        query = urllib.parse.urlencode({"query": "kept[1h]", "time": str(now_ms() / 1000)})
        answers = [each.people("/api/v1/query?" + query).json()["data"] for each in (collector, restored)]
        assert len(answers[0]["result"]) == 3 and answers[0] == answers[1], answers
        assert count("d", restored) == {"0": 100}
    finally:
        restored.close()


def test_a_backup_overwrites_nothing():
    before = os.stat(collector.path("copy.db"))
    done = collector.run("backup", collector.path("copy.db"))
    assert done.returncode == 2 and "is there already" in done.stderr, done.stderr
    after = os.stat(collector.path("copy.db"))
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    done = collector.run("backup", collector.path("nowhere/copy.db"))
    assert done.returncode == 2 and "No such file" in done.stderr, done.stderr


def test_a_backup_by_root_leaves_the_collector_its_files():
    if os.geteuid() != 0:
        return
    own = Collector("ingest: { local: true }\n")
    nobody = pwd.getpwnam("nobody")
    try:
        for path in (own.directory, own.path("data")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)

        def all_are_nobodys(where):
            files = {name: os.stat(own.path("data/" + name)).st_uid for name in os.listdir(own.path("data"))}
            assert set(files.values()) == {nobody.pw_uid}, (where, files)

        own.log = open(own.path("log"), "ab")

        def start():
            own.process = subprocess.Popen([PROGRAM, "run", "--config", own.config_file], stdout=own.log, stderr=own.log,
                                           user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
            for _ in range(500):
                try:
                    if own.people("/-/ready").status == 200:
                        return
                except OSError:
                    assert own.process.poll() is None, own.log_text()
                threading.Event().wait(0.02)
            raise AssertionError("does not get ready: " + own.log_text())

        start()
        assert write(some("n"), own).status == 204
        assert own.run("backup", own.path("running.db")).returncode == 0
        all_are_nobodys("while it runs")
        own.process.kill()
        own.process.wait(20)
        assert own.run("backup", own.path("killed.db")).returncode == 0
        all_are_nobodys("after it was killed")
        start()
        assert count("n", own) == {"0": 100, "1": 100, "2": 100}
        own.process.terminate()
        own.process.wait(20)
        assert own.run("backup", own.path("stopped.db")).returncode == 0
        all_are_nobodys("after it was stopped")
        start()
        assert count("n", own) == {"0": 100, "1": 100, "2": 100}
        assert write([({"__name__": "n", "i": "0"}, [(now_ms() + 1, 1)])], own).status == 204
    finally:
        own.close()


def test_a_retention_by_size_must_be_of_a_size():
    for size, word in (("1MB", "at least 64MB"), ("much", "size")):
        wrong = Collector(f"retention: {{ size: {size} }}\n")
        done = wrong.run("check-config")
        wrong.close()
        assert done.returncode == 2 and word in done.stdout + done.stderr, (size, done.stdout, done.stderr)
