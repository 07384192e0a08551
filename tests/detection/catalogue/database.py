"""Faults of the databases and of replication: web-01 is the primary, web-02 the replica."""

from fault import Fault, Told, ended, fails, holds, in_background, replica_status, run, sql_value

MARIADB = "mariadb -e \"{}\""
BROKEN = ("MysqlReplicationStopped", "MysqlReplicationBroken", "MysqlReplicationUnknown", "MysqlReplicaLag", "MysqlReplicationAtRisk",
          "ObservationMissing")
VISITORS = ("ServerErrors", "BackendErrors", "SiteErrorBudget", "SiteEntryDown", "ServerSlow", "PagesSlow", "BackendServerDown", "AppDown", "UpstreamSlow",
            "ServerRetries")


def replica(statement):
    return "web-02: " + MARIADB.format(statement)


def primary(statement):
    return "web-01: " + MARIADB.format(statement)


def applier_behind():
    """The replica lacks rows of the primary, and goes on lacking them."""
    ours, theirs = sql_value("web-02", "SELECT MAX(id) FROM site.visits"), sql_value("web-01", "SELECT MAX(id) FROM site.visits")
    return ours is not None and theirs is not None and int(theirs) > int(ours) + 1


def threads(io=None, applier=None):
    def proof():
        return (io is None or replica_status("Slave_IO_Running") == io) and (applier is None or replica_status("Slave_SQL_Running") == applier)
    return proof


def skip_to_the_primary():
    """Makes the replica go on at the primary's end."""
    position = sql_value("web-01", "SELECT @@gtid_binlog_pos")
    run(f"""web-02:
mariadb -e "STOP SLAVE; SET GLOBAL gtid_slave_pos = '{position}'; START SLAVE" """)


def purge():
    run("web-02: mariadb -e 'STOP SLAVE IO_THREAD'")
    run("web-01: mariadb -e 'FLUSH BINARY LOGS'; sleep 2; mariadb -e 'FLUSH BINARY LOGS'; sleep 1")
    newest = sql_value("web-01", "SHOW MASTER STATUS")
    run(f"web-01: mariadb -e \"PURGE BINARY LOGS TO '{newest}'\"")
    run("web-02: mariadb -e 'START SLAVE IO_THREAD'")


def configure_again():
    position = sql_value("web-01", "SELECT @@gtid_binlog_pos")
    run("web-01: mariadb -e \"DROP USER replication@'10.77.0.%'; CREATE USER replication@'10.77.0.%' IDENTIFIED BY 'fresh'; "
        "GRANT REPLICATION SLAVE ON *.* TO replication@'10.77.0.%'\"")
    run(f"web-02: mariadb -e \"SET GLOBAL gtid_slave_pos = '{position}'; CHANGE MASTER TO MASTER_HOST='10.77.0.11', MASTER_USER='replication', "
        "MASTER_PASSWORD='fresh', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=5, MASTER_HEARTBEAT_PERIOD=5; START SLAVE\"")


DUPLICATE = "SET sql_log_bin = 0; INSERT INTO site.visits (id, at, host) SELECT MAX(id) + 2, NOW(6), 'a stray row' FROM site.visits"

