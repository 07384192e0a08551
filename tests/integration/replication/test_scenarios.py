"""Compares Lapwing's verdicts on replicas with the truth, on real servers. Faults follow each other on a primary and its replica,
on several pairs at a time. In long mode every scenario runs, on MariaDB 10.11, MariaDB 11.8 and MySQL 9.7.
`pytest -k SCENARIO` chooses; LAPWING_KINDS names the servers; LAPWING_TABLE=FILE receives what was measured; LAPWING_KEEP
keeps the servers of a run that failed."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future

import pytest
from harness import LONG
from pair import EVALUATION, SLACK, Pair, Site, template, until

KINDS = os.environ.get("LAPWING_KINDS", "mariadb-10.11 mariadb-11.8 mysql-9.7" if LONG else "mariadb-10.11").split()
pytestmark = pytest.mark.root


def healthy(pair):
    """No fault, and continuous writes."""
    pair.compare()
    assert pair.verdict()["state"] == "ok"


def applier_stopped(pair):
    pair.replica.sql(pair.replica.words("STOP SLAVE SQL_THREAD"))
    pair.expect("applier_stopped")
    pair.expect_alert("MysqlReplicationStopped", 10 + EVALUATION + SLACK)
    pair.compare()
    pair.replica.sql(pair.replica.words("START SLAVE SQL_THREAD"))


def receiver_stopped(pair):
    pair.replica.sql(pair.replica.words("STOP SLAVE IO_THREAD"))
    pair.expect("receiver_stopped")
    pair.expect_alert("MysqlReplicationStopped", 10 + EVALUATION + SLACK)
    pair.compare()
    pair.replica.sql(pair.replica.words("START SLAVE IO_THREAD"))


def network_cut(pair):
    """Packets vanish, and the replica still claims to be 0 seconds behind."""
    pair.cut()
    try:
        entry = pair.expect("network")
        assert pair.replica.seconds_behind() == 0, "the server knows: the test shows nothing"
        assert entry["receiver"] == "running", entry
        pair.expect_alert("MysqlReplicationBroken", 20 + EVALUATION + SLACK)
        pair.compare()
    finally:
        pair.mend()
    pair.restart_receiver()


def duplicate_key(pair):
    pair.replica.quietly("INSERT INTO lt.work (id, a) VALUES (4711, 1)")
    pair.primary.sql("INSERT INTO lt.work (id, a) VALUES (4711, 2)")
    entry = pair.expect("applier_stopped")
    assert "1062" in entry["summary"] and any("4711" in line["text"] for line in entry["evidence"]), entry
    pair.expect_alert("MysqlReplicationStopped", 10 + EVALUATION + SLACK)
    pair.compare()
    pair.replica.quietly("DELETE FROM lt.work WHERE id = 4711")
    pair.replica.sql(pair.replica.words("START SLAVE SQL_THREAD"))


def delayed(pair):
    delay = 20
    pair.replica.sql(pair.replica.words("STOP SLAVE"))
    pair.replica.follow(pair.primary, delay=delay)
    pair.expect("delayed_deliberately")
    time.sleep(delay)
    pair.compare()
    entry = pair.verdict()
    assert entry["state"] == "delayed" and entry["lag_seconds"] < 2 and entry["delay_seconds"] == delay, entry
    pair.replica.sql(pair.replica.words("STOP SLAVE"))
    pair.replica.follow(pair.primary)


def table_locked(pair):
    holder = pair.replica.connect()
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLES lt.truth READ")
        cursor.execute("SELECT CONNECTION_ID()")
        number = cursor.fetchone()[0]
    try:
        entry = pair.expect("blocked")
        if LONG:
            pair.expect_alert("MysqlReplicaLag", 10 + 60 + EVALUATION + SLACK)
        pair.compare()
        entry = pair.verdict()
        assert str(number) in entry["summary"] + json.dumps(entry["evidence"]), (number, entry)
    finally:
        pair.allowed.add("MysqlReplicaLag")
        holder.close()


def long_transaction(pair):
    """A transaction that takes ten seconds and arrives at once is no lag."""
    worst = 0
    connection = pair.primary.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        for _ in range(20):
            cursor.execute("INSERT INTO lt.work (a) VALUES (1)")
            time.sleep(0.5)
        cursor.execute("COMMIT")
    connection.close()
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        entry = pair.verdict()
        worst = max(worst, pair.replica.seconds_behind() or 0)
        assert entry["state"] == "ok" and entry["lag_seconds"] < 2, entry
        time.sleep(0.5)
    pair.compare(4, at_least=2)


def burst(pair):
    """Writes faster than the applier can follow."""
    pair.sleep_on_replica(0.4, 50)
    pair.expect("applier_slow")
    pair.compare(10)
    until(lambda: pair.verdict()["even_in_seconds"] is not None or pair.verdict()["cause"] == "healthy", 60, "it catches up")
    pair.allowed.add("MysqlReplicaLag")


def burst_parallel(pair):
    workers = "slave_parallel_threads" if pair.replica.mariadb else "replica_parallel_workers"
    pair.replica.sql(pair.replica.words("STOP SLAVE"), f"SET GLOBAL {workers} = 4", pair.replica.words("START SLAVE"))
    until(lambda: pair.verdict()["cause"] == "healthy", 30, "healthy with parallel workers")
    pair.sleep_on_replica(0.4, 120)
    until(lambda: pair.verdict()["cause"] in ("applier_slow", "blocked"), 40, "it lags")
    pair.compare(4)
    pair.allowed.add("MysqlReplicaLag")


def idle_after_burst(pair):
    """A trap of parallel replication: after a pause, Seconds_Behind counts from long ago."""
    pair.truth.paused.set()
    time.sleep(15)
    pair.truth.paused.clear()
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        entry = pair.verdict()
        assert entry["state"] == "ok" and entry["lag_seconds"] < 1.5, entry
        time.sleep(0.5)


def password_changed(pair):
    pair.primary.sql("SET SESSION sql_log_bin = 0", "ALTER USER repl IDENTIFIED BY 'another'")
    pair.restart_receiver()
    pair.expect("credentials")
    pair.expect_alert("MysqlReplicationBroken", 20 + EVALUATION + SLACK)
    pair.compare(6)
    pair.primary.sql("SET SESSION sql_log_bin = 0", "ALTER USER repl IDENTIFIED BY 'repl'")
    pair.restart_receiver()


def reset_all(pair):
    pair.replica.sql(pair.replica.words("STOP SLAVE"), pair.replica.words("RESET SLAVE ALL"))
    entry = pair.expect("not_configured")
    assert entry["lag_seconds"] is None, entry
    pair.expect_alert("MysqlReplicationNotConfigured", 20 + EVALUATION + SLACK)
    pair.record(entry)
    pair.replica.follow(pair.primary)


def clock_shown_wrong(pair):
    pair.allowed |= {"MysqlReplicationAtRisk", "MysqlReplicationUnknown", "MysqlReplicationBroken", "MysqlDown"}
    pair.replica.restart_as_replica("--clock", "-30s")
    pair.expect("clock_skew", 60)
    if LONG:
        pair.expect_alert("MysqlReplicationAtRisk", 60 + EVALUATION + SLACK)
    pair.compare()
    pair.replica.restart_as_replica()


def heartbeat_killed(pair):
    """The primary's agent writes the heartbeat. Without it, the state of the primary is unknown, too."""
    pair.primary.stop_agent(kill=True)
    pair.allowed |= {"AgentSilent", "ObservationMissing"}
    pair.expect("heartbeat_dead", 60)
    pair.compare(6)
    if LONG:
        pair.expect_alert("MysqlReplicationAtRisk", 60 + EVALUATION + SLACK, "heartbeat_dead")
    pair.primary.start_agent()


