// The state of replication, from captured outputs of real servers.
#include "agent/probes/mysql/blocked.h"
#include "agent/probes/mysql/pulse.h"
#include "agent/probes/mysql/statements.h"
#include "common/digest.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/mysql_table.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::mysql;
using lapwing::test::Samples;
using lapwing::test::table;

namespace {

const std::string kUuid = "1d0506e4-e8ea-11f1-8f41-02fc00000001";

Samples replica(const Table& rows, std::optional<double> now = std::nullopt, bool whole = true) {
    ProbeResult out;
    parseReplicaStatus(rows, {now, whole}, out);
    return Samples(out.families);
}

struct Threads {
    ProbeResult result;
    Samples samples;
    Threads(const Table& rows, const std::vector<ChannelState>& channels)
        : result(parse(rows, channels)), samples(result.families) {}
    static ProbeResult parse(const Table& rows, const std::vector<ChannelState>& channels) {
        ProbeResult out;
        parseThreads(rows, channels, out);
        return out;
    }
    std::optional<double> workers(const char* state) const {
        return samples.value("lapwing_mysql_replica_workers", {{"channel_name", ""}, {"state", state}});
    }
    std::optional<double> age() const { return samples.value("lapwing_mysql_replica_applying_age_seconds"); }
};

ChannelState running(bool backlog = false) {
    return {"", true, true, backlog, "binlog.000001:1"};
}

}  // namespace

TEST_CASE("the statement for each version") {
    struct Case {
        const char* version;
        const char* replica;
        const char* source;
        const char* replicas;
        const char* privilege;
    };
    for (const auto& each : {
             Case{"5.7.44-log", "SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS",
                  "REPLICATION CLIENT"},
             Case{"8.0.21", "SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS",
                  "REPLICATION CLIENT"},
             Case{"8.0.22", "SHOW REPLICA STATUS", "SHOW MASTER STATUS", "SHOW REPLICAS",
                  "REPLICATION CLIENT"},
             Case{"8.0.36-28", "SHOW REPLICA STATUS", "SHOW MASTER STATUS", "SHOW REPLICAS",
                  "REPLICATION CLIENT"},
             Case{"8.2.0", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SHOW REPLICAS",
                  "REPLICATION CLIENT"},
             Case{"8.4.0", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SHOW REPLICAS",
                  "REPLICATION CLIENT"},
             Case{"9.7.4-2", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SHOW REPLICAS",
                  "REPLICATION CLIENT"},
             Case{"5.5.5-10.3.39-MariaDB", "SHOW ALL SLAVES STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS",
                  "REPLICATION CLIENT"},
             Case{"10.5.8-MariaDB", "SHOW ALL SLAVES STATUS", "SHOW BINLOG STATUS", "SHOW REPLICA HOSTS",
                  "BINLOG MONITOR"},
             Case{"10.11.19-MariaDB-0+deb12u1-log", "SHOW ALL SLAVES STATUS", "SHOW BINLOG STATUS",
                  "SHOW REPLICA HOSTS", "BINLOG MONITOR"},
             Case{"11.8.9-MariaDB-0+deb13u1 from Debian", "SHOW ALL SLAVES STATUS", "SHOW BINLOG STATUS",
                  "SHOW REPLICA HOSTS", "BINLOG MONITOR"},
         }) {
        INFO(each.version);
        const auto version = parseVersion(each.version);
        CHECK(replicaStatement(version) == std::string(each.replica));
        CHECK(sourceStatement(version) == std::string(each.source));
        CHECK(replicasStatement(version) == std::string(each.replicas));
        CHECK(sourcePrivilege(version) == std::string(each.privilege));
    }
}

TEST_CASE("statements name only what their version has") {
    const auto has = [](const std::string& text, const char* part) {
        return text.find(part) != std::string::npos;
    };
    const auto old = parseVersion("5.7.44");
    const auto mysql = parseVersion("9.7.4");
    const auto mariadb = parseVersion("10.3.39-MariaDB");
    CHECK(has(threadsStatement(mysql), "APPLYING_TRANSACTION"));
    CHECK_FALSE(has(threadsStatement(old), "APPLYING_TRANSACTION"));
    CHECK(has(threadsStatement(old), "COUNT_RECEIVED_HEARTBEATS"));
    CHECK(threadsStatement(mariadb).empty());
    CHECK(has(blockerStatement(mysql), "data_lock_waits"));
    CHECK(has(blockerStatement(old), "INNODB_LOCK_WAITS"));
    CHECK(has(blockerStatement(mariadb), "INNODB_LOCK_WAITS"));
    CHECK(metadataLocksStatement(mysql).empty());
    for (const auto& version : {mariadb, mysql}) {
        CHECK(has(sessionStatement(version), "autocommit = 1"));
        CHECK(has(sessionStatement(version), "sql_mode = ''"));
    }
    CHECK(has(sessionStatement(mariadb), "lock_wait_timeout = 0"));
    CHECK(has(sessionStatement(mysql), "lock_wait_timeout = 1"));
    CHECK(has(sessionStatement(parseVersion("10.2.44-MariaDB")), "lock_wait_timeout = 1"));

    PulseParts parts;
    CHECK(pulseStatement(mysql, parts) ==
          "SELECT UTC_TIMESTAMP(6) AS utc, @@global.read_only AS read_only, @@global.super_read_only AS "
          "super_read_only, @@global.gtid_executed AS gtid_executed");
    CHECK(has(pulseStatement(mariadb, parts), "gtid_binlog_pos"));
    CHECK_FALSE(has(pulseStatement(mariadb, parts), "super_read_only"));
    parts.process = true;
    parts.heartbeat = "`a`.`b`";
    CHECK_FALSE(has(pulseStatement(mysql, parts), "processlist"));
    CHECK(has(pulseStatement(mysql, parts), "FROM `a`.`b`"));
    CHECK(has(pulseStatement(mariadb, parts), "SLAVES_CONNECTED"));
    CHECK_FALSE(has(pulseStatement(mysql, parts), "SLAVES_CONNECTED"));
    CHECK(has(pulseStatement(mysql, parts), "INNODB_TRX"));
    parts.performance_schema = true;
    CHECK(has(pulseStatement(mysql, parts), "performance_schema.processlist"));
    CHECK_FALSE(has(pulseStatement(old, parts), "processlist"));
    CHECK_FALSE(has(pulseStatement(mariadb, parts), "processlist"));
}