FAULTS = [
    Fault("primary-killed", "the primary's server is killed", "web-01: svc mariadb kill", "web-01: svc mariadb start",
          fails("web-01", "mariadb -e 'SELECT 1'"), (Told("MysqlDown", "web-01"), Told("MysqlReplicationBroken", "web-02", "primary")), (*BROKEN, *VISITORS, "MysqlDown")),
    Fault("primary-hung", "the primary's server hangs", "web-01: svc mariadb pause", "web-01: svc mariadb resume",
          fails("web-01", "timeout 3 mariadb -e 'SELECT 1'"),
          (Told("MysqlDown", "web-01"), Told("MysqlRefusesAgent", "web-01"), Told("MysqlReplicationUnknown", "web-02")), (*BROKEN, *VISITORS, "MysqlDown", "MysqlRefusesAgent")),
    Fault("replica-killed", "the replica's server is killed", "web-02: svc mariadb kill", "web-02: svc mariadb start",
          fails("web-02", "mariadb -e 'SELECT 1'"), (Told("MysqlDown", "web-02"),), (*BROKEN, *VISITORS, "MysqlDown")),
    Fault("replica-hung", "the replica's server hangs", "web-02: svc mariadb pause", "web-02: svc mariadb resume",
          fails("web-02", "timeout 3 mariadb -e 'SELECT 1'"), (Told("MysqlDown", "web-02"), Told("MysqlRefusesAgent", "web-02")),
          (*BROKEN, *VISITORS, "MysqlDown", "MysqlRefusesAgent")),
    Fault("applier-stopped", "the applier of the replica is stopped", replica("STOP SLAVE SQL_THREAD"), replica("START SLAVE SQL_THREAD"),
          threads(applier="No"), (Told("MysqlReplicationStopped", "web-02", "applier"),), BROKEN),
    Fault("receiver-stopped", "the receiver of the replica is stopped", replica("STOP SLAVE IO_THREAD"), replica("START SLAVE IO_THREAD"),
          threads(io="No"), (Told("MysqlReplicationStopped", "web-02", "receiver"),), BROKEN),
    Fault("both-threads-stopped", "replication is stopped", replica("STOP SLAVE"), replica("START SLAVE"), threads(io="No", applier="No"),
          (Told("MysqlReplicationStopped", "web-02", "stopped"),), BROKEN),
    Fault("applier-waits-for-a-lock", "somebody holds a lock on the replica, for which the applier waits",
          "web-02:\n" + in_background("lock", "mariadb site -e 'LOCK TABLES visits READ; SELECT SLEEP(900)'"),
          "web-02:\n" + ended("lock"), applier_behind, (Told("MysqlReplicaLag", "web-02", "lock"),), BROKEN, gradual=True),
    Fault("applier-meets-a-duplicate", "a row of the replica stands in the applier's way", replica(DUPLICATE),
          replica("SET sql_log_bin = 0; DELETE FROM site.visits WHERE host = 'a stray row'; START SLAVE"), threads(applier="No"),
          (Told("MysqlReplicationStopped", "web-02", "1062|duplicate"), Told("MysqlReplicationBroken", "web-02", "1062|duplicate|diverged")), BROKEN),
    Fault("applier-lacks-a-table", "a table is gone from the replica", replica("SET sql_log_bin = 0; RENAME TABLE site.visits TO site.gone"),
          replica("SET sql_log_bin = 0; RENAME TABLE site.gone TO site.visits; START SLAVE"), threads(applier="No"),
          (Told("MysqlReplicationStopped", "web-02", "1146|1032|table"), Told("MysqlReplicationBroken", "web-02", "1146|table|diverged")), (*BROKEN, *VISITORS)),
    Fault("replication-account-refused", "the password of the replication account is another one",
          primary("SET PASSWORD FOR replication@'10.77.0.%' = PASSWORD('another')") + "\n" + replica("STOP SLAVE; START SLAVE"),
          lambda: run("web-01: mariadb -e \"DROP USER replication@'10.77.0.%'; CREATE USER replication@'10.77.0.%' IDENTIFIED BY 'fresh'; "
                      "GRANT REPLICATION SLAVE ON *.* TO replication@'10.77.0.%'\"\n"
                      "web-02: mariadb -e \"STOP SLAVE; CHANGE MASTER TO MASTER_PASSWORD='fresh'; START SLAVE\""),
          lambda: replica_status("Last_IO_Errno") == "1045", (Told("MysqlReplicationBroken", "web-02", "account|password|denied|refused|1045"),), BROKEN),
    Fault("binary-log-purged", "the primary has purged what the replica lacks", purge, skip_to_the_primary,
          lambda: replica_status("Last_IO_Errno") == "1236", (Told("MysqlReplicationBroken", "web-02", "purged|1236|binary log"),), BROKEN),
    Fault("replication-filtered", "a rule on the primary drops the replica's connection",
          "web-01: nft 'add table inet fault; add chain inet fault input { type filter hook input priority -20; }; add rule inet fault input ip saddr 10.77.0.12 tcp dport 3306 drop'\n"
          + replica("STOP SLAVE IO_THREAD; START SLAVE IO_THREAD"),
          "web-01: nft 'add table inet fault; delete table inet fault'\n" + replica("STOP SLAVE IO_THREAD; START SLAVE IO_THREAD"),
          fails("web-02", "timeout 2 bash -c '</dev/tcp/10.77.0.11/3306'"), (Told("MysqlReplicationBroken", "web-02", "network|reach|connect|drop|rule"),), (*BROKEN, *VISITORS)),
    Fault("replication-forgotten", "somebody reset the replica: no channel is configured", replica("STOP SLAVE; RESET SLAVE ALL"),
          configure_again, lambda: replica_status("Slave_IO_Running") is None, (Told("MysqlReplicationNotConfigured", "web-02"),), BROKEN),
    Fault("replica-writable", "the replica accepts writes", replica("SET GLOBAL read_only = OFF"), replica("SET GLOBAL read_only = ON"),
          lambda: sql_value("web-02", "SELECT @@read_only") == "0", (Told("MysqlReplicationAtRisk", "web-02", "writ"),), BROKEN),
    Fault("errant-transaction", "somebody wrote to the replica", replica("INSERT INTO site.visits (id, at, host) VALUES (-5, NOW(6), 'errant')"),
          replica("SET sql_log_bin = 0; DELETE FROM site.visits WHERE id = -5; SET sql_log_bin = 1; STOP SLAVE; RESET MASTER; START SLAVE"),
          lambda: sql_value("web-02", "SELECT COUNT(*) FROM site.visits WHERE id = -5") == "1", (Told("MysqlReplicationAtRisk", "web-02", "errant|written"), Told("MysqlReplicationBroken", "web-02", "errant|written|diverged|1950|order")), BROKEN),
    Fault("primary-read-only", "the primary refuses writes", primary("SET GLOBAL read_only = ON"), primary("SET GLOBAL read_only = OFF"),
          lambda: sql_value("web-01", "SELECT @@read_only") == "1", (Told("PrimaryReadOnly", "web-01"), Told("ServerErrors", "web-0[12]")), VISITORS),
    Fault("connections-used-up", "an application holds nearly every connection of the primary",
          "web-01:\n" + in_background("hold", "/bin/bash -c 'for i in $(seq 36); do mariadb -e \"SELECT SLEEP(900)\" & done; wait'"), "web-01:\n" + ended("hold"),
          holds("web-01", "test $(pgrep -c -x mariadb) -ge 30"), (Told("MysqlConnectionsNearLimit", "web-01"), Told("MysqlRefusesAgent", "web-01")),
          (*VISITORS, *BROKEN, "MysqlRefusesAgent", "MysqlConnectionsNearLimit")),
    Fault("row-locks", "a transaction holds rows for which others wait",
          "web-01:\n" + in_background("hold", "/bin/bash -c '(echo \"BEGIN; UPDATE site.visits SET host = host WHERE id < 50; SELECT SLEEP(900);\" | mariadb) & sleep 1; "
                                      "for i in 1 2 3 4 5; do (while :; do mariadb -e \"SET innodb_lock_wait_timeout = 40; UPDATE site.visits SET host = host WHERE id = $((i + 10))\"; done) & done; wait'"),
          "web-01:\n" + ended("hold"), lambda: int(sql_value("web-01", "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") or 0) > 2,
          (Told("MysqlRowLockWaits", "web-01"), Told("MysqlWritesWait", "web-01", "lock")), (*VISITORS, "MysqlWritesWait", "MysqlRowLockWaits")),
    Fault("global-read-lock", "a backup without --single-transaction holds the global read lock on the primary",
          "web-01:\n" + in_background("hold", "mariadb -e 'FLUSH TABLES WITH READ LOCK; SELECT SLEEP(900)'"), "web-01:\n" + ended("hold"),
          holds("web-01", "mariadb -e 'SHOW PROCESSLIST' | grep -q 'Waiting for backup lock\\|Waiting for global read lock'"),
          (Told("MysqlWritesWait", "web-01", "lock"), Told("ServerErrors", "web-0[12]")), (*VISITORS, *BROKEN, "MysqlWritesWait")),
    Fault("semi-sync-waits", "the primary waits for the acknowledgement of a replica that does not come",
          primary("SET GLOBAL rpl_semi_sync_master_timeout = 600000; SET GLOBAL rpl_semi_sync_master_wait_no_slave = ON; SET GLOBAL rpl_semi_sync_master_enabled = ON"),
          primary("SET GLOBAL rpl_semi_sync_master_enabled = OFF"),
          holds("web-01", "mariadb -e 'SHOW PROCESSLIST' | grep -qi 'semi-sync'"), (Told("MysqlWritesWait", "web-01", "semi"), Told("ServerErrors", "web-0[12]")),
          (*VISITORS, *BROKEN, "MysqlWritesWait")),
]

