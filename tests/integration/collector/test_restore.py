"""A backup holds all that a new machine needs: after `restore` in an empty tree an agent with its certificate keeps delivering."""

import os
import pwd
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


def test_the_files_of_a_webhook_and_the_users_come_back_on_an_empty_machine(tmp_path):
    machine = Collector()
    contents = {"webhook.body": "{{ .Subject | toJson }}\n", "webhook.key": "A0123456789abcde\n", "users": "ann:$6$salt$hash\n"}
    os.makedirs(machine.path("rules"))
    contents["rules/a.yml"] = RULES
    for name, content in contents.items():
        with open(machine.path(name), "w") as out:
            out.write(content)
        os.chmod(machine.path(name), 0o600)
    machine.write_config(
        f"http: {{ listen: 127.0.0.1:{machine.people_port}, users_file: '{machine.path('users')}' }}\n"
        "notify: { webhook: [ { url: 'http://127.0.0.1:9/', format: template,"
        f" body_file: '{machine.path('webhook.body')}', header_files: {{ X-Key: '{machine.path('webhook.key')}' }} }} ] }}\n"
    )
    machine.start()
    copy = str(tmp_path / "copy.db")
    done = machine.run("backup", copy)
    assert done.returncode == 0, done.stderr
    machine.stop()
    shutil.rmtree(machine.directory)
    done = machine.run("restore", copy)
    assert done.returncode == 0, done.stderr
    for name, content in contents.items():
        with open(machine.path(name)) as kept:
            assert kept.read() == content
        assert os.stat(machine.path(name)).st_mode & 0o777 == 0o600
    assert machine.run("check-config").returncode == 0
    machine.close()


def test_a_backup_with_a_path_that_climbs_is_refused(collector, tmp_path):
    file = str(tmp_path / "climbs.db")
    assert collector.run("backup", file).returncode == 0
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO backup_files VALUES('/tmp/../etc/evil', '', '', 420, 'x')")
    done = collector.run("restore", file)
    assert done.returncode == 2 and "/tmp/../etc/evil" in done.stderr, done.stderr


def put(file, path, mode=0o640, user="root", content="x"):
    """Puts a file into a backup, as somebody could who has it in hand."""
    with sqlite3.connect(file) as database:
        group = {"nobody": "nogroup"}.get(user, user)
        database.execute("INSERT OR REPLACE INTO backup_files VALUES(?, ?, ?, ?, ?)", (path, user, group, mode, content.encode()))


@pytest.fixture
def emptied(tmp_path):
    """A machine without data, whose configuration has another content, and a backup for it."""
    machine = Collector()
    machine.start()
    machine.stop()
    machine.copy = str(tmp_path / "copy.db")
    assert machine.run("backup", machine.copy).returncode == 0
    with open(machine.config_file) as text:
        machine.configuration = text.read()
    shutil.rmtree(machine.path("data"))
    with open(machine.config_file, "w") as out:
        out.write("# empty\n")
    yield machine
    machine.close()


def refused(machine, *arguments):
    """Restores in vain; returns the reason after a look that nothing was written."""
    def files():
        return sorted(os.path.join(where, name) for where, _, names in os.walk(machine.directory) for name in names)
    before = files()
    done = machine.run("restore", machine.copy, *arguments)
    assert done.returncode == 2 and "Nothing was written" in done.stderr, done
    assert files() == before
    with open(machine.config_file) as text:
        assert text.read() == "# empty\n"
    return done.stderr


@pytest.mark.parametrize("left", ["lapwing.db", "lapwing.db-wal", "lapwing.db-shm", "lapwing.db-journal"])
def test_what_a_collector_left_is_not_mixed_into_the_database(emptied, left):
    os.makedirs(emptied.path("data"))
    with open(emptied.path("data/" + left), "w") as out:
        out.write("old frames")
    reason = refused(emptied)
    assert emptied.path("data/" + left) + ": is there already" in reason and "Stop the collector, and move" in reason
    os.unlink(emptied.path("data/" + left))
    assert emptied.run("restore", emptied.copy).returncode == 0