def primary_killed(pair):
    pair.allowed |= {"MysqlDown"}
    pair.primary.stop("KILL")
    pair.expect("primary_down")
    pair.expect_alert("MysqlReplicationBroken", 20 + EVALUATION + SLACK)
    pair.record(pair.verdict())
    pair.primary.start()
    pair.restart_receiver()


def binary_log_purged(pair):
    """Only a new copy of the data repairs this."""
    pair.replica.sql(pair.replica.words("STOP SLAVE IO_THREAD"))
    time.sleep(1)
    pair.primary.sql("FLUSH BINARY LOGS")
    log = pair.primary.sql("SHOW BINARY LOGS")[-1]["Log_name"]
    time.sleep(1)
    pair.primary.sql(f"PURGE BINARY LOGS TO '{log}'")
    pair.replica.sql(pair.replica.words("START SLAVE IO_THREAD"))
    pair.allowed.add("MysqlReplicationStopped")
    pair.expect("binlog_purged")
    pair.expect_alert("MysqlReplicationBroken", 20 + EVALUATION + SLACK)
    pair.compare(6)
    pair.replica.skip_to(pair.primary)


def both_writable(pair):
    """Both accept writes, and then the replica has an extra row. The last scenario of its pair."""
    pair.allowed |= {"MysqlReplicationAtRisk", "CriticalFinding"}
    pair.replica.read_only(False)
    pair.expect("both_writable")
    pair.replica.sql("INSERT INTO lt.work (id, a) VALUES (5000, 1)")
    until(lambda: any("only the replica has" in line["text"] for line in pair.verdict()["evidence"]), 40, "the errant transaction")
    until(lambda: pair.findings("R7"), 30, "finding R7")
    pair.compare(6)
    if LONG:
        pair.expect_alert("MysqlReplicationAtRisk", 60 + EVALUATION + SLACK, "both_writable")
    pair.replica.read_only(True)
    pair.expect("errant_transactions")
    until(lambda: not any(cause == "both_writable" for _, cause in pair.firing()), EVALUATION + SLACK, "that alert is over")
    if LONG:
        pair.expect_alert("MysqlReplicationAtRisk", 60 + EVALUATION + SLACK, "errant_transactions")


