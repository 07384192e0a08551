"""A primary and its replica, real servers with real agents, each in a network namespace of its own, and the truth about the
replica's lag: rows are written to the primary all the time, and the replica is polled for their arrival."""

import bisect
import calendar
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

import pymysql
from harness import PROGRAM, Collector, free_port

here = os.path.dirname(os.path.realpath(__file__))
repo = os.path.realpath(os.path.join(here, "../../.."))

AGENT = os.path.join(os.path.dirname(PROGRAM), "lapwing-agent")
SERVERS = os.path.join(here, "servers.sh")
RULES = os.path.join(repo, "dashboards/alerts/lapwing.rules.yml")
NOBODY = 65534
WRITE_EVERY = 0.1
POLL_EVERY = 0.05
EVALUATION = 2 + 2 + 3  # rules and verdicts, every two seconds each; a sample takes up to three to arrive
SLACK = 20              # of a busy machine


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def until(condition, seconds, what):
    """Repeats `condition` until it returns a true value, and returns it. An exception counts as not yet."""
    deadline = time.monotonic() + seconds
    problem = None
    while True:
        try:
            found = condition()
            if found:
                return found
        except Exception as error:
            problem = error
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {text}" + (f" ({problem})" if problem else ""))
        time.sleep(0.2)


class Site(Collector):
    """The collector of all pairs. It evaluates the shipped rules more often than usual."""

    def __init__(self, pairs):
        self.declared = pairs
        super().__init__("")
        os.chmod(self.directory, 0o755)
        os.makedirs(self.path("rules"))
        shutil.copy(RULES, self.path("rules"))

    def write_config(self, more):
        os.makedirs(self.path("data"), exist_ok=True)
        declared = ", ".join(f"{{ primary: {a}, replica: {b} }}" for a, b in self.declared)
        with open(self.config_file, "w") as out:
            out.write(f"host: monitor\ndata: {self.path('data/lapwing.db')}\n"
                      f"agents: {{ listen: 0.0.0.0:{self.agents_port} }}\nhttp: {{ listen: 127.0.0.1:{self.people_port} }}\n"
                      f"admin: {{ socket: {self.path('admin.sock')} }}\nrules: [ {self.path('rules')}/*.yml ]\n"
                      f"rules_interval: 2s\nsite: {{ replication: [ {declared} ] }}\n")

    def verdicts(self):
        return self.people("/api/lapwing/v1/replication").json()["data"]

    def alerts(self):
        return self.people("/api/v1/alerts").json()["data"]["alerts"]