TEST_CASE("no statement reads the list of processes through a temporary table on disk") {
    PulseParts parts;
    parts.process = true;
    for (const char* text : {"5.7.44", "8.0.21", "8.0.22", "9.7.4", "10.3.39-MariaDB", "11.8.9-MariaDB"}) {
        INFO(text);
        const auto version = parseVersion(text);
        for (const bool performance_schema : {false, true}) {
            parts.performance_schema = performance_schema;
            for (const auto& statement :
                 {pulseStatement(version, parts), processStatement(version, performance_schema),
                  processListStatement(version, performance_schema), blockerStatement(version),
                  metadataLocksStatement(version)}) {
                CHECK(statement.find("information_schema.PROCESSLIST") == std::string::npos);
            }
        }
    }
    CHECK(processListStatement(parseVersion("9.7.4"), false) == "SHOW PROCESSLIST");
    CHECK(processListStatement(parseVersion("8.0.21"), true) == "SHOW PROCESSLIST");
    CHECK(processListStatement(parseVersion("11.8.9-MariaDB"), true) == "SHOW PROCESSLIST");
    CHECK(processListStatement(parseVersion("8.0.22"), true).find("performance_schema.processlist") !=
          std::string::npos);
}

TEST_CASE("the pulse of a primary and of a replica") {
    const auto primary = parsePulse(table("mariadb-10.11/pulse-primary.tsv"));
    CHECK(primary.utc == Approx(1795624007.503687));
    CHECK(primary.read_only == false);
    CHECK_FALSE(primary.super_read_only);
    CHECK(primary.dump_threads == 1);
    CHECK(primary.longest_transaction == 0);
    REQUIRE(primary.positions.size() == 1);
    CHECK(primary.positions.at("0").sequence == 11);
    REQUIRE(primary.heartbeats);
    REQUIRE(primary.heartbeats->size() == 1);
    CHECK(primary.heartbeats->at(0).server_id == "1");

    Families out;
    addPulse(parsePulse(table("mysql-9.7/pulse-replica.tsv")), 0.25, out);
    const Samples samples(out);
    CHECK(samples.value("mysql_global_variables_read_only") == 0);
    CHECK(samples.value("mysql_global_variables_super_read_only") == 0);
    CHECK(samples.value("lapwing_mysql_clock_offset_seconds") == 0.25);
    CHECK(samples.value("lapwing_mysql_dump_threads") == 0);
    CHECK(samples.value("lapwing_mysql_gtid_sequence",
                        {{"set", "executed"}, {"domain", ""}, {"source", kUuid}}) == 11);
    CHECK(samples.value("lapwing_mysql_gtid_last", {{"set", "executed"}, {"source", kUuid}}) == 11);
    CHECK(samples.value("lapwing_mysql_heartbeat_age_seconds", {{"server_id", "1"}}).value() ==
          Approx(44.386752));
    CHECK(samples.value("mysql_heartbeat_now_timestamp_seconds", {{"server_id", "1"}}).value() -
              samples.value("mysql_heartbeat_stored_timestamp_seconds", {{"server_id", "1"}}).value() ==
          Approx(44.386752));
}

TEST_CASE("a pulse of a MariaDB with a write of its own") {
    Table rows;
    rows.columns = {"utc", "gtid_binlog_pos", "gtid_slave_pos", "gtid_binlog_state"};
    rows.rows = {{"2026-11-25 16:00:00.5", "0-1-12", "0-1-12", "0-2-11,0-1-12,nonsense"}};
    Families out;
    addPulse(parsePulse(rows), std::nullopt, out);
    const Samples samples(out);
    const auto sequence = [&](const char* set, const char* source) {
        return samples.value("lapwing_mysql_gtid_sequence",
                             {{"set", set}, {"domain", "0"}, {"source", source}});
    };
    CHECK(sequence("executed", "1") == 12);
    CHECK(sequence("binlog_state", "1") == 12);
    CHECK(sequence("binlog_state", "2") == 11);
    CHECK(samples.size() == 3);
}

