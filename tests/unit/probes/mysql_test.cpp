#include "agent/probes/kind.h"
#include "agent/probes/mysql/grants.h"
#include "agent/probes/mysql/parse.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/mysql_table.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::mysql;
using lapwing::test::Samples;
using lapwing::test::table;

namespace {

struct Replica {
    ProbeResult result;
    Samples samples;
    explicit Replica(const std::string& name) : result(parse(name)), samples(result.families) {}
    static ProbeResult parse(const std::string& name) {
        ProbeResult out;
        parseReplicaStatus(table(name), {}, out);
        return out;
    }
    std::optional<double> own(const std::string& name, Labels labels = {}) const {
        return samples.value("lapwing_mysql_replica_" + name, std::move(labels));
    }
    std::string state(const char* thread, const char* channel = "") const {
        for (const char* state : {"running", "connecting", "stopped", "unknown"}) {
            if (own("thread_state", {{"channel_name", channel}, {"thread", thread}, {"state", state}}) == 1) {
                return state;
            }
        }
        return "none";
    }
};

const Labels kMaster = {{"master_host", "127.0.0.1"}};

}  // namespace

TEST_CASE("a healthy replica") {
    const Replica replica("mariadb-10.11/replica-healthy.tsv");
    CHECK(replica.own("configured") == 1);
    CHECK(replica.own("lag_known") == 1);
    CHECK(replica.own("lag_seconds") == 0);
    CHECK(replica.own("delay_seconds") == 0);
    CHECK(replica.state("io") == "running");
    CHECK(replica.state("sql") == "running");
    CHECK(replica.samples.value("mysql_slave_status_seconds_behind_master", kMaster) == 0);
    CHECK(replica.samples.value("mysql_slave_status_slave_io_running", kMaster) == 1);
    CHECK(replica.samples.value("mysql_slave_status_slave_sql_running", kMaster) == 1);
    CHECK(replica.samples.value("mysql_slave_status_exec_master_log_pos", kMaster) == 1103);
    CHECK(replica.samples.value("mysql_slave_status_master_log_file", kMaster) == 1);
    CHECK(replica.samples.value("mysql_slave_status_slave_heartbeat_period", kMaster) == 1);
    CHECK(replica.samples.value("mysql_slave_status_master_server_id", kMaster) == 1);
    CHECK_FALSE(replica.samples.value("mysql_slave_status_sql_remaining_delay", kMaster));  // NULL
    CHECK(replica.samples.count("lapwing_mysql_replica_error_info") == 0);
    CHECK(replica.result.documents.empty());
}

TEST_CASE("a lagging replica") {
    const Replica replica("mariadb-10.11/replica-lagging.tsv");
    CHECK(replica.own("lag_known") == 1);
    CHECK(replica.own("lag_seconds") == 2);
}

TEST_CASE("a stopped applier: the lag is unknown, not 0") {
    const Replica replica("mariadb-10.11/replica-sql-stopped.tsv");
    CHECK(replica.own("lag_known") == 0);
    CHECK_FALSE(replica.own("lag_seconds"));
    CHECK(replica.samples.count("mysql_slave_status_seconds_behind_master") == 0);
    CHECK(replica.samples.value("mysql_slave_status_slave_sql_running", kMaster) == 0);
    CHECK(replica.state("io") == "running");
    CHECK(replica.state("sql") == "stopped");
}

TEST_CASE("a stopped or connecting receiver: the lag is unknown") {
    const Replica stopped("mariadb-10.11/replica-io-stopped.tsv");
    CHECK(stopped.state("io") == "stopped");
    CHECK(stopped.state("sql") == "running");
    CHECK(stopped.own("lag_known") == 0);
    const Replica connecting("mariadb-10.11/replica-connecting.tsv");
    CHECK(connecting.state("io") == "connecting");
    CHECK(connecting.own("lag_known") == 0);
    CHECK(connecting.samples.value("mysql_slave_status_slave_io_running", kMaster) == 0);
    CHECK(connecting.samples.label("lapwing_mysql_replica_error_info", "errno") == "2003");
    CHECK(connecting.samples.label("lapwing_mysql_replica_error_info", "thread") == "io");
    const Replica both("mariadb-10.11/replica-both-stopped.tsv");
    CHECK(both.state("io") == "stopped");
    CHECK(both.state("sql") == "stopped");
}