class Server:
    """One database server and its agent, in a network namespace that is linked to its peer's and to the collector's."""

    def __init__(self, pair, number, kind):
        self.pair, self.number, self.kind = pair, number, kind
        self.host = f"{pair.name}{'abc'[number]}"
        self.namespace = f"lwr{os.getpid()}{self.host}"
        self.directory = os.path.join(pair.directory, self.host)
        self.address = f"10.99.{pair.number}.{number + 1}"  # the second primary, number 2, has a link of its own
        self.agent = None
        self.options = []
        os.makedirs(self.directory)

    @property
    def mariadb(self):
        return self.kind.startswith("mariadb")

    def make_namespace(self):
        run("ip", "netns", "add", self.namespace)
        self.inside("ip", "link", "set", "lo", "up")
        outer = f"lwr{os.getpid() % 100000}{self.host}"
        number = self.pair.number * 4 + self.number
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", "up0", "netns", self.namespace)
        run("ip", "address", "add", f"10.98.{number}.1/24", "dev", outer)
        run("ip", "link", "set", outer, "up")
        self.inside("ip", "address", "add", f"10.98.{number}.2/24", "dev", "up0")
        self.inside("ip", "link", "set", "up0", "up")
        self.collector_address = f"10.98.{number}.1"

    def inside(self, *command):
        return run("ip", "netns", "exec", self.namespace, *command)

    def start(self, *more):
        options = [f"--server-id={self.pair.server_id_of(self)}", "--log-bin=binlog", "--relay-log=relay",
                   "--log-slave-updates=ON", "--max-connections=60", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", *self.options, *more]
        if self.mariadb:
            options += ["--performance-schema=OFF"]
        else:
            options += ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]
        run(SERVERS, "start", self.kind, self.directory, "--netns", self.namespace, "--address", "0.0.0.0", "--port", "3306",
            *options)

    def stop(self, signal="TERM"):
        run(SERVERS, "stop", self.directory, signal)

    def connect(self):
        return pymysql.connect(unix_socket=os.path.join(self.directory, "s.sock"), user="tester", password="tester",
                               autocommit=True, connect_timeout=5, read_timeout=60)

    def sql(self, *statements):
        """The rows of the last statement, as dictionaries."""
        connection = self.connect()
        try:
            with connection.cursor(pymysql.cursors.DictCursor) as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def words(self, text):
        """A statement such as START SLAVE in the syntax of this server."""
        return text if self.mariadb else text.replace("SLAVE", "REPLICA")

    def thread(self, verb, thread, channel):
        if self.mariadb:
            return f"{verb} SLAVE '{channel}' {thread}"
        return f"{verb} REPLICA {thread} FOR CHANNEL '{channel}'"

    def status(self, channel=None):
        rows = self.sql("SHOW ALL SLAVES STATUS" if self.mariadb else "SHOW REPLICA STATUS")
        name = "Connection_name" if self.mariadb else "Channel_Name"
        rows = [row for row in rows if channel is None or row[name] == channel]
        return rows[0] if rows else {}

    def seconds_behind(self):
        row = self.status()
        return row.get("Seconds_Behind_Master", row.get("Seconds_Behind_Source"))

    def follow(self, source, channel="", delay=0):
        """Becomes a replica of `source`, by GTID, and starts."""
        if self.mariadb:
            name = f"'{channel}' " if channel else ""
            self.sql(f"CHANGE MASTER {name}TO MASTER_HOST='{source.address}', MASTER_USER='repl', MASTER_PASSWORD='repl', "
                     f"MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=2, MASTER_HEARTBEAT_PERIOD=5, MASTER_DELAY={delay}",
                     f"START SLAVE {name}")
        else:
            tail = f" FOR CHANNEL '{channel}'" if channel else ""
            self.sql(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='{source.address}', SOURCE_USER='repl', SOURCE_PASSWORD='repl', "
                     f"SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=2, SOURCE_HEARTBEAT_PERIOD=5, SOURCE_DELAY={delay}, "
                     f"GET_SOURCE_PUBLIC_KEY=1{tail}", f"START REPLICA{tail}")

    def skip_to(self, source):
        """Continues from the position of `source`, as if its data had been copied."""
        if self.mariadb:
            position = source.sql("SELECT @@gtid_binlog_pos AS gtid")[0]["gtid"]
            self.sql("STOP SLAVE", f"SET GLOBAL gtid_slave_pos = '{position}'", "START SLAVE")
        else:
            executed = source.sql("SELECT @@gtid_executed AS gtid")[0]["gtid"]
            self.sql("STOP REPLICA", "RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{executed}'", "START REPLICA")

    def restart_as_replica(self, *more):
        self.stop()
        self.start("--read-only=ON", *([] if self.mariadb else ["--super-read-only=ON"]), *more)

    def quietly(self, statement):
        """Runs a statement despite read_only, without a trace in a binary log."""
        if not self.mariadb:
            self.sql("SET GLOBAL super_read_only = 0")
        self.sql("SET SESSION sql_log_bin = 0", statement)
        if not self.mariadb:
            self.sql("SET GLOBAL super_read_only = 1")

    def read_only(self, on):
        self.sql(f"SET GLOBAL read_only={on:d}", *([] if self.mariadb else [f"SET GLOBAL super_read_only={on:d}"]))

    def start_agent(self, heartbeat="auto"):
        site = self.pair.site
        bundle = os.path.join(self.directory, "agent.pem")
        if not os.path.exists(bundle):
            shutil.copy(site.enrol(self.host), bundle)
            os.chmod(bundle, 0o600)
            os.chown(bundle, NOBODY, NOBODY)
        data = os.path.join(self.directory, "agent")
        os.makedirs(data, exist_ok=True)
        os.chown(data, NOBODY, NOBODY)
        config = os.path.join(self.directory, "agent.yaml")
        off = "".join(f"  {name}: off\n" for name in ("node", "nginx", "app", "haproxy", "sockets", "firewall", "keepalived", "inventory", "logs", "units", "textfile"))
        with open(config, "w") as out:
            out.write(f"host: {self.host}\ndata: {data}\nstatus_socket: {data}/s\nsnapshot: {data}/none\ncanary: off\n"
                      f"attempts: off\ncollector: {{ url: 'https://{self.collector_address}:{site.agents_port}', ca: {bundle}, "
                      f"cert: {bundle}, key: {bundle} }}\nprobes:\n{off}"
                      f"  mysql: [ {{ socket: {self.directory}/s.sock, heartbeat: {{ mode: {heartbeat} }} }} ]\n")
        self.log = open(os.path.join(self.directory, "agent.log"), "ab")
        self.agent = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             AGENT, "run", "--config", config], stdout=self.log, stderr=self.log)

    def stop_agent(self, kill=False):
        if self.agent and self.agent.poll() is None:
            (self.agent.kill if kill else self.agent.terminate)()
            self.agent.wait(20)
        self.agent = None

    def others_say(self, channel):
        """What mysqld_exporter and pt-heartbeat say at this moment; the latter reads the rows that the agent writes."""
        source = dict(os.environ, DATA_SOURCE_NAME=f"tester:tester@unix({self.directory}/s.sock)/")
        exporter = subprocess.Popen(["ip", "netns", "exec", self.namespace, "prometheus-mysqld-exporter",
                                     "--web.listen-address=127.0.0.1:9104"], env=source, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        try:
            text = until(lambda: self.inside("curl", "-sf", "http://127.0.0.1:9104/metrics"), 15, "mysqld_exporter answers")
        finally:
            exporter.kill()
            exporter.wait()
        assert "\nmysql_up 1" in text, "mysqld_exporter does not reach the server"
        name = f'(?:channel|connection)_name="{channel}"' if channel else 'channel_name="",connection_name=""'
        series = re.search(r"^mysql_slave_status_seconds_behind_(?:master|source){\S*" + name + r"\S*} (\S+)$", text, re.M)
        beat = subprocess.run(self.pt_heartbeat("--check", source=self.pair.c if channel else None), capture_output=True, text=True)
        return {"mysqld_exporter": series.group(1) if series else None,
                "pt_heartbeat": (beat.stdout or beat.stderr).strip().split("\n")[0]}

    def pt_heartbeat(self, *what, source=None):
        return ["pt-heartbeat", *what, "--utc", "-D", "lapwing", "--master-server-id",
                str(self.pair.server_id_of(source or self.pair.primary)), "-S", f"{self.directory}/s.sock", "-u", "tester", "-p", "tester"]

    def close(self):
        self.stop_agent(kill=True)
        with contextlib.suppress(Exception):
            self.stop("KILL")
        subprocess.run(["ip", "netns", "delete", self.namespace], capture_output=True)


class Truth:
    """The test's own knowledge: the times at which each row was committed and was visible on the replica."""

    def __init__(self, writer, reader, table="lt.truth"):
        self.writer, self.reader, self.table = writer, reader, table
        self.committed = []  # times; the row's id is the place
        self.polled = []     # (time, highest id)
        self.paused = threading.Event()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.write, daemon=True), threading.Thread(target=self.poll, daemon=True)]
        for thread in self.threads:
            thread.start()

    def loop(self, which, interval, work):
        """`which` server it is may change: roles are switched."""
        connection = server = None
        while not self.ended.wait(interval):
            try:
                if server is not which():
                    if connection:
                        connection.close()
                    server, connection = which(), None
                connection = connection or server.connect()
                work(connection)
            except Exception:
                with contextlib.suppress(Exception):
                    connection.close()
                connection = None
                self.ended.wait(0.2)

    def write(self):
        def once(connection):
            if self.paused.is_set():
                return
            with connection.cursor() as cursor:
                # The row exists already if its answer was lost.
                with contextlib.suppress(pymysql.err.IntegrityError):
                    cursor.execute(f"INSERT INTO {self.table} VALUES (%s)", (len(self.committed) + 1,))
            self.committed.append(time.time())
        self.loop(self.writer, WRITE_EVERY, once)

    def poll(self):
        def once(connection):
            asked = time.time()
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {self.table}")
                self.polled.append((asked, cursor.fetchone()[0]))
        self.loop(self.reader, POLL_EVERY, once)

    def lag(self, at):
        """At that time, or None if the replica was not asked around it."""
        place = bisect.bisect_right(self.polled, (at, float("inf")))
        if place == 0 or at - self.polled[place - 1][0] > 1:
            return None
        arrived = self.polled[place - 1][1]
        if arrived >= len(self.committed) or self.committed[arrived] > at:
            return 0.0
        return at - self.committed[arrived]

    def off_by(self, figure, at, delay):
        """How far a figure is from what was true around that time, beyond a deliberate delay; None where that is not known."""
        around = [self.lag(at + step / 20) for step in range(-4, 5)]
        if None in around:
            return None
        around = [max(0.0, lag - delay) for lag in around]
        return max(0.0, min(around) - figure, figure - max(around))

    def close(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(10)


class Pair:
    """Everything is there, linked and in step when it has started. With `second` the replica follows a second primary, too, by the
    channel "second"."""

    def __init__(self, site, number, name, kind, second=False):
        self.site, self.number, self.name, self.kind = site, number, name, kind
        self.directory = tempfile.mkdtemp(prefix="lwr")
        os.chmod(self.directory, 0o755)
        self.a, self.b = Server(self, 0, kind), Server(self, 1, kind)
        self.c = Server(self, 2, kind) if second else None
        self.servers = [self.a, self.b] + ([self.c] if second else [])
        self.primary, self.replica = self.a, self.b
        self.allowed = {"MysqlReplicationUnknown", "MysqlReplicationNotConfigured", "AgentSilent"}  # until it has started
        self.rows = []
        self.truths = {}  # by channel
        self.quiet_after = 0.0

    @property
    def truth(self):
        return self.truths[""]

    def link(self, name, *ends):
        """A network of its own for two servers; `ends`: each with its address."""
        (one, _), (other, _) = ends
        run("ip", "link", "add", name, "netns", one.namespace, "type", "veth", "peer", "name", name, "netns", other.namespace)
        for server, address in ends:
            server.inside("ip", "address", "add", f"{address}/24", "dev", name)
            server.inside("ip", "link", "set", name, "up")

    def start(self, template):
        for server in self.servers:
            server.make_namespace()
        self.link("link0", (self.a, self.a.address), (self.b, self.b.address))
        if self.c:
            self.c.address = f"10.99.{100 + self.number}.1"
            self.link("link1", (self.c, self.c.address), (self.b, f"10.99.{100 + self.number}.2"))
            if self.c.mariadb:
                self.c.options = ["--gtid-domain-id=2"]
        for server in self.servers:
            shutil.copytree(template, os.path.join(server.directory, "data"), symlinks=True)
            server.start()
        self.replica.follow(self.primary)
        if self.c:
            self.replica.follow(self.c, "second")
        self.replica.read_only(True)
        for server in self.servers:
            server.start_agent()
        self.truths[""] = Truth(lambda: self.primary, lambda: self.replica)
        if self.c:
            self.truths["second"] = Truth(lambda: self.c, lambda: self.replica, "lt.second")
        self.settle(90)

    def cut(self, link="link0"):
        """Drops all packets of a link in both directions, silently."""
        for server in (self.a if link == "link0" else self.c, self.b):
            server.inside("nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; "
                                 f"add rule inet cut in iifname {link} drop")

    def mend(self, link="link0"):
        for server in (self.a if link == "link0" else self.c, self.b):
            server.inside("nft", "delete table inet cut")

    def verdict(self, replica=None, channel=""):
        replica = (replica or self.replica).host
        for entry in self.site.verdicts():
            if entry["replica"] == replica and entry["channel"] == channel:
                return entry
        return None

    @staticmethod
    def observed(entry):
        whole, fraction = re.fullmatch(r"(.*?)(\.\d+)?Z", entry["observed"]).groups()
        return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(fraction or 0)

    def findings(self, name, server=None):
        """Findings about the replica, or about another server."""
        return [each for each in self.site.people("/api/lapwing/v1/findings").json()["data"]
                if each["id"] == name and each["subject"] == "mysql@" + (server or self.replica).host]

    def firing(self):
        return {(a["labels"]["alertname"], a["labels"].get("cause", ""))
                for a in self.site.alerts()
                if a["state"] == "firing" and a["labels"].get("instance") in {server.host for server in self.servers}}

    def in_step(self):
        """Whether the replica is in step, by the test's own measure."""
        lags = [truth.lag(time.time()) for truth in self.truths.values()]
        return None not in lags and max(lags) < 1

    def settle(self, within=None):
        """Once the replica is in step again the verdict says so, and no alert fires any more: shipped rules hold none back, so
        that it ends with the first evaluation after the verdict."""
        until(self.in_step, 90, f"{self.name}: in step")
        since = time.monotonic()
        within = within or EVALUATION + SLACK

        def healthy():
            return all((self.verdict(channel=channel) or {}).get("cause") == "healthy" for channel in self.truths)
        until(lambda: healthy() and not self.firing(), within,
              lambda: f"{self.name}: healthy and no alert, not {self.firing()}, " +
                      json.dumps([self.verdict(channel=channel) for channel in self.truths]))
        self.quiet_after = time.monotonic() - since
        self.allowed = set()

    def restart_receiver(self):
        self.replica.sql(self.replica.words("STOP SLAVE IO_THREAD"), self.replica.words("START SLAVE IO_THREAD"))

    def sleep_on_replica(self, seconds, count):
        """Statements that take `seconds` on the replica and no time on the primary."""
        number = self.server_id_of(self.replica)
        self.primary.sql("SET SESSION binlog_format = STATEMENT",
                         *[f"INSERT INTO lt.work (a) VALUES (IF(@@global.server_id = {number}, SLEEP({seconds}), 0))"] * count)

    def server_id_of(self, server):
        return self.number * 10 + server.number + 1

    def expect(self, cause, seconds=40, **more):
        """Waits until the verdict has this cause."""
        def right():
            entry = self.verdict(**more)
            return entry if entry and entry["cause"] == cause else None
        return until(right, seconds, lambda: f"{self.name}: cause {cause}: {json.dumps(self.verdict(**more))}")

    def expect_alert(self, name, within, cause=None):
        self.allowed.add(name)
        until(lambda: any(name == each and cause in (None, why) for each, why in self.firing()), within,
              lambda: f"{self.name}: {name} fires, not {self.firing()}")

    def record(self, entry, true=None, off_by=None, channel=""):
        """A row of the table of what was measured; where that is asked for, with what others say."""
        own = next((e["lag_seconds"] for e in entry["estimators"] if e["name"] == "seconds_behind_source"), None)
        self.rows.append({"channel": channel, "true": true, "off_by": off_by, "says": entry["lag_seconds"],
                          "confidence": entry["confidence"], "cause": entry["cause"],
                          "seconds_behind": None if own is None else own + entry["delay_seconds"]})
        if os.environ.get("LAPWING_TABLE"):
            self.rows[-1].update(self.replica.others_say(channel), true_then=self.truths[channel].lag(time.time()))

    def compare(self, seconds=8, at_least=4, channel=""):
        """For `seconds`, compares the verdict's lag with the true lag, unless the verdict is unknown. The tolerance is 0.3 s with
        a known heartbeat, else 1 s. Half of the comparisons must match: a busy machine delays a sample now and then."""
        seen, compared, unknown = set(), [], 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline or (len(compared) + unknown < at_least and time.monotonic() < deadline + 20):
            entry = self.verdict(channel=channel)
            if entry and entry["observed"] and entry["observed"] not in seen:
                seen.add(entry["observed"])
                at = self.observed(entry)
                if entry["lag_seconds"] is None:
                    unknown += 1
                else:
                    time.sleep(0.3)  # until the replica was asked around that time
                    error = self.truths[channel].off_by(entry["lag_seconds"], at, entry["delay_seconds"])
                    if error is not None:
                        beats = any(each["name"] == "heartbeat" and each["lag_seconds"] is not None
                                    for each in entry["estimators"])
                        compared.append((error, 0.3 if beats else 1.0, entry, self.truths[channel].lag(at)))
            time.sleep(0.2)
        if compared:
            compared.sort(key=lambda one: one[0])
            _, _, entry, true = compared[len(compared) // 2]
            self.record(entry, true, compared[-1][0], channel)
            right = [error for error, tolerance, _, _ in compared if error <= tolerance]
            assert len(right) * 2 >= len(compared), \
                f"{self.name}: off by {[error for error, *_ in compared]}: true {true}, {json.dumps(entry)}"
        assert len(compared) + unknown >= at_least, f"{self.name}: compared only {len(compared)} times"

    def close(self):
        for truth in self.truths.values():
            truth.close()
        for server in self.servers:
            server.close()
        shutil.rmtree(self.directory, ignore_errors=True)


GRANTS = {
    "mariadb": ["CREATE USER nobody@localhost IDENTIFIED VIA unix_socket",
                "GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO nobody@localhost", "INSTALL SONAME 'metadata_lock_info'",
                "CREATE USER repl IDENTIFIED BY 'repl'", "GRANT REPLICATION SLAVE ON *.* TO repl",
                "CREATE USER tester@localhost IDENTIFIED BY 'tester'", "GRANT ALL ON *.* TO tester@localhost WITH GRANT OPTION"],
    "mysql": ["INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'", "CREATE USER nobody@localhost IDENTIFIED WITH auth_socket",
              "GRANT REPLICATION CLIENT, REPLICATION SLAVE, PROCESS ON *.* TO nobody@localhost",
              "GRANT SELECT ON performance_schema.* TO nobody@localhost",
              "CREATE USER repl IDENTIFIED BY 'repl'", "GRANT REPLICATION SLAVE ON *.* TO repl",
              "CREATE USER tester@localhost IDENTIFIED BY 'tester'", "GRANT ALL ON *.* TO tester@localhost WITH GRANT OPTION"],
}
TABLES = ["CREATE DATABASE lt", "CREATE TABLE lt.truth (id BIGINT PRIMARY KEY)", "CREATE TABLE lt.second (id BIGINT PRIMARY KEY)",
          "CREATE TABLE lt.work (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL DEFAULT 0, b VARCHAR(200)) ENGINE=InnoDB",
          "CREATE DATABASE lapwing", "CREATE TABLE lapwing.heartbeat (ts VARCHAR(26) NOT NULL, server_id INT UNSIGNED NOT NULL "
          "PRIMARY KEY, file VARCHAR(255), position BIGINT UNSIGNED, relay_master_log_file VARCHAR(255), "
          "exec_master_log_pos BIGINT UNSIGNED)",
          "GRANT SELECT, INSERT, UPDATE ON lapwing.heartbeat TO nobody@localhost"]


def template(kind, directory):
    """Makes a data directory with the accounts and tables, and without a binary log. Returns its path."""
    place = os.path.join(directory, kind)
    os.makedirs(place)
    run(SERVERS, "start", kind, place, "--port", str(free_port()), "--skip-log-bin")
    for statement in GRANTS["mariadb" if kind.startswith("mariadb") else "mysql"] + TABLES:
        run(SERVERS, "sql", place, statement)
    run(SERVERS, "stop", place)
    data = os.path.join(place, "data")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(data, "auto.cnf"))
    return data