TEST_CASE("forbidden parts of a pulse are absent, not 0") {
    Table rows;
    rows.columns = {"utc", "read_only", "gtid_binlog_pos", "gtid_slave_pos"};
    rows.rows = {{"2026-11-25 16:00:00.5", "NO_LOCK", "", std::nullopt}};
    Families out;
    const auto pulse = parsePulse(rows);
    addPulse(pulse, std::nullopt, out);
    CHECK_FALSE(pulse.heartbeats);
    const Samples samples(out);
    CHECK(samples.size() == 1);
    CHECK(samples.value("mysql_global_variables_read_only") == 1);  // in some degree
    CHECK_FALSE(parsePulse({}).utc);
}

TEST_CASE("the replicas of a MariaDB, and the threads that read its binary log") {
    Table rows;
    rows.columns = {"utc", "registered_replicas"};
    rows.rows = {{"2026-11-25 16:00:00.5", "2"}};
    CHECK(parsePulse(rows).registered_replicas == 2);
    CHECK_FALSE(parsePulse({}).registered_replicas);
    Process dump;
    dump.command = "Binlog Dump";
    Process gtid;
    gtid.command = "Binlog Dump GTID";
    Process query;
    query.command = "Query";
    query.statement = "Binlog Dump";
    CHECK(dumpThreads({dump, gtid, query}) == 2);
    CHECK(dumpThreads({}) == 0);
}

TEST_CASE("times") {
    CHECK(parseTimestamp("1970-01-02 00:00:01") == 86401);
    CHECK(parseTimestamp("2024-02-29T23:59:59.25") == 1709251199.25);
    CHECK(parseTimestamp("2026-11-25 16:26:47.503687").value() == Approx(1795624007.503687));
    for (const char* bad :
         {"", "2026-11-25", "0000-00-00 00:00:00.000000", "2026-11-25 16:26:47.", "2026-11-25x16:26:47",
          "2026-11-25 16:26:47.5x", "2026-11-25 16:26:47.-5", "2026-11-25 16:26:4"}) {
        INFO(bad);
        CHECK_FALSE(parseTimestamp(bad));
    }
    CHECK(formatTimestamp(1709251199.25) == "2024-02-29 23:59:59.250000");
    CHECK(parseTimestamp(formatTimestamp(1795624007.000001)) == parseTimestamp("2026-11-25 16:26:47.000001"));
}

TEST_CASE("GTIDs of MySQL") {
    const auto sets = parseGtidSet(
        "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:7,\n"
        "3e11fa47-71ca-11e1-9e33-c80aa9429563:21-57:tag_a:1-3:9:b:4");
    REQUIRE(sets.size() == 4);
    CHECK(sets.at("3e11fa47-71ca-11e1-9e33-c80aa9429562").transactions == 6);
    CHECK(sets.at("3e11fa47-71ca-11e1-9e33-c80aa9429562").last == 7);
    CHECK(sets.at("3e11fa47-71ca-11e1-9e33-c80aa9429563").transactions == 37);
    CHECK(sets.at("3e11fa47-71ca-11e1-9e33-c80aa9429563:tag_a").transactions == 4);
    CHECK(sets.at("3e11fa47-71ca-11e1-9e33-c80aa9429563:b").last == 4);
    CHECK(parseGtidSet("").empty());
    CHECK(parseGtidSet("x:1-5,3e11fa47-71ca-11e1-9e33-c80aa942956z!:1").empty());
    CHECK(parseGtidSet("3e11fa47-71ca-11e1-9e33-c80aa9429562:5-1:-3:1-2-3").empty());
}

TEST_CASE("GTIDs of MariaDB: the highest of each domain and its server") {
    std::map<std::string, GtidPosition> domains;
    mergeGtidList("0-1-100,1-2-50", domains);
    mergeGtidList(" 0-3-120 , 1-9-7,bad,1-2,--,0-x-900", domains);
    REQUIRE(domains.size() == 2);
    CHECK(domains["0"].server == "3");
    CHECK(domains["0"].sequence == 120);
    CHECK(domains["1"].server == "2");
    CHECK(domains["1"].sequence == 50);
}