TEST_CASE("a dead receiver with a backlog still shows a number that is not the lag") {
    auto rows = table("mariadb-10.11/replica-lagging.tsv");
    rows.rows[0][*rows.find("Slave_IO_Running")] = "No";
    ProbeResult out;
    parseReplicaStatus(rows, {}, out);
    const Samples samples(out.families);
    CHECK(samples.value("mysql_slave_status_seconds_behind_master", kMaster) == 2);
    CHECK(samples.value("lapwing_mysql_replica_lag_known") == 0);
    CHECK_FALSE(samples.value("lapwing_mysql_replica_lag_seconds"));
}

TEST_CASE("a deliberate delay is not lag") {
    const Replica replica("mariadb-10.11/replica-delayed.tsv");
    CHECK(replica.samples.value("mysql_slave_status_seconds_behind_master", kMaster) == 4);
    CHECK(replica.own("delay_seconds") == 120);
    CHECK(replica.own("lag_known") == 1);
    CHECK(replica.own("lag_seconds") == 0);
    auto rows = table("mariadb-10.11/replica-delayed.tsv");
    rows.rows[0][*rows.find("Seconds_Behind_Master")] = "150";
    ProbeResult out;
    parseReplicaStatus(rows, {}, out);
    CHECK(Samples(out.families).value("lapwing_mysql_replica_lag_seconds") == 30);
}

TEST_CASE("an error: its number as a label, its text as a document") {
    const Replica replica("mariadb-10.11/replica-error-1062.tsv");
    CHECK(replica.state("sql") == "stopped");
    CHECK(replica.samples.label("lapwing_mysql_replica_error_info", "errno") == "1062");
    CHECK(replica.samples.label("lapwing_mysql_replica_error_info", "thread") == "sql");
    REQUIRE(replica.result.documents.size() == 1);
    CHECK(replica.result.documents[0].kind == "mysql_error");
    CHECK(replica.result.documents[0].body ==
          "Error 'Duplicate entry '4' for key 'PRIMARY'' on query. Default database: ''. "
          "Query: 'INSERT INTO app.t VALUES (4,1)'");
    CHECK(replica.samples.label("lapwing_mysql_replica_error_info", "digest") ==
          "807842c7596d2c4016bbd55608d0d1d444592c67ea8e24cf0ffb0d82ef1ba45a");
}

TEST_CASE("replicas with no channel and with two") {
    const Replica none("mariadb-10.11/replica-none.tsv");
    CHECK(none.samples.size() == 1);
    CHECK(none.own("configured") == 0);
    const Replica two("mariadb-10.11/replica-two-channels.tsv");
    CHECK(two.own("configured") == 1);
    CHECK(two.own("lag_known") == 1);
    CHECK(two.own("lag_known", {{"channel_name", "second"}}) == 0);
    CHECK(two.state("io", "second") == "connecting");
    CHECK(two.samples.value("mysql_slave_status_last_io_errno",
                            {{"connection_name", "second"}, {"master_host", "localhost"}}) == 1045);
}

TEST_CASE("MySQL 9.7: the newer names, and the older ones beside them") {
    const Labels source = {{"master_host", "127.0.0.1"},
                           {"master_uuid", "893955a8-e70b-11f1-a42f-02fc00000001"}};
    const Replica healthy("mysql-9.7/replica-healthy.tsv");
    CHECK(healthy.own("configured") == 1);
    CHECK(healthy.own("lag_known") == 1);
    CHECK(healthy.own("lag_seconds") == 0);
    CHECK(healthy.state("io") == "running");
    CHECK(healthy.state("sql") == "running");
    for (const char* name : {"seconds_behind_source", "seconds_behind_master"}) {
        CHECK(healthy.samples.value("mysql_slave_status_" + std::string(name), source) == 0);
    }
    for (const char* name :
         {"replica_io_running", "slave_io_running", "replica_sql_running", "slave_sql_running",
          "source_server_id", "master_server_id", "source_log_file", "master_log_file"}) {
        CHECK(healthy.samples.value("mysql_slave_status_" + std::string(name), source) == 1);
    }
    const Replica stopped("mysql-9.7/replica-sql-stopped.tsv");
    CHECK(stopped.own("lag_known") == 0);
    CHECK(stopped.state("sql") == "stopped");
    CHECK(stopped.samples.count("mysql_slave_status_seconds_behind_master") == 0);
    CHECK(stopped.samples.count("mysql_slave_status_seconds_behind_source") == 0);
    const Replica broken("mysql-9.7/replica-error-1062.tsv");
    CHECK(broken.samples.label("lapwing_mysql_replica_error_info", "errno") == "1062");
    CHECK(broken.result.documents.at(0).body.find("Worker 1 failed executing transaction") !=
          std::string::npos);
    CHECK(Replica("mysql-9.7/replica-none.tsv").own("configured") == 0);
}

