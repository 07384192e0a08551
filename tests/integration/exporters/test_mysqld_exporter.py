"""The mysql probe beside the exporter that it replaces: on a primary, a replica and a Galera node, every series that
mysqld_exporter yields by default has the same name, type, labels and value. docs/metrics.md lists the exceptions.

Debian 12's exporter and MariaDB; in long mode also Debian 13's exporter, with MariaDB 10.11 and 11.8 and MySQL 9.7."""

import fnmatch
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from harness import PROGRAM, free_port

ROOT = Path(__file__).resolve().parents[3]
AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
SERVERS = ROOT / "tests/integration/replication/servers.sh"
GALERA = "/usr/lib/galera/libgalera_smm.so"
SUITES = {12: "bookworm", 13: "trixie"}

pytestmark = pytest.mark.root


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except (OSError, AssertionError):
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


def exceptions():
    """[(pattern of a series, the exporter's side or Lapwing's)] of the table in docs/metrics.md."""
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    table = text.split("\n| series | where | why |\n", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]
    return [(pattern, where) for series, where, _ in rows for pattern in re.findall(r"`([^`]+)`", series)]


class Exposition:
    """A text exposition: the types of the families, and the values of the series."""

    def __init__(self, text):
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.values = {}
        for name, labels, value in re.findall(r'^([a-z]\w*)(?:\{((?:[^"\n]|"(?:[^"\\\n]|\\.)*")*)\})? (\S+)', text, re.M):
            labels = re.sub(r'\ble="([^"]+)"', lambda bound: f'le="{float(bound[1])}"', labels or "")
            pairs = tuple(sorted(pair for pair in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)
                                 if pair[1] and pair[0] not in ("job", "instance")))
            assert (name, pairs) not in self.values, f"twice: {name} {pairs}"
            self.values[name, pairs] = float(value)

    def type_of(self, name):
        return self.types.get(name) or self.types.get(re.sub(r"_(bucket|sum|count)$", "", name))


class Server:
    def __init__(self, kind, directory, number, data=None, options=()):
        self.kind, self.directory, self.port = kind, Path(directory), free_port()
        self.socket = self.directory / "s.sock"
        own = ["--performance-schema=OFF"] if self.mariadb else ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]
        self.options = [f"--server-id={number}", "--log-bin=binlog", "--relay-log=relay", *own, *options]
        self.directory.mkdir()
        if data:
            run("cp", "-a", "--sparse=always", data, self.directory / "data")
            (self.directory / "data/auto.cnf").unlink(missing_ok=True)  # the UUID of a MySQL
        self.start()

    def start(self):
        run(SERVERS, "start", self.kind, self.directory, "--port", self.port, *self.options)

    @property
    def mariadb(self):
        return self.kind.startswith("mariadb")

    def sql(self, *statements):
        return run(SERVERS, "sql", self.directory, ";".join(statements))

    def make_accounts(self):
        """The probe's account has the privileges that its README asks for, and no password, which only a test's may."""
        grants = ["GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO lapwing@localhost"] if self.mariadb else [
            "GRANT REPLICATION CLIENT, PROCESS ON *.* TO lapwing@localhost",
            "GRANT SELECT ON performance_schema.* TO lapwing@localhost"]
        self.sql("CREATE USER lapwing@localhost", *grants, "CREATE USER repl@'%' IDENTIFIED BY 'repl'",
                 "GRANT REPLICATION SLAVE ON *.* TO repl@'%'", "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)",
                 "INSERT INTO app.t VALUES (1), (2)", "SELECT COUNT(*) FROM app.t")

    def follow(self, source):
        if self.mariadb:
            self.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={source.port}, MASTER_USER='repl', "
                     "MASTER_PASSWORD='repl', MASTER_USE_GTID=slave_pos", "START SLAVE")
        else:
            self.sql(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={source.port}, SOURCE_USER='repl', "
                     "SOURCE_PASSWORD='repl', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA")
        until(lambda: "2" in self.sql("SELECT MAX(id) FROM app.t"), 60, "the replica has applied")
        time.sleep(1)  # until the last event's position is told

    def stop(self):
        subprocess.run([SERVERS, "stop", self.directory], check=False)


def exporter_of(debian):
    """The program of a Debian's package: this machine's, or one from a root."""
    name = "prometheus-mysqld-exporter"
    if f"VERSION_CODENAME={SUITES[debian]}" in Path("/etc/os-release").read_text():
        return shutil.which(name) or pytest.skip(f"{name} is not installed")
    root = Path(os.environ.get("LAPWING_ROOTS") or ROOT / "build/cache/roots") / f"mysqld-exporter-{debian}"
    program = root / "usr/bin" / name
    if not program.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([ROOT / "tests/debian-root", root, SUITES[debian], name, "--variant=extract"], check=False)
        if done.returncode == 3:
            pytest.skip(f"the package of Debian {debian} cannot be had")
    return str(program)