TEST_CASE("the source of a channel, and its progress") {
    const auto mariadb = replica(table("mariadb-10.11/replica-healthy.tsv"));
    CHECK(mariadb.value("lapwing_mysql_replica_source_info", {{"channel_name", ""},
                                                              {"source_host", "127.0.0.1"},
                                                              {"source_port", "28301"},
                                                              {"source_server_id", "1"},
                                                              {"source_uuid", ""},
                                                              {"using_gtid", "Slave_Pos"}}) == 1);
    CHECK(mariadb.value("lapwing_mysql_replica_read_file_number") == 1);
    CHECK(mariadb.value("lapwing_mysql_replica_read_position_bytes") == 1103);
    CHECK(mariadb.value("lapwing_mysql_replica_exec_file_number") == 1);
    CHECK(mariadb.value("lapwing_mysql_replica_exec_position_bytes") == 1103);
    CHECK(mariadb.value("lapwing_mysql_replica_relay_log_bytes") == 1698);
    CHECK(mariadb.value("lapwing_mysql_replica_received_heartbeats_total") == 4);
    CHECK(mariadb.value("lapwing_mysql_gtid_sequence",
                        {{"set", "received"}, {"domain", "0"}, {"source", "1"}}) == 5);
    CHECK(mariadb.count("lapwing_mysql_replica_filters_info") == 0);

    const auto mysql = replica(table("mysql-9.7/replica-healthy.tsv"));
    CHECK(mysql.label("lapwing_mysql_replica_source_info", "using_gtid") == "Auto_Position");
    CHECK(mysql.label("lapwing_mysql_replica_source_info", "source_uuid") ==
          "893955a8-e70b-11f1-a42f-02fc00000001");
    CHECK(mysql.value("lapwing_mysql_replica_exec_position_bytes") == 1096);
    CHECK(mysql.value("lapwing_mysql_gtid_sequence",
                      {{"set", "received"}, {"source", "893955a8-e70b-11f1-a42f-02fc00000001"}}) == 4);
    CHECK(mysql.count("lapwing_mysql_replica_received_heartbeats_total") == 0);  // performance_schema's

    const auto connecting = replica(table("mariadb-10.11/replica-connecting.tsv"));
    CHECK(connecting.count("lapwing_mysql_replica_read_position_bytes") == 0);
}

TEST_CASE("MariaDB 11.8 shows the time of the last events") {
    const auto rows = table("mariadb-11.8/replica-healthy.tsv");
    const auto at = parseTimestamp(*rows.rows[0][*rows.find("Master_last_event_time")]);
    REQUIRE(at);
    const auto samples = replica(rows, *at + 3);
    for (const char* side : {"source", "applied"}) {
        CHECK(samples.value("lapwing_mysql_replica_last_event_age_seconds",
                            {{"channel_name", ""}, {"side", side}}) == 3);
    }
    CHECK(replica(rows).count("lapwing_mysql_replica_last_event_age_seconds") == 0);
}

TEST_CASE("replication filters") {
    auto rows = table("mysql-9.7/replica-healthy.tsv");
    rows.rows[0][*rows.find("Replicate_Do_DB")] = "app,site";
    rows.rows[0][*rows.find("Replicate_Wild_Ignore_Table")] = std::string(300, 'x');
    const auto samples = replica(rows);
    CHECK(samples.count("lapwing_mysql_replica_filters_info") == 2);
    CHECK(samples.value("lapwing_mysql_replica_filters_info",
                        {{"channel_name", ""}, {"filter", "replicate_do_db=app,site"}}) == 1);
    CHECK(samples.value("lapwing_mysql_replica_filters_info",
                        {{"channel_name", ""}, {"filter", "replicate_wild_ignore_table=300 bytes"}}) == 1);
    CHECK(replica(rows, std::nullopt, false).count("lapwing_mysql_replica_filters_info") == 0);
}

TEST_CASE("the known progress of the channels") {
    auto rows = table("mariadb-10.11/replica-two-channels.tsv");
    const auto two = channelStates(rows);
    REQUIRE(two.size() == 2);
    CHECK(two[0].name.empty());
    CHECK(two[0].applier_runs);
    CHECK(two[0].receiver_runs);
    CHECK_FALSE(two[0].backlog);
    CHECK(two[1].name == "second");
    CHECK_FALSE(two[1].receiver_runs);
    rows = table("mysql-9.7/replica-healthy.tsv");
    rows.rows[0][*rows.find("Read_Source_Log_Pos")] = "2000";
    CHECK(channelStates(rows).at(0).backlog);
    CHECK(channelStates(rows).at(0).applied == "binlog.000001:1096");
    CHECK(channelStates(table("mariadb-10.11/replica-none.tsv")).empty());
}

TEST_CASE("workers of MySQL: old times of idle workers are not lag") {
    const auto idle = table("mysql-9.7/threads-idle.tsv");
    const Threads drained(idle, {running()});
    CHECK(drained.age() == 0);
    CHECK(drained.workers("idle") == 4);
    CHECK(drained.workers("applying") == 0);
    CHECK(drained.workers("stopped") == 0);
    CHECK(drained.samples.value("lapwing_mysql_replica_received_heartbeats_total") == 1056);
    CHECK(drained.samples.value("lapwing_mysql_replica_last_heartbeat_age_seconds") == 0.1724);
    // A stopped thread: the waiting transactions are unknown.
    auto stopped = running();
    stopped.receiver_runs = false;
    CHECK_FALSE(Threads(idle, {stopped}).age());
    // The last received transaction is not among the applied ones.
    auto queued = idle;
    queued.rows[0][*queued.find("last")] = kUuid + ":12";
    CHECK_FALSE(Threads(queued, {running()}).age());
    // Without GTIDs the positions decide.
    queued.rows[0][*queued.find("last")] = "ANONYMOUS";
    CHECK(Threads(queued, {running()}).age() == 0);
    CHECK_FALSE(Threads(queued, {running(true)}).age());
    // A channel that is missing from the status is left out.
    CHECK(Threads(idle, {}).samples.size() == 0);
}