/// Servers that Debian no longer has: the columns of their manuals, with invented values.
TEST_CASE("MySQL 5.7 and MariaDB 10.3, by the columns of their manuals") {
    const Replica mysql("mysql-5.7/replica-documented.tsv");
    const Replica mariadb("mariadb-10.3/replica-documented.tsv");
    for (const auto* old : {&mysql, &mariadb}) {
        CHECK(old->own("configured") == 1);
        CHECK(old->own("lag_known") == 1);
        CHECK(old->own("lag_seconds") == 3);
        CHECK(old->own("lag_known", {{"channel_name", "second"}}) == 0);
        CHECK(old->own("delay_seconds", {{"channel_name", "second"}}) == 3600);
        CHECK(old->state("io") == "running");
        CHECK(old->state("sql") == "running");
        CHECK(old->own("read_file_number") == 12);
        CHECK(old->own("exec_position_bytes") == 7300);
    }
    CHECK(mysql.state("sql", "second") == "stopped");
    CHECK(mysql.own("exec_file_number", {{"channel_name", "second"}}) == 11);
    CHECK(mysql.own("source_info", {{"channel_name", ""},
                                    {"source_host", "10.77.0.11"},
                                    {"source_port", "3306"},
                                    {"source_server_id", "11"},
                                    {"source_uuid", "3e11fa47-71ca-11e1-9e33-c80aa9429562"},
                                    {"using_gtid", "Auto_Position"}}) == 1);
    CHECK(mysql.samples.label("lapwing_mysql_replica_error_info", "errno") == "1062");
    CHECK(mysql.samples.label("lapwing_mysql_replica_filters_info", "filter") ==
          "replicate_ignore_db=scratch");
    // Each channel by itself.
    const Labels first = {{"set", "received"}, {"source", "3e11fa47-71ca-11e1-9e33-c80aa9429562"}};
    CHECK(mysql.samples.value("lapwing_mysql_gtid_sequence", first) == 86);
    const Labels second = {
        {"set", "received"}, {"channel_name", "second"}, {"source", "3e11fa47-71ca-11e1-9e33-c80aa9429563"}};
    CHECK(mysql.samples.value("lapwing_mysql_gtid_sequence", second) == 7);
    CHECK(mysql.samples.value(
              "mysql_slave_status_seconds_behind_master",
              {{"master_host", "10.77.0.11"}, {"master_uuid", "3e11fa47-71ca-11e1-9e33-c80aa9429562"}}) == 3);
    CHECK(mysql.samples.count("mysql_slave_status_seconds_behind_source") == 0);
    CHECK(mariadb.state("io", "second") == "connecting");
    CHECK(mariadb.own("received_heartbeats_total") == 6);
    CHECK(mariadb.samples.label("lapwing_mysql_replica_error_info", "errno") == "2003");

    const auto place = parseBinlogPlace(table("mysql-5.7/binlog-status-documented.tsv"));
    REQUIRE(place);
    CHECK(place->number == 12);
    CHECK(place->position == 7300);
    Families out;
    parseReplicas(table("mysql-5.7/replicas-documented.tsv"), out);
    const Samples replicas(out);
    CHECK(replicas.value("lapwing_mysql_connected_replicas") == 1);
    CHECK(replicas.label("mysql_slave_hosts_info", "slave_uuid") == "3e11fa47-71ca-11e1-9e33-c80aa9429563");
}

TEST_CASE("unknown states are reported as unknown, and hostile names do no harm") {
    Table rows;
    rows.columns = {"Connection_name", "Slave_IO_Running", "Slave_SQL_Running", "Seconds_Behind_Master",
                    "Bad name",        "Master_Host",      "Last_SQL_Errno"};
    rows.rows = {{"", "Dreaming", "Yes", "7", "1", "h\xff", "x"},
                 {"", "Yes", "Yes", "8", "1", "h", "0"},
                 {"\xfe", "Yes", "Yes", "8", "1", "h", "0"},
                 {"short"}};
    ProbeResult out;
    parseReplicaStatus(rows, {}, out);
    const Samples samples(out.families);
    CHECK(samples.value("lapwing_mysql_replica_thread_state", {{"thread", "io"}, {"state", "unknown"}}) == 1);
    CHECK(samples.value("lapwing_mysql_replica_lag_known") == 0);
    CHECK(samples.count("lapwing_mysql_replica_lag_seconds") == 0);
    for (const auto& series : samples.series()) {
        for (const auto& label : series.labels) {
            CHECK(isValidUtf8(label.value));
        }
        CHECK(isValidMetricName(series.labels.metricName()));
    }
}