class Exporter:
    def __init__(self, program, server):
        self.address = f"127.0.0.1:{free_port()}"
        options = server.directory / "exporter.cnf"
        options.write_text(f"[client]\nuser=root\npassword=none\nsocket={server.socket}\n")
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        command = [program, f"--web.listen-address={self.address}"]
        if "version 0.14" not in version.stdout + version.stderr:
            options.write_text(f"[client]\nuser=root\nsocket={server.socket}\n")
            command.append(f"--config.my-cnf={options}")
        self.log = open(server.directory / "exporter.log", "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, DATA_SOURCE_NAME=f"root@unix({server.socket})/"))
        until(lambda: "\nmysql_up 1" in self.scrape(), 20, "mysqld_exporter answers")

    def scrape(self):
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=20) as answer:
            return answer.read().decode()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def probe(server):
    config = server.directory / "agent.yaml"
    config.write_text(f"host: web-01\ndata: {server.directory}\nprobes:\n  mysql: [ {{ socket: {server.socket}, user: lapwing, heartbeat: off }} ]\n")
    done = subprocess.run([AGENT, "probe", "mysql", "--config", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    return Exposition(done.stdout)


def differences(before, own, after):
    """What Lapwing says otherwise than the exporter, which was scraped before and after."""
    excepted = {"exporter": [], "Lapwing": []}
    for pattern, where in exceptions():
        excepted[where].append(pattern)

    def is_excepted(name, where):
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in excepted[where])

    problems = []
    for (name, labels), low in sorted(before.values.items()):
        where = f"{name}{dict(labels) or ''}"
        if is_excepted(name, "exporter"):
            continue
        if (name, labels) not in own.values:
            problems.append(f"no {where}")
            continue
        if before.type_of(name) != own.type_of(name):
            problems.append(f"{where} is {own.type_of(name)}, not {before.type_of(name)}")
        value, high = own.values[name, labels], after.values.get((name, labels), low)
        if not is_close(name, before.type_of(name), low, value, high):
            problems.append(f"{where} is {value}, not {low} to {high}")
    names = {name for name, _ in before.values}
    known = set(before.values) | set(after.values)
    problems += [f"{name}{dict(labels)} is not the exporter's" for name, labels in sorted(own.values)
                 if name in names and (name, labels) not in known and not is_excepted(name, "Lapwing")]
    problems += [f"{name} is not the exporter's" for name in sorted({name for name, _ in own.values} - names)
                 if not name.startswith("lapwing_") and not is_excepted(name, "Lapwing")]
    return problems


def is_close(name, kind, low, value, high):
    """Counters rise between the exporter's scrapes, settings stay. Other numbers of the status may do both."""
    low, high = min(low, high), max(low, high)
    if kind in ("counter", "histogram") or name.startswith("mysql_global_variables_"):
        slack = 1e-14 * abs(high)  # the agent prints fewer digits than it sends
    else:
        slack = 0.1 * abs(high) + 20
    return low - slack <= value <= high + slack


def compare(program, server):
    exporter = Exporter(program, server)
    try:
        before = Exposition(exporter.scrape())
        own = probe(server)
        after = Exposition(exporter.scrape())
    finally:
        exporter.stop()
    problems = differences(before, own, after)
    assert not problems, "\n".join(problems)
    assert "lapwing_mysql_values_left_out" not in {name for name, _ in own.values}
    return before, own


@pytest.fixture(name="directory")
def make_directory():
    with tempfile.TemporaryDirectory(prefix="lwx") as path:
        os.chmod(path, 0o755)
        yield Path(path)


def check(debian, kind, directory):
    program = exporter_of(debian)
    servers = []
    try:
        primary = Server(kind, directory / "a", 1)
        servers.append(primary)
        primary.stop()
        replica = Server(kind, directory / "b", 2, primary.directory / "data", ["--read-only=ON"])
        servers.append(replica)
        primary.start()
        primary.make_accounts()
        if primary.mariadb:
            primary.sql("INSTALL SONAME 'query_response_time'", "SET GLOBAL query_response_time_stats = ON")
        replica.follow(primary)
        before, _ = compare(program, primary)
        assert len({name for name, _ in before.values if name.startswith("mysql_")}) > 600
        if primary.mariadb:
            assert before.types["mysql_info_schema_query_response_time_seconds"] == "histogram"
        before, own = compare(program, replica)
        assert sum(name.startswith("mysql_slave_status_") for name, _ in before.values) > 20
        return own
    finally:
        for server in servers:
            server.stop()


def test_every_series_of_the_exporter(directory):
    check(12, "mariadb-10.11", directory)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["mariadb-10.11", "mariadb-11.8", "mysql-9.7"])
def test_every_series_of_the_newer_exporter(directory, kind):
    check(13, kind, directory)


@pytest.mark.skipif(not os.path.exists(GALERA), reason="Galera is not installed")
def test_every_series_of_a_galera_node(directory):
    node = None
    try:
        node = Server("mariadb-10.11", directory / "a", 1, options=[
            "--wsrep-on=ON", f"--wsrep-provider={GALERA}", "--wsrep-cluster-address=gcomm://", "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2", "--wsrep-cluster-name=site",
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{free_port()};ist.recv_addr=127.0.0.1:{free_port()};gcache.size=8M",
            "--wsrep-node-address=127.0.0.1"])
        node.make_accounts()
        before, own = compare(exporter_of(12), node)
        assert {"mysql_galera_status_info", "mysql_galera_variables_info", "mysql_galera_gcache_size_bytes"} <= set(before.types)
        assert own.values["mysql_galera_gcache_size_bytes", ()] == 8 << 20
        assert own.values["mysql_global_status_wsrep_cluster_status", ()] == 1
    finally:
        if node:
            node.stop()


def test_a_series_that_lacks_or_differs_is_found():
    before = Exposition('# TYPE a counter\na{b="c"} 1\n# TYPE d gauge\nd 5\n# TYPE mysql_global_variables_x gauge\nmysql_global_variables_x 1\n')
    own = Exposition('# TYPE a gauge\na{b="c"} 0\na{b="e"} 0\n# TYPE mysql_global_variables_x gauge\nmysql_global_variables_x 2\n# TYPE mysql_f gauge\nmysql_f 1\n')
    assert differences(before, own, before) == [
        "a{'b': 'c'} is gauge, not counter", "a{'b': 'c'} is 0.0, not 1.0 to 1.0", "no d",
        "mysql_global_variables_x is 2.0, not 1.0 to 1.0", "a{'b': 'e'} is not the exporter's", "mysql_f is not the exporter's"]