TEST_CASE("workers of MySQL: applying, stopped, failed") {
    const Threads applying(table("mysql-9.7/threads-applying.tsv"), {running(true)});
    CHECK(applying.age() == 2.6221);
    CHECK(applying.workers("applying") == 1);
    CHECK(applying.workers("idle") == 3);
    // A source without commit times: no number, and certainly not 0.
    auto silent = table("mysql-9.7/threads-applying.tsv");
    silent.rows[2][*silent.find("age")] = std::nullopt;
    CHECK_FALSE(Threads(silent, {running(true)}).age());

    auto state = running();
    state.applier_runs = false;
    const Threads stopped(table("mysql-9.7/threads-sql-stopped.tsv"), {state});
    CHECK_FALSE(stopped.age());
    CHECK(stopped.workers("stopped") == 4);

    const Threads failed(table("mysql-9.7/threads-error.tsv"), {state});
    CHECK_FALSE(failed.age());
    CHECK(failed.samples.label("lapwing_mysql_replica_error_info", "thread") == "worker");
    CHECK(failed.samples.label("lapwing_mysql_replica_error_info", "errno") == "1062");
    REQUIRE(failed.result.documents.size() == 1);
    CHECK(failed.result.documents[0].body.find("Duplicate entry '500' for key 't.PRIMARY'") !=
          std::string::npos);
}

TEST_CASE("MySQL 5.7 shows threads without their transactions") {
    Table rows;
    rows.columns = {"side", "channel", "state", "heartbeats", "age", "last", "present", "error_number"};
    rows.rows = {{"receiver", "", "ON", "7", "0.5", std::nullopt, std::nullopt, "0"},
                 {"worker", "", "ON", std::nullopt, std::nullopt, std::nullopt, std::nullopt, "0"}};
    const Threads threads(rows, {running()});
    CHECK(threads.samples.value("lapwing_mysql_replica_received_heartbeats_total") == 7);
    CHECK_FALSE(threads.age());
    CHECK_FALSE(threads.workers("idle"));
    CHECK(threads.workers("stopped") == 0);
}

TEST_CASE("the primary's binary log") {
    for (const char* server : {"mariadb-10.11", "mariadb-11.8", "mysql-9.7"}) {
        INFO(server);
        const auto place = parseBinlogPlace(table(std::string(server) + "/binlog-status.tsv"));
        REQUIRE(place);
        CHECK(place->number == 2);
        const auto files = parseBinaryLogs(table(std::string(server) + "/binary-logs.tsv"));
        REQUIRE(files.size() == 2);
        CHECK(files[1].bytes == place->position);
        Families out;
        parseReplicas(table(std::string(server) + "/replicas.tsv"), out);
        const Samples samples(out);
        CHECK(samples.value("lapwing_mysql_connected_replicas") == 1);
        CHECK(samples.value("lapwing_mysql_connected_replica_info",
                            {{"server_id", "2"}, {"host", "replica-host"}}) == 1);
        CHECK(samples.label("mysql_slave_hosts_info", "master_id") == "1");
    }
    Families out;
    addBinlogPlace(*parseBinlogPlace(table("mariadb-10.11/binlog-status.tsv")), out);
    addBinaryLogs(parseBinaryLogs(table("mariadb-10.11/binary-logs.tsv")), out);
    const Samples samples(out);
    CHECK(samples.value("lapwing_mysql_binlog_file_number") == 2);
    CHECK(samples.value("lapwing_mysql_binlog_position_bytes") == 2426);
    CHECK(samples.value("lapwing_mysql_binlog_size_bytes_total") == 2774);
    CHECK(samples.value("mysql_binlog_size_bytes") == 2774);
    CHECK(samples.value("mysql_binlog_files") == 2);
    CHECK(samples.value("mysql_binlog_file_number") == 2);
    CHECK_FALSE(parseBinlogPlace({}));
}

TEST_CASE("bytes written to the binary log, over changes of file") {
    BinlogCounter counter;
    const auto at = [](double number, double position) { return BinlogPlace{"binlog", number, position}; };
    CHECK(counter.update(at(5, 1000), {}) == 0);
    CHECK(counter.update(at(5, 1500), {}) == 500);
    CHECK_FALSE(counter.needsFiles(at(5, 1600)));
    CHECK(counter.needsFiles(at(7, 204)));
    // 5 ended at 2000, 6 had 104, 7 has 204 so far; each begins with a magic number of 4 bytes.
    CHECK(counter.update(at(7, 204), {{5, 2000}, {6, 104}, {7, 204}}) == 1300);
    CHECK(counter.update(at(8, 54), {}) == 1350);  // the bytes of 7 are unknown
    CHECK(counter.update(at(1, 154), {}) == 0);    // RESET
    CHECK(counter.update(at(1, 155), {}) == 1);
}