def test_a_backup_writes_into_no_other_directory(emptied, tmp_path):
    other = tmp_path / "other"
    put(emptied.copy, str(other / "key.pem"))
    put(emptied.copy, str(tmp_path / "cron.d/x"))
    reason = refused(emptied)
    assert f"would write {tmp_path}/cron.d/x, {other}/key.pem: outside" in reason, reason
    assert f"add --allow {tmp_path}/cron.d --allow {other}" in reason, reason
    assert f"would write {tmp_path}/cron.d/x: outside" in refused(emptied, "--allow", str(other))
    with sqlite3.connect(emptied.copy) as database:
        database.execute("DELETE FROM backup_files WHERE path LIKE '%/cron.d/x'")
    done = emptied.run("restore", emptied.copy, "--allow", str(other))
    assert done.returncode == 0, done.stderr
    assert (other / "key.pem").read_text() == "x"
    written = done.stdout.splitlines()
    for path in (emptied.config_file, str(other / "key.pem"), emptied.path("data/lapwing.db")):
        assert path in written, done.stdout
    assert not (tmp_path / "cron.d").exists()


def test_a_backup_does_not_choose_another_place_for_the_database(emptied, tmp_path):
    put(emptied.copy, emptied.path("collector.d/z.yaml"), content=f"data: {tmp_path}/cron.d/x.db\n")
    assert f"would write {tmp_path}/cron.d/x.db: outside" in refused(emptied)
    put(emptied.copy, emptied.path("collector.d/z.yaml"), content="dat: x\n")
    assert emptied.path("collector.d/z.yaml") + ":1:1: " in refused(emptied)
    put(emptied.copy, emptied.path("collector.d/z.yaml"), content="{}\n")
    put(emptied.copy, emptied.path("data/lapwing.db-wal"))
    assert "names the file " + emptied.path("data/lapwing.db-wal") in refused(emptied)


def test_another_ca_is_left_and_nothing_else_is_written(emptied):
    os.makedirs(emptied.path("data/ca"))
    with open(emptied.path("data/ca/ca.key"), "w") as out:
        out.write("another")
    reason = refused(emptied)
    assert emptied.path("data/ca/ca.key") + ": is there already" in reason and "move " + emptied.path("data/ca ") in reason


@pytest.mark.root
def test_a_link_of_another_user_is_not_followed(emptied, tmp_path):
    nobody = pwd.getpwnam("nobody")
    (tmp_path / "target").mkdir()
    os.makedirs(emptied.path("data"))
    os.symlink(tmp_path / "target", emptied.path("data/ca"))
    os.chown(emptied.path("data"), nobody.pw_uid, nobody.pw_gid)
    assert emptied.path("data/ca") + ": is a link in a directory that others can write into" in refused(emptied)
    # In a directory of root a link is the administrator's.
    os.chown(emptied.path("data"), 0, 0)
    done = emptied.run("restore", emptied.copy)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target/ca.key").exists()


@pytest.mark.root
def test_a_restore_gives_owner_and_mode_and_makes_no_program(emptied):
    nobody = pwd.getpwnam("nobody")
    tool = emptied.path("rules/tool.yml")
    put(emptied.copy, tool, mode=0o6755, user="nobody")
    # An interrupted run left the file with the right content, and the mode and the owner of a new one.
    os.makedirs(emptied.path("rules"), exist_ok=True)
    with open(tool, "w") as out:
        out.write("x")
    os.chmod(tool, 0o600)
    assert emptied.run("restore", emptied.copy).returncode == 0
    status = os.stat(tool)
    assert status.st_mode & 0o7777 == 0o644 and status.st_uid == nobody.pw_uid and status.st_gid == nobody.pw_gid
    assert not os.path.exists(tool + ".before-restore")


@pytest.mark.root
def test_without_a_ca_the_database_belongs_to_the_owner_of_its_directory(emptied):
    with sqlite3.connect(emptied.copy) as database:
        database.execute("DELETE FROM backup_files WHERE path LIKE '%/ca/%'")
    nobody = pwd.getpwnam("nobody")
    os.makedirs(emptied.path("data"))
    os.chown(emptied.path("data"), nobody.pw_uid, nobody.pw_gid)
    assert emptied.run("restore", emptied.copy).returncode == 0
    status = os.stat(emptied.path("data/lapwing.db"))
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (nobody.pw_uid, nobody.pw_gid, 0o640)


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