def switchover(pair):
    """An orderly change of roles, without a declaration."""
    old, new = pair.primary, pair.replica
    pair.truth.paused.set()
    old.read_only(True)
    until(lambda: pair.truth.polled[-1][1] == len(pair.truth.committed), 20, "even")
    time.sleep(1)
    new.sql(new.words("STOP SLAVE"), new.words("RESET SLAVE ALL"))
    new.read_only(False)
    pair.primary, pair.replica = new, old
    old.follow(new)
    pair.truth.paused.clear()
    entry = pair.expect("healthy")
    assert entry["primary"] == new.host and any("changed roles" in line["text"] for line in entry["evidence"]), entry
    pair.compare()
    time.sleep(75)  # what the change of roles would raise, after a minute at the latest
    assert pair.verdict(new) is None and not pair.firing(), (pair.verdict(new), pair.firing())


def multi_source(pair):
    """Each channel has a verdict of its own."""
    replica = pair.replica

    def channels():
        return [pair.verdict(channel=channel) for channel in ("", "second")]
    assert [entry["primary"] for entry in channels()] == [pair.a.host, pair.c.host], channels()
    for channel in ("", "second"):
        pair.compare(channel=channel)
        heartbeat = [each for each in pair.verdict(channel=channel)["estimators"] if each["name"] == "heartbeat"]
        assert heartbeat and heartbeat[0]["lag_seconds"] is not None, heartbeat

    replica.sql(replica.thread("STOP", "SQL_THREAD", "second"))
    pair.expect("applier_stopped", channel="second")
    pair.expect_alert("MysqlReplicationStopped", 10 + EVALUATION + SLACK)
    told = {a["labels"]["channel"] for a in pair.site.alerts() if a["labels"].get("instance") == replica.host}
    assert told == {"second"}, told
    pair.compare(channel="second")
    pair.compare()
    assert pair.verdict()["cause"] == "healthy", pair.verdict()
    until(lambda: any("channel \"second\": the applier" in str(f["evidence"]) for f in pair.findings("R6")), 40, "finding R6")
    replica.sql(replica.thread("START", "SQL_THREAD", "second"))
    pair.settle()

    for link, cut, other in (("link0", "", "second"), ("link1", "second", "")):
        pair.cut(link)
        pair.allowed.add("MysqlReplicationBroken")
        try:
            pair.expect("network", channel=cut)
            pair.compare(channel=cut)
            assert pair.verdict(channel=other)["cause"] == "healthy", pair.verdict(channel=other)
        finally:
            pair.mend(link)
        replica.sql(replica.thread("STOP", "IO_THREAD", cut), replica.thread("START", "IO_THREAD", cut))
        pair.settle()

    replica.sql(replica.thread("STOP", "", "second"), "RESET SLAVE 'second' ALL" if replica.mariadb else
                "RESET REPLICA ALL FOR CHANNEL 'second'")
    pair.expect("not_configured", channel="second")
    pair.expect_alert("MysqlReplicationNotConfigured", 20 + EVALUATION + SLACK)
    assert pair.verdict()["cause"] == "healthy", pair.verdict()
    replica.follow(pair.c, "second")
    pair.settle()

    pair.allowed |= {"MysqlReplicationAtRisk", "CriticalFinding"}
    replica.read_only(False)
    replica.sql("INSERT INTO lt.work (id, a) VALUES (5000, 1)")
    until(lambda: all(entry["cause"] == "both_writable" and "only the replica has" in json.dumps(entry["evidence"])
                      for entry in channels()), 40, lambda: f"both writable, and errant: {channels()}")
    until(lambda: pair.findings("R7"), 30, "finding R7")
    replica.read_only(True)
    until(lambda: all(entry["cause"] == "errant_transactions" for entry in channels()), 40,
          lambda: f"errant transactions: {channels()}")


