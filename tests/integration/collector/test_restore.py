"""A backup holds all that a new machine needs: after `restore` in an empty tree an agent with its certificate keeps delivering."""

import os
import shutil
import sqlite3
import subprocess

import pytest
from harness import PROGRAM, Collector, now_ms

RULES = "groups: [ { name: g, rules: [ { record: a:b, expr: vector(1) } ] } ]\n"


@pytest.fixture(scope="module")
def collector():
    collector = Collector()
    os.makedirs(collector.path("rules"))
    with open(collector.path("rules/a.yml"), "w") as out:
        out.write(RULES)
    os.makedirs(collector.path("collector.d"))
    with open(collector.path("collector.d/site.yaml"), "w") as out:
        out.write("site: { servers_needed: 2 }\n")
    collector.start()
    yield collector
    collector.close()


def write(connection, value):
    return connection.write([({"__name__": "x", "instance": "web-01"}, [(now_ms(), float(value))])])


def test_an_agent_keeps_delivering_after_a_restore_in_an_empty_tree(collector, tmp_path):
    bundle = shutil.copy(collector.enrol("web-01"), tmp_path / "agent.pem")
    connection = collector.agent(bundle)
    assert write(connection, 1).status == 204
    connection.close()
    assert collector.run("silence", "web-01", "1h").returncode == 0
    copy = str(tmp_path / "copy.db")
    done = collector.run("backup", copy)
    assert done.returncode == 0 and "private keys" in done.stdout, done
    assert os.stat(copy).st_mode & 0o777 == 0o600
    modes = {name: os.stat(collector.path(name)).st_mode for name in ("data/ca/ca.key", "collector.yaml", "rules/a.yml")}

    # There is a collector already.
    done = collector.run("restore", copy)
    assert done.returncode == 2 and "is there already" in done.stderr, done.stderr
    assert collector.people("/-/healthy").status == 200

    collector.stop()
    shutil.rmtree(collector.directory)
    # A new machine has the configuration of the package.
    os.makedirs(collector.directory)
    with open(collector.config_file, "w") as out:
        out.write("# empty\n")
    done = collector.run("restore", copy)
    assert done.returncode == 0, done.stderr
    with open(collector.config_file + ".before-restore") as kept:
        assert kept.read() == "# empty\n"
    assert {name: os.stat(collector.path(name)).st_mode for name in modes} == modes
    with open(collector.path("rules/a.yml")) as rules, open(collector.path("collector.d/site.yaml")) as site:
        assert rules.read() == RULES and "servers_needed" in site.read()
    with sqlite3.connect(collector.path("data/lapwing.db")) as database:
        assert database.execute("SELECT name FROM sqlite_master WHERE name = 'backup_files'").fetchall() == []
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    collector.start()
    connection = collector.agent(bundle)
    assert write(connection, 2).status == 204
    connection.close()
    [series] = collector.query("count_over_time(x[10m])")
    assert series["value"][1] == "2"
    assert "instance=" in collector.run("silence", "list").stdout
    # An older agent's name is still pinned, and new hosts join.
    assert collector.run("enrol", "web-02", "--bundle", collector.path("web-02.pem")).returncode == 0


def test_what_is_no_backup_is_refused(collector, tmp_path):
    old = tmp_path / "old.db"
    done = collector.run("restore", str(old))
    assert done.returncode == 2 and "No such file" in done.stderr, done.stderr
    shutil.copy(collector.path("collector.yaml"), old)
    done = collector.run("restore", str(old))
    assert done.returncode == 2 and done.stderr, done
    done = collector.run("backup", str(tmp_path / "new.db"))
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "new.db") as database:
        database.execute("DROP TABLE backup_files")
    done = collector.run("restore", str(tmp_path / "new.db"))
    assert done.returncode == 2 and "it holds the database alone" in done.stderr, done.stderr


def test_a_backup_with_a_path_that_climbs_is_refused(collector, tmp_path):
    file = str(tmp_path / "climbs.db")
    assert collector.run("backup", file).returncode == 0
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO backup_files VALUES('/tmp/../etc/evil', '', '', 420, 'x')")
    done = collector.run("restore", file)
    assert done.returncode == 2 and "/tmp/../etc/evil" in done.stderr, done.stderr


def add_user(collector, name, password, *more):
    return subprocess.run([PROGRAM, "--config", collector.config_file, "user", "add", name, *more],
                          input=password + "\n", capture_output=True, text=True, timeout=60)


def test_a_user_is_added_and_gets_another_password(collector, tmp_path):
    users = collector.path("users")
    done = add_user(collector, "anna", "one", "--file", users)
    assert done.returncode == 0, done.stderr
    assert os.stat(users).st_mode & 0o777 == 0o640
    with open(users) as text:
        first = text.read()
    assert first.startswith("anna:$y$") and "one" not in first
    assert add_user(collector, "ben", "two", "--file", users).returncode == 0
    assert add_user(collector, "anna", "three", "--file", users).returncode == 0
    with open(users) as text:
        lines = text.read().splitlines()
    assert [line.split(":")[0] for line in lines] == ["anna", "ben"] and lines[0] != first.strip()
    for name in ("a:b", "", "#x"):
        assert add_user(collector, name, "x", "--file", users).returncode == 2, name
    assert add_user(collector, "carl", "", "--file", users).returncode == 2
    done = add_user(collector, "anna", "x")
    assert done.returncode == 2 and "http.users_file" in done.stderr


def test_status_says_that_nobody_is_told(collector):
    assert "nobody is told of an alert" in collector.run("status").stdout