TEST_CASE("an applier that runs and has work but makes no progress") {
    Stalls stalls;
    const auto start = std::chrono::steady_clock::now();
    const auto at = [&](int ms) { return start + std::chrono::milliseconds(ms); };
    auto state = running(true);
    CHECK(stalls.update({state}, at(0)).empty());
    CHECK(stalls.update({state}, at(1000)).empty());
    CHECK(stalls.update({state}, at(2000)) == std::map<std::string, double>{{"", 2.0}});
    state.applied = "binlog.000001:2";
    CHECK(stalls.update({state}, at(3000)).empty());
    CHECK(stalls.update({state}, at(5000)).size() == 1);
    state.backlog = false;
    CHECK(stalls.update({state}, at(6000)).empty());
    state.backlog = true;
    CHECK(stalls.update({state}, at(7000)).empty());  // an idle time is no stall
    state.applier_runs = false;
    CHECK(stalls.update({state}, at(9000)).empty());
}

TEST_CASE("the blocker of an applier") {
    const std::map<std::string, double> stalled = {{"", 3.5}};
    const auto report = [&](const std::vector<Blocker>& blockers, std::string& document) {
        ProbeResult out;
        Blockings().add(stalled, blockers, out);
        REQUIRE(out.documents.size() == 1);
        CHECK(out.documents[0].kind == "mysql_blocker");
        document = out.documents[0].body;
        const Samples samples(out.families);
        CHECK(samples.label("lapwing_mysql_applier_blocked_seconds", "digest") == sha256(document));
        return samples.label("lapwing_mysql_applier_blocked_seconds", "kind") + " " +
               samples.label("lapwing_mysql_applier_blocked_seconds", "blocker");
    };
    const auto blocked = [&](const std::string& file, std::string& document) {
        return report(parseBlockers(table(file)), document);
    };
    // MariaDB: the locks of InnoDB, and the list of processes.
    const auto listed = [&](const std::string& file, const std::string& processes, std::string& document) {
        auto blockers = file.empty() ? std::vector<Blocker>() : parseBlockers(table(file));
        nameAppliersBlockers(parseProcesses(table(processes)), blockers);
        return report(blockers, document);
    };
    std::string document;
    CHECK(blocked("mysql-9.7/blocked-by-table-lock.tsv", document) == "metadata_lock 38");
    CHECK(document ==
          "waits for: metadata_lock\non: app.t\nheld by connection: 38 (root@localhost)\n"
          "its statement: SELECT `sleep` (?)\n");
    CHECK(blocked("mysql-9.7/blocked-by-transaction.tsv", document) == "transaction 41");
    CHECK(blocked("mysql-9.7/blocked-by-read-lock.tsv", document) == "lock 43");
    CHECK(listed("mariadb-10.11/blocked-by-transaction.tsv", "mariadb-10.11/processes-transaction.tsv",
                 document) == "transaction 9");
    CHECK(document ==
          "waits for: transaction\non: `app`.`t`\nheld by connection: 9 (root@localhost)\n"
          "its statement: SELECT SLEEP(?)\n");
    CHECK(listed("", "mariadb-10.11/processes-read-lock.tsv", document) == "lock ");
    CHECK(listed("", "mariadb-10.11/processes-table-lock.tsv", document) == "metadata_lock ");
    CHECK(document ==
          "waits for: metadata_lock\non: unknown\nheld by connection: unknown\nits statement: unknown\n");
}

TEST_CASE("InnoDB's lock waits of clients do not block an applier") {
    const auto processes = parseProcesses(table("mariadb-10.11/processes-transaction.tsv"));
    const auto kept = [&](const char* waiter, const char* holder) {
        Blocker blocker;
        blocker.kind = "transaction";
        blocker.waiter = waiter;
        blocker.id = holder;
        std::vector<Blocker> blockers = {blocker};
        nameAppliersBlockers(processes, blockers);
        return blockers.size();
    };
    CHECK(kept("7", "9") == 1);
    CHECK(kept("12", "9") == 0);  // a client waits
    CHECK(kept("7", "6") == 0);   // another thread of replication holds the lock
    CHECK(kept("7", "99") == 0);  // the holder has gone
}

TEST_CASE("MariaDB's plugin names the holder if there is only one") {
    const auto processes = parseProcesses(table("mariadb-10.11/processes-table-lock.tsv"));
    std::vector<Blocker> blockers;
    nameAppliersBlockers(processes, blockers);
    auto locks = table("mariadb-10.11/metadata-locks.tsv");
    nameHolder(locks, processes, blockers);
    CHECK(blockers.at(0).id == "14");
    CHECK(blockers.at(0).user == "root");
    CHECK(blockers.at(0).statement == "SELECT SLEEP(?)");
    CHECK(blockers.at(0).object == "app.t");
    blockers.clear();
    nameAppliersBlockers(processes, blockers);
    // The applier itself holds locks of the table, too.
    locks.rows.push_back(locks.rows[0]);
    locks.rows.back()[0] = "7";
    nameHolder(locks, processes, blockers);
    CHECK(blockers.at(0).id == "14");
    blockers.clear();
    nameAppliersBlockers(processes, blockers);
    locks.rows.back()[0] = "17";
    nameHolder(locks, processes, blockers);
    CHECK(blockers.at(0).id.empty());
}