def semi_sync_waits(pair):
    """Commits wait for a semi-synchronous replica that is not there. The primary answers all the time."""
    primary = pair.primary
    role, none = ("master", "wait_no_slave") if primary.mariadb else ("source", "wait_no_replica")
    if not primary.mariadb:
        primary.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    pair.allowed.add("CriticalFinding")
    primary.sql(f"SET GLOBAL rpl_semi_sync_{role}_timeout = 1000000000", f"SET GLOBAL rpl_semi_sync_{role}_{none} = 1",
                f"SET GLOBAL rpl_semi_sync_{role}_enabled = 1")
    try:
        entry = pair.expect("commit_waits")
        assert "Waiting for semi-sync ACK from" in entry["summary"] and entry["confidence"] == "confirmed", entry
        assert f"rpl_semi_sync_{role}_enabled = 0" in entry["next_step"], entry
        finding = until(lambda: pair.findings("R16", primary), 40, "finding R16")[0]
        assert "Waiting for semi-sync ACK from" in finding["title"], finding
        pair.expect_alert("MysqlReplicationBroken", 20 + EVALUATION + SLACK, "commit_waits")
        waiting = primary.sql("SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE `lapwing`%'")
        assert waiting[0]["n"] == 1, "writes of the heartbeat pile up"
    finally:
        primary.sql(f"SET GLOBAL rpl_semi_sync_{role}_enabled = 0")
    until(lambda: not pair.findings("R16", primary), 60, "R16 is over")


def leftover_channel(pair):
    """RESET SLAVE without ALL keeps a channel on the primary."""
    primary = pair.primary
    word = "MASTER TO MASTER" if primary.mariadb else "REPLICATION SOURCE TO SOURCE"
    primary.sql(f"CHANGE {word}_HOST='10.99.255.9', {word.split()[-1]}_USER='x', {word.split()[-1]}_PASSWORD='y'")
    entry = pair.expect("leftover_channel", replica=primary)
    assert entry["state"] == "at_risk" and entry["lag_seconds"] is None, entry
    assert "START" not in entry["next_step"] and "read_only" not in entry["next_step"], entry
    finding = until(lambda: pair.findings("R17", primary), 40, "finding R17")[0]
    assert finding["severity"] == "low" and "RESET" in finding["remedy"], finding
    time.sleep(15)  # the heartbeat has stopped by now
    assert not pair.findings("R6", primary) and not pair.findings("R7", primary)
    assert pair.verdict()["cause"] == "healthy", pair.verdict()
    primary.sql(primary.words("RESET SLAVE ALL"))
    until(lambda: not pair.findings("R17", primary), 60, "R17 is over")


def account_locked(pair):
    pair.primary.sql("SET SESSION sql_log_bin = 0", "ALTER USER repl ACCOUNT LOCK")
    pair.restart_receiver()
    entry = pair.expect("credentials")
    assert "locked" in entry["summary"] and "firewall" not in entry["next_step"], entry
    pair.expect_alert("MysqlReplicationBroken", 20 + EVALUATION + SLACK)
    pair.primary.sql("SET SESSION sql_log_bin = 0", "ALTER USER repl ACCOUNT UNLOCK")
    pair.restart_receiver()


def relay_log_full(pair):
    pair.allowed |= {"MysqlReplicationAtRisk", "MysqlReplicationUnknown", "MysqlReplicationBroken", "MysqlDown", "MysqlReplicaLag"}
    pair.replica.restart_as_replica("--relay-log-space-limit=1048576", "--max-relay-log-size=262144")
    until(lambda: pair.verdict()["cause"] == "healthy", 60, "healthy with a limit")
    pair.sleep_on_replica(25, 1)
    pair.primary.sql(*["INSERT INTO lt.work (b) SELECT REPEAT('x', 200) FROM mysql.help_topic LIMIT 400"] * 30)
    entry = pair.expect("relay_log_full")
    assert entry["state"] == "lagging" and "firewall" not in entry["next_step"], entry
    pair.replica.restart_as_replica()
    until(lambda: pair.verdict()["cause"] == "healthy", 90, "healthy without a limit")