TEST_CASE("versions") {
    const auto version = parseVersion("5.5.5-10.3.39-MariaDB");
    CHECK(version.mariadb);
    CHECK(version.major == 10);
    CHECK(version.minor == 3);
    CHECK(version.patch == 39);
    CHECK(parseVersion("8.0.36-28").atLeast(8, 0, 36));
    CHECK_FALSE(parseVersion("").atLeast(1, 0, 0));
}

TEST_CASE("the hint names exactly the weakest sufficient grant") {
    CHECK(hintFor(1227,
                  "Access denied; you need (at least one of) the SUPER, SLAVE MONITOR privilege(s) for this "
                  "operation",
                  "lapwing@localhost", "lapwing") == "GRANT SLAVE MONITOR ON *.* TO `lapwing`@`localhost`");
    CHECK(hintFor(1227,
                  "Access denied; you need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for "
                  "this operation",
                  "watch@10.77.0.%", "watch") == "GRANT REPLICATION CLIENT ON *.* TO `watch`@`10.77.0.%`");
    CHECK(hintFor(1045, "Access denied for user 'lapwing'@'localhost' (using password: NO)", "", "lapwing") ==
          "if the account is missing: CREATE USER `lapwing`@`localhost` IDENTIFIED VIA unix_socket (MySQL: "
          "IDENTIFIED WITH "
          "auth_socket)");
    CHECK(hintFor(1142, "SELECT command denied to user", "", "") ==
          "grant what it names to `lapwing`@`localhost`");
    CHECK(grantStatement("PROCESS", "lapwing@localhost") == "GRANT PROCESS ON *.* TO `lapwing`@`localhost`");
    CHECK(grantStatement("SELECT ON performance_schema.*", "a@b") ==
          "GRANT SELECT ON performance_schema.* TO `a`@`b`");
    CHECK(hintFor(3118, "Account is locked.", "", "lapwing") ==
          "the account is locked: ALTER USER `lapwing`@`localhost` ACCOUNT UNLOCK");
    CHECK(hintFor(1040, "Too many connections", "", "").find("up and full") != std::string::npos);
    CHECK(hintFor(1064, "You have an error in your SQL syntax", "a@b", "a").empty());
}

TEST_CASE("configuration of mysql") {
    const auto configure = [](const std::string& yaml, std::vector<ProbeSpec>& specs) {
        config::Reader reader;
        const auto root = reader.text(yaml, "agent.yaml");
        ProbeContext context;
        context.host = "web-01";
        mysqlProbe().configure(root["probes"]["mysql"], context, specs);
        std::vector<std::string> problems;
        for (const auto& problem : reader.problems()) {
            problems.push_back(problem.toString());
        }
        return problems;
    };
    std::vector<ProbeSpec> specs;
    CHECK(configure("probes: { mysql: [ { socket: /run/mysqld/mysqld.sock }, { host: 10.77.0.12, instance: "
                    "web-02, user: a, "
                    "password_file: /x } ] }",
                    specs)
              .empty());
    REQUIRE(specs.size() == 2);
    CHECK(specs[0].job == "mysql");
    CHECK(specs[0].instance == "web-01");
    CHECK(specs[0].interval == std::chrono::seconds(1));
    CHECK(specs[0].offset == std::chrono::milliseconds(500));
    CHECK(specs[1].instance == "web-02");
    specs.clear();
    CHECK(
        configure("probes: { mysql: [ { socket: /s, heartbeat: off }, { socket: /t, instance: b, heartbeat: "
                  "{ mode: read, database: percona, table: beats } } ] }",
                  specs)
            .empty());
    CHECK(specs.size() == 2);
    CHECK(configure("probes: { mysql: [ { socket: /s, heartbeat: on } ] }", specs)
              .at(0)
              .find("probes.mysql[0].heartbeat must be auto, off, read, primary or multi_primary") !=
          std::string::npos);
    CHECK(configure("probes: { mysql: [ { socket: /s, heartbeat: { mod: off, table: '' } } ] }", specs)
              .size() == 2);
    specs.clear();
    const auto problems = configure(
        "probes:\n  mysql:\n    - { host: 10.77.0.12 }\n    - { socket: x }\n    - { port: 70000, host: "
        "127.0.0.1 }\n    - { sock: /x }\n",
        specs);
    CHECK(problems.size() == 5);
    CHECK(problems[0] ==
          "agent.yaml:3:7: probes.mysql[0] needs an instance: the name of the host that it observes");
    CHECK(problems[1] == "agent.yaml:4:17: probes.mysql[1].socket must be an absolute path");
}