TEST_CASE("a blocker keeps its first document") {
    Blockings blockings;
    Blocker blocker{"", "transaction", "7", "app", "web", "UPDATE a", "app.t", ""};
    const auto digest = [&] {
        ProbeResult out;
        blockings.add({{"", 2}, {"other", 2}}, {blocker, blocker}, out);
        return Samples(out.families).label("lapwing_mysql_applier_blocked_seconds", "digest");
    };
    const auto first = digest();
    blocker.statement = "UPDATE b";
    CHECK(digest() == first);
    ProbeResult none;
    blockings.add({}, {}, none);
    CHECK(none.families.empty());
    CHECK(digest() != first);
}

TEST_CASE("a statement for people has no literals") {
    CHECK(withoutLiterals("UPDATE t1 SET pass='it''s \\' hid',\n  n = -12.5e3 WHERE a2=\"x\"") ==
          "UPDATE t1 SET pass=?, n = -? WHERE a2=?");
    CHECK(withoutLiterals("CREATE USER u IDENTIFIED BY 'unterminated") == "CREATE USER u IDENTIFIED BY ?");
    CHECK(withoutLiterals("'\\").size() == 1);
    CHECK(withoutLiterals(std::string(9000, 'a')).size() == 500);
    CHECK(withoutLiterals("SELECT \xff\xfe") == "SELECT ");
}

TEST_CASE("server info and semi-synchronous state") {
    Families out;
    parseServerInfo(parseVersion("9.7.4"), "9.7.4", table("mysql-9.7/global-variables.tsv"), out);
    const Samples mysql(out);
    CHECK(mysql.label("lapwing_mysql_server_info", "flavour") == "mysql");
    CHECK(mysql.label("lapwing_mysql_server_info", "log_bin") == "ON");
    CHECK(mysql.label("lapwing_mysql_server_info", "gtid_mode") == "ON");
    CHECK(mysql.label("lapwing_mysql_server_info", "server_uuid").size() == 36);
    out.clear();
    parseServerInfo(parseVersion("11.8.9-MariaDB"), "11.8.9-MariaDB",
                    table("mariadb-11.8/global-variables.tsv"), out);
    const Samples mariadb(out);
    CHECK(mariadb.label("lapwing_mysql_server_info", "flavour") == "mariadb");
    CHECK(mariadb.label("lapwing_mysql_server_info", "binlog_format") == "MIXED");
    CHECK(mariadb.label("lapwing_mysql_server_info", "server_uuid").empty());

    out.clear();
    const auto status = table("mariadb-10.11/global-status.tsv");
    parseSemiSync(status, out);
    CHECK(Samples(out).value("lapwing_mysql_semi_sync", {{"role", "source"}}) == 0);
    CHECK(Samples(out).value("lapwing_mysql_semi_sync", {{"role", "replica"}}) == 0);
    CHECK(slavesConnected(status) == true);
    out.clear();
    parseSemiSync(table("mysql-9.7/global-status.tsv"), out);  // the plugin is not loaded
    CHECK(out.empty());
    CHECK_FALSE(slavesConnected(table("mysql-9.7/global-status.tsv")));
}

TEST_CASE("a thread's state that says why it waits becomes a reason, and no other state does") {
    const auto reason = [](const Samples& samples, const char* thread) -> std::string {
        for (const auto& series : samples.series()) {
            if (series.labels.metricName() == "lapwing_mysql_replica_wait_info" &&
                series.labels.get("thread") == thread) {
                return std::string(series.labels.get("reason"));
            }
        }
        return {};
    };
    const auto healthy = replica(table("mariadb-10.11/replica-healthy.tsv"));
    CHECK(healthy.count("lapwing_mysql_replica_wait_info") == 0);
    const auto connecting = replica(table("mariadb-10.11/replica-connecting.tsv"));
    CHECK(reason(connecting, "io") == "reconnecting");
    Table full = table("mariadb-10.11/replica-healthy.tsv");
    full.rows[0][*full.find("Slave_IO_State")] =
        "Waiting for the slave SQL thread to free enough relay log space";
    CHECK(reason(replica(full), "io") == "relay_log_full");
    Table modern = table("mysql-9.7/replica-healthy.tsv");
    modern.rows[0][*modern.find("Replica_IO_State")] =
        "Waiting for the replica SQL thread to free relay log space";
    modern.rows[0][*modern.find("Replica_SQL_Running_State")] = "Waiting for table metadata lock";
    CHECK(reason(replica(modern), "io") == "relay_log_full");
    CHECK(reason(replica(modern), "sql") == "table_lock");
}