def server_full(pair):
    """Every connection of the primary is taken: it is full, and not down."""
    primary = pair.primary
    pair.allowed.add("CriticalFinding")
    primary.sql("SET GLOBAL max_connections = 12")
    taken = []
    try:
        for _ in range(20):
            try:
                taken.append(primary.connect())
            except Exception as error:
                assert error.args[0] == 1040, error
        finding = until(lambda: pair.findings("R15", primary), 40, "finding R15")[0]
        assert "max_connections is 12" in json.dumps(finding["evidence"]), finding
        assert pair.verdict()["cause"] != "primary_down", pair.verdict()
    finally:
        for connection in taken:
            connection.close()
        time.sleep(1)
        primary.sql("SET GLOBAL max_connections = 60")
    until(lambda: not pair.findings("R15", primary), 60, "R15 is over")


def foreign_heartbeat(pair):
    """pt-heartbeat reads what the agent writes; then it writes, and the agents read."""
    monitor = subprocess.run(pair.replica.pt_heartbeat("--monitor", "--run-time", "5s"), capture_output=True, text=True, timeout=60)
    ages = [float(line.split("s")[0]) for line in monitor.stdout.splitlines()]
    assert ages and max(ages) < 2, (monitor.stdout, monitor.stderr)
    if not pair.primary.mariadb:
        return  # Debian's pt-heartbeat writes by SHOW MASTER STATUS, which MySQL from 8.4 on refuses
    pair.allowed |= {"AgentSilent", "ObservationMissing", "MysqlReplicationAtRisk", "MysqlReplicationUnknown"}
    for server in (pair.a, pair.b):
        server.stop_agent()
        server.start_agent(heartbeat="read")
    writer = subprocess.Popen(pair.primary.pt_heartbeat("--update"), stdout=subprocess.DEVNULL)
    try:
        pair.settle(60)

        def heartbeat():
            return next(each for each in pair.verdict()["estimators"] if each["name"] == "heartbeat")["lag_seconds"]
        until(lambda: heartbeat() is not None and heartbeat() < 1, 20, lambda: f"its row is read: {pair.verdict()}")
        pair.compare()
        pair.replica.sql(pair.replica.words("STOP SLAVE SQL_THREAD"))
        pair.allowed.add("MysqlReplicationStopped")
        pair.expect("applier_stopped")
        until(lambda: (heartbeat() or 0) > 5 and abs(heartbeat() - pair.verdict()["lag_seconds"]) <= 1.5, 30,
              lambda: f"its row grows old: {pair.verdict()}")
        pair.replica.sql(pair.replica.words("START SLAVE SQL_THREAD"))
        pair.settle()
    finally:
        writer.kill()
        writer.wait()
    pair.expect("heartbeat_dead", 40)
    for server in (pair.a, pair.b):
        server.stop_agent()
        server.start_agent()


# The scenarios of a group follow each other on one pair of servers. Those of LAST leave it as it is.
CORE = [[healthy, network_cut, duplicate_key, leftover_channel], [table_locked, reset_all, heartbeat_killed],
        [semi_sync_waits, burst, primary_killed, both_writable]]
ALL = [[healthy, applier_stopped, receiver_stopped, network_cut, duplicate_key, password_changed, account_locked],
       [table_locked, long_transaction, burst, burst_parallel, idle_after_burst, delayed],
       [reset_all, clock_shown_wrong, heartbeat_killed, primary_killed, binary_log_purged],
       [leftover_channel, semi_sync_waits, server_full, relay_log_full],
       [foreign_heartbeat, both_writable], [switchover], [multi_source]]
LAST = {both_writable, multi_source}
GROUPS = ALL if LONG else CORE
measured = []


def figure(value, digits):
    return "" if value is None else f"{float(value):.{digits}f}"


class Run:
    """The groups of one kind of server, each in a thread with a pair of its own, watched by one collector."""

    def __init__(self, kind, groups, directory):
        self.kind = kind
        self.results = {scenario: Future() for group in groups for scenario in group}
        self.unexpected = set()
        self.ended = threading.Event()
        names = [chr(ord("p") + number) for number in range(len(groups))]
        several = [multi_source in group for group in groups]
        self.site = Site([(name + "a", name + "b") for name in names] +
                         [(name + "c", name + "b") for name, second in zip(names, several) if second])
        self.pairs = [Pair(self.site, number + 1, name, kind, several[number]) for number, name in enumerate(names)]
        self.threads = []
        try:
            data = template(kind, directory)
            self.site.start()
            self.threads = [threading.Thread(target=self.live, args=(pair, group, data)) for pair, group in zip(self.pairs, groups)]
            self.watcher = threading.Thread(target=self.watch)
            for thread in [*self.threads, self.watcher]:
                thread.start()
        except BaseException:
            self.close()
            raise

    def live(self, pair, scenarios, data):
        waiting = list(scenarios)
        try:
            pair.start(data)
            while waiting:
                self.results[waiting[0]].set_result(self.play(pair, waiting[0]))
                waiting.pop(0)
        except BaseException as error:
            for scenario in waiting:
                self.results[scenario].set_exception(error)
                error = AssertionError(f"{waiting[0].__name__} failed before it on the same pair")

    def play(self, pair, scenario):
        """What was measured, as text."""
        before, began = len(pair.rows), time.monotonic()
        scenario(pair)
        quiet = ""
        if scenario not in LAST:
            pair.settle()
            quiet = f"; quiet {pair.quiet_after:.0f} s after it was mended"
        for row in pair.rows[before:]:
            row.update(scenario=scenario.__name__, kind=pair.kind)
        figures = "; ".join(f"true {row['true']:.1f} s, says {figure(row['says'], 1) or 'unknown'}, off by at most "
                            f"{row['off_by']:.2f}, Seconds_Behind {figure(row['seconds_behind'], 0) or 'NULL'}"
                            for row in pair.rows[before:] if row["true"] is not None)
        return f"{time.monotonic() - began:.0f} s{'; ' + figures if figures else ''}{quiet}"

    def watch(self):
        """Notes every alert that no scenario expects."""
        while not self.ended.wait(1):
            try:
                for pair in self.pairs:
                    self.unexpected |= {(pair.name, *alert) for alert in pair.firing() if alert[0] not in pair.allowed}
            except OSError:
                pass

    def join(self):
        for thread in self.threads:
            thread.join()

    def close(self):
        self.join()
        self.ended.set()
        if self.threads:
            self.watcher.join()
        failed = any(result.done() and result.exception() for result in self.results.values())
        if os.environ.get("LAPWING_KEEP") is None or not failed:
            for pair in self.pairs:
                pair.close()
        self.site.close()


def write_table(rows, out):
    """Writes the table of docs/replication.md."""
    for kind in KINDS:
        out.write(f"\n{kind}\n\n| scenario | true | Lapwing says | cause | Seconds_Behind | true then | mysqld_exporter "
                  "| pt-heartbeat |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
        latest = {(row["scenario"], row["channel"], row["cause"]): row for row in rows if row.get("kind") == kind}
        for row in latest.values():
            name = row["scenario"] + (f", channel {row['channel']}" if row["channel"] else "")
            says = "unknown" if row["says"] is None else figure(row["says"], 1)
            says += "" if row["confidence"] == "confirmed" else f", {row['confidence']}"
            server = "no row" if row["cause"] == "not_configured" else figure(row["seconds_behind"], 0) or "NULL"
            out.write(f"| {name} | {figure(row['true'], 1)} | {says} | `{row['cause']}` | {server} | {figure(row['true_then'], 1)} "
                      f"| {row['mysqld_exporter'] or 'no series'} | {row['pt_heartbeat']} |\n")


@pytest.fixture(scope="module", params=KINDS)
def run(request):
    chosen = {item.callspec.params.get("scenario") for item in request.session.items if hasattr(item, "callspec")}
    groups = [[scenario for scenario in group if scenario in chosen] for group in GROUPS]
    # Short, since the path of a socket may have 107 characters, and open to the servers' users.
    directory = tempfile.mkdtemp(prefix="lwrt")
    os.chmod(directory, 0o755)
    try:
        running = Run(request.param, [group for group in groups if group], directory)
        yield running
        running.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    measured.extend(row for pair in running.pairs for row in pair.rows)
    if os.environ.get("LAPWING_TABLE"):
        with open(os.environ["LAPWING_TABLE"], "w") as out:
            write_table(measured, out)


@pytest.mark.parametrize("scenario", [scenario for group in GROUPS for scenario in group], ids=lambda scenario: scenario.__name__)
def test_scenario(run, scenario):
    print(run.results[scenario].result())


def test_nothing_fires_that_should_not(run):
    run.join()
    assert not run.unexpected, sorted(run.unexpected)