TEST_CASE("statements that cannot finish, by the server's text") {
    const std::string semi_sync = "Waiting for semi-sync ACK from slave";
    const auto process = [](const char* id, const std::string& state, double seconds,
                            const std::string& statement) {
        return Process{id, "app", "web-01", "Query", state, statement, seconds};
    };
    auto sleeping = process("42", semi_sync, 90, "");
    sleeping.command = "Sleep";
    auto applier = process("43", "Waiting for prior transaction to commit", 90, "");
    applier.user = "system user";
    const std::vector<Process> processes = {
        process("9", semi_sync, 45, "INSERT INTO app.t VALUES (1)"),
        process("16", semi_sync, 40, "COMMIT"),
        process("27", semi_sync, 1, "COMMIT"),
        process("11", semi_sync, 44, "UPDATE `lapwing`.`heartbeat` SET ts = DATE_FORMAT("),
        process("40", "Sending data", 90, "SELECT 1"),
        process("41", "\xff", 90, "SELECT 1"),
        process("44", "Waiting for table metadata lock", 90, "ALTER TABLE app.t"),
        sleeping,
        applier};
    const auto waits = findWaits(processes, "`lapwing`.`heartbeat`", "11");
    REQUIRE(waits.size() == 4);
    Families families;
    addWaits(waits, "11", 44.5, families);
    const Samples samples(families);
    const auto labels = [](const char* who) -> Labels {
        return {{"reason", "semi_sync_ack"}, {"state", "Waiting for semi-sync ACK from slave"}, {"who", who}};
    };
    CHECK(samples.count("lapwing_mysql_waiting_seconds") == 2);
    CHECK(samples.value("lapwing_mysql_waiting_seconds", labels("clients")) == 45);
    CHECK(samples.value("lapwing_mysql_waiting_statements", labels("clients")) == 2);
    CHECK(samples.value("lapwing_mysql_waiting_seconds", labels("heartbeat")) == 44.5);

    // The agent's own write counts in any state, and only while it waits for its answer.
    const std::vector<Process> own_only = {process("11", "Commit", 9, "")};
    Families own;
    addWaits(findWaits(own_only, "`lapwing`.`heartbeat`", "11"), "11", 9.5, own);
    CHECK(Samples(own).label("lapwing_mysql_waiting_seconds", "reason") == "other");
    CHECK(Samples(own).label("lapwing_mysql_waiting_seconds", "who") == "heartbeat");
    Families idle;
    addWaits(findWaits(own_only, "`lapwing`.`heartbeat`", "11"), "11", std::nullopt, idle);
    CHECK(idle.empty());
}

TEST_CASE("a write of the heartbeat is recognised in a statement that the list cuts") {
    const auto is_beat = [](const std::string& table, const std::string& statement) {
        const auto waits = findWaits({Process{"5", "x", "y", "Query", "Commit", statement, 3}}, table, "");
        return !waits.empty() && waits[0].who == WaitingParty::heartbeat;
    };
    CHECK(is_beat("`lap'wing`.`heartbeat`", "UPDATE `lap'wing`.`heartbeat` SET ts = DATE_FORMAT("));
    CHECK(is_beat("`lapwing`.`heartbeat`",
                  "INSERT INTO `lapwing`.`heartbeat` (ts, server_id, file, position)"));
    CHECK_FALSE(is_beat("`lapwing`.`heartbeat`", "UPDATE `lapwing`.`heartbeat` SET position = 1"));
    CHECK_FALSE(is_beat("`lapwing`.`heartbeat`", "UPDATE `lapwing`.`heart"));
    CHECK_FALSE(is_beat("", "UPDATE `lapwing`.`heartbeat` SET ts = 1"));
    const std::string longest = "`" + std::string(64, 'd') + "`.`" + std::string(64, 't') + "`";
    CHECK(is_beat(longest, ("UPDATE " + longest + " SET ts = 1").substr(0, 100)));
    CHECK(is_beat(longest, ("UPDATE " + longest + " SET ts = 1").substr(0, 97)));
    CHECK_FALSE(is_beat(longest, ("DELETE FROM " + longest).substr(0, 100)));
}

TEST_CASE("a refusal for want of disk space") {
    CHECK(saysDiskFull({1021, "Disk got full writing 'information_schema.(temporary)' (Errcode: 28)"}));
    CHECK(saysDiskFull({3675, "Create table/tablespace 'x' failed, as disk is full"}));
    CHECK(saysDiskFull({1030, "Got error 28 from storage engine"}));
    CHECK(saysDiskFull({1026, "Error writing file '/tmp/x' (Errcode: 28 \"No space left on device\")"}));
    CHECK_FALSE(saysDiskFull({1030, "Got error 128 from storage engine"}));
    CHECK_FALSE(saysDiskFull({1040, "Too many connections"}));
    CHECK_FALSE(saysDiskFull({}));

    Families families;
    addWaits({{"", database::WaitReason::disk_full, "error 1021: Disk got full", 12, WaitingParty::agent}},
             "", std::nullopt, families);
    CHECK(Samples(families).value(
              "lapwing_mysql_waiting_seconds",
              {{"reason", "disk_full"}, {"state", "error 1021: Disk got full"}, {"who", "agent"}}) == 12);
}
