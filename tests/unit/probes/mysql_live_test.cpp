// Against a real MariaDB on a unix socket and on loopback, which the test starts.
#include <sys/stat.h>

#include <tuple>

#include "agent/probes/mysql/mysql.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::eventually;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;
using std::chrono::milliseconds;

namespace {

/// A server with an empty data folder and a folder of its own for temporary tables, since a server that
/// starts deletes those that it finds; root's account knows the OS user root, as on Debian.
struct Mariadb {
    TemporaryFolder dir;
    std::uint16_t port = test::freePort();
    std::string socket = dir.path("s.sock");
    std::unique_ptr<test::Process> process;

    Mariadb() {
        test::Process install(
            {"/usr/bin/mariadb-install-db", "--no-defaults", "--user=root", "--datadir=" + dir.path("data"),
             "--tmpdir=" + dir.path(), "--auth-root-authentication-method=socket", "--skip-test-db"},
            dir.path("install.log"));
        REQUIRE(eventually([&] { return !install.running(); }, std::chrono::seconds(120)));
        start();
        // The tests' accounts have no password, which only a server of a test may have.
        auto root = admin();
        sql(root, "CREATE USER watcher@'127.0.0.1' IDENTIFIED BY 'quiet-word'");
        sql(root, "GRANT SLAVE MONITOR ON *.* TO watcher@'127.0.0.1'");
        sql(root, "CREATE USER bare@localhost");
    }

    void start() {
        process = std::make_unique<test::Process>(
            std::vector<std::string>{
                "/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--datadir=" + dir.path("data"),
                "--tmpdir=" + dir.path(), "--socket=" + socket, "--pid-file=" + dir.path("pid"),
                "--bind-address=127.0.0.1", "--port=" + std::to_string(port), "--server-id=7",
                "--skip-name-resolve", "--skip-slave-start", "--innodb-buffer-pool-size=8M"},
            dir.path("log"));
        REQUIRE(eventually(
            [&] {
                mysql::Connection connection(local());
                return connection.ready(std::chrono::steady_clock::now() + std::chrono::seconds(1))
                    .has_value();
            },
            std::chrono::seconds(60)));
    }

    mysql::Settings local(const std::string& user = {}) const {
        mysql::Settings settings;
        settings.socket = socket;
        settings.user = user;
        return settings;
    }
    mysql::Connection admin() const {
        mysql::Connection connection(local());
        REQUIRE(connection.ready(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
        return connection;
    }
    static mysql::Table sql(mysql::Connection& connection, const std::string& statement) {
        auto table = connection.query(statement, std::chrono::steady_clock::now() + std::chrono::seconds(10));
        if (!table) {
            FAIL(table.error().message);
        }
        return *table;
    }
};

Mariadb& server() {
    test::needRoot();
    static Mariadb instance;
    return instance;
}

std::size_t connectionsOf(mysql::Connection& root, const std::string& user) {
    return Mariadb::sql(root, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '" + user + "'")
        .rows.size();
}

bool isUp(const Expected<ProbeResult>& result) {
    return result && !result->failure;
}

}  // namespace

TEST_CASE("mysql over its unix socket, with the OS user's account and no password", "[live]") {
    mysql::MysqlProbe probe(server().local(), {}, milliseconds(2000));
    auto whole = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(isUp(whole));
    CHECK_FALSE(whole->partial);
    const Samples all(whole->takeAll());
    CHECK(all.value("mysql_up") == 1);
    CHECK(all.value("lapwing_mysql_replica_configured") == 0);
    CHECK(all.value("mysql_global_variables_server_id") == 7);
    CHECK(all.value("mysql_global_variables_read_only") == 0);
    CHECK(*all.value("mysql_global_status_threads_connected") >= 1);
    CHECK(all.label("mysql_version_info", "version").find("MariaDB") != std::string::npos);
    CHECK(all.value("lapwing_mysql_dump_threads") == 0);
    CHECK(all.count("mysql_global_status_commands_total") > 100);
    CHECK(all.value("mysql_global_variables_binlog_cache_size") == 32768);
    CHECK(all.value("mysql_transaction_isolation", {{"level", "REPEATABLE-READ"}}) == 1);
    CHECK(all.count("mysql_info_schema_innodb_cmp_compress_ops_total") == 5);
    CHECK(all.count("mysql_info_schema_innodb_cmpmem_pages_used_total") == 5);
    CHECK(all.count("lapwing_mysql_values_left_out") == 0);

    const auto partial = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(isUp(partial));
    CHECK(partial->partial);
    CHECK(partial->depth == 0);
    CHECK_FALSE(partial->more);
    const Samples few(partial->families);
    CHECK(few.count("mysql_global_status_uptime") == 0);
    CHECK(few.value("mysql_up") == 1);
    CHECK(few.value("mysql_global_variables_read_only") == 0);
    CHECK(few.count("lapwing_mysql_clock_offset_seconds") == 1);
    CHECK(few.value("lapwing_mysql_replica_configured") == 0);

    std::this_thread::sleep_for(milliseconds(2000));
    auto again = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(isUp(again));
    CHECK(again->partial);
    CHECK(again->depth == 1);
    const Samples more(again->takeAll());
    CHECK(more.count("mysql_global_status_uptime") == 1);
    CHECK(more.value("mysql_global_variables_server_id") == 7);
    CHECK(more.count("mysql_global_variables_binlog_cache_size") == 0);
    CHECK(more.count("mysql_info_schema_innodb_cmp_compress_ops_total") == 0);
}

TEST_CASE("mysql: one run in six status intervals is whole, and its statements need no disk", "[live]") {
    auto root = server().admin();
    const auto on_disk = [&] {
        return Mariadb::sql(root, "SHOW GLOBAL STATUS LIKE 'Created_tmp_disk_tables'").rows.at(0).at(1);
    };
    const auto before = on_disk();
    mysql::MysqlProbe probe(server().local(), {}, milliseconds(300));
    REQUIRE_FALSE(probe.collect(Deadline(milliseconds(4000)))->partial);
    CHECK(on_disk() == before);
    std::size_t deep = 0;
    CHECK(eventually([&] {
        const auto result = probe.collect(Deadline(milliseconds(4000)));
        deep += result->depth;
        return !result->partial;
    }));
    CHECK(deep > 1);
}

TEST_CASE("mysql: durations of statements, once the plugin collects them", "[live]") {
    auto root = server().admin();
    constexpr auto name = "mysql_info_schema_query_response_time_seconds_count";
    const auto count = [&] {
        auto result = mysql::MysqlProbe(server().local()).collect(Deadline(milliseconds(4000)));
        return Samples(result->takeAll()).value(name);
    };
    CHECK_FALSE(count());
    Mariadb::sql(root, "INSTALL SONAME 'query_response_time'");
    CHECK_FALSE(count());
    Mariadb::sql(root, "SET GLOBAL query_response_time_stats = ON");
    CHECK(count().has_value());
    CHECK(*count() > 1);
    Mariadb::sql(root, "UNINSTALL SONAME 'query_response_time'");
}

TEST_CASE("a replica whose primary does not answer, then none again", "[live]") {
    auto root = server().admin();
    Mariadb::sql(root,
                 "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=" + std::to_string(test::freePort()) +
                     ", MASTER_USER='repl', MASTER_PASSWORD='hidden-word', MASTER_CONNECT_RETRY=1");
    Mariadb::sql(root, "START SLAVE");
    mysql::MysqlProbe probe(server().local());
    CHECK(eventually([&] {
        const auto result = probe.collect(Deadline(milliseconds(4000)));
        const Samples samples(result->families);
        return samples.value("lapwing_mysql_replica_thread_state",
                             {{"thread", "io"}, {"state", "connecting"}}) == 1 &&
               samples.value("lapwing_mysql_replica_thread_state",
                             {{"thread", "sql"}, {"state", "running"}}) == 1 &&
               samples.value("lapwing_mysql_replica_lag_known") == 0 &&
               samples.count("lapwing_mysql_replica_error_info") == 1;
    }));
    const auto result = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(result->documents.size() == 1);
    CHECK(result->documents[0].body.find("hidden-word") == std::string::npos);
    Mariadb::sql(root, "STOP SLAVE");
    CHECK(Samples(probe.collect(Deadline(milliseconds(4000)))->families)
              .value("lapwing_mysql_replica_thread_state", {{"thread", "sql"}, {"state", "stopped"}}) == 1);
    Mariadb::sql(root, "RESET SLAVE ALL");
    const auto none = probe.collect(Deadline(milliseconds(4000)));
    CHECK(Samples(none->families).value("lapwing_mysql_replica_configured") == 0);
    CHECK(Samples(none->families).count("lapwing_mysql_replica_lag_known") == 0);
}

TEST_CASE("a missing privilege is named, and the other parts are still reported", "[live]") {
    mysql::MysqlProbe probe(server().local("bare"));
    auto result = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(result);
    REQUIRE(result->failure);
    CHECK(result->failure->kind == ErrorKind::denied);
    CHECK(result->failure->message.find("error 1227") != std::string::npos);
    CHECK(result->failure->message.find("GRANT SLAVE MONITOR ON *.* TO `bare`@`localhost`") !=
          std::string::npos);
    const Samples samples(result->takeAll());
    CHECK(samples.value("mysql_up") == 1);
    CHECK(samples.value("mysql_global_variables_server_id") == 7);
    CHECK(samples.count("lapwing_mysql_replica_configured") == 0);

    // It fails again every second, and asks for the chosen variables only.
    auto next = probe.collect(Deadline(milliseconds(4000)));
    const Samples fewer(next->takeAll());
    CHECK(fewer.value("mysql_global_variables_server_id") == 7);
    CHECK(fewer.count("mysql_global_variables_binlog_cache_size") == 0);
}

TEST_CASE("optional privileges: without them their part is absent, and the grant is named once", "[live]") {
    auto root = server().admin();
    Mariadb::sql(root, "CREATE USER least@localhost");
    Mariadb::sql(root, "GRANT SLAVE MONITOR ON *.* TO least@localhost");
    // The oldest transaction and a dump thread that `least` cannot see must not become 0.
    mysql::MysqlProbe probe(server().local("least"), {}, milliseconds(200));
    const auto result = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(isUp(result));
    const Samples samples(result->families);
    CHECK(samples.value("lapwing_mysql_replica_configured") == 0);
    CHECK(samples.count("lapwing_mysql_dump_threads") == 0);
    CHECK(samples.count("lapwing_mysql_longest_transaction_seconds") == 0);
    CHECK(samples.count("lapwing_mysql_binlog_file_number") == 0);
    CHECK(samples.count("lapwing_mysql_connected_replicas") == 0);
    CHECK(samples.value("lapwing_mysql_privilege_missing",
                        {{"privilege", "PROCESS"}, {"statement", "information_schema.INNODB_TRX"}}) == 1);
    CHECK(samples.value("lapwing_mysql_privilege_missing",
                        {{"privilege", "BINLOG MONITOR"}, {"statement", "SHOW BINLOG STATUS"}}) == 1);
    CHECK(samples.value("lapwing_mysql_heartbeat_refused_info", {{"reason", "no_grant"}}) == 1);
    CHECK(samples.count("lapwing_mysql_heartbeat_writing") == 0);
    CHECK(result->note ==
          "not seen: SHOW BINLOG STATUS (GRANT BINLOG MONITOR ON *.* TO `least`@`localhost`); "
          "information_schema.INNODB_TRX (GRANT PROCESS ON *.* TO `least`@`localhost`)");
    CHECK(probe.collect(Deadline(milliseconds(4000)))->note == result->note);  // partial, too

    // A new session finds the grant, without a restart.
    Mariadb::sql(root, "GRANT PROCESS, BINLOG MONITOR ON *.* TO least@localhost");
    CHECK(eventually([&] { return probe.collect(Deadline(milliseconds(4000)))->note.empty(); }));
    CHECK(eventually([&] {  // of a whole run
        return Samples(probe.collect(Deadline(milliseconds(4000)))->families)
                   .value("lapwing_mysql_dump_threads") == 0;
    }));
    Mariadb::sql(root, "DROP USER least@localhost");
}

TEST_CASE("an unknown account, a password file, a wrong password", "[live]") {
    mysql::MysqlProbe unknown(server().local("nobody_at_all"));
    const auto refused = unknown.collect(Deadline(milliseconds(4000)));
    REQUIRE(refused->failure);
    CHECK(refused->failure->kind == ErrorKind::denied);
    CHECK(refused->failure->message.find(
              "CREATE USER `nobody_at_all`@`localhost` IDENTIFIED VIA unix_socket") != std::string::npos);
    CHECK(Samples(refused->families).value("mysql_up") == 0);

    TemporaryFolder dir;
    mysql::Settings settings;
    settings.host = "127.0.0.1";
    settings.port = server().port;
    settings.user = "watcher";
    settings.password_file = dir.write("password", "quiet-word\n");
    ::chmod(settings.password_file.c_str(), 0644);
    mysql::MysqlProbe probe(settings);
    const auto open = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(open->failure);
    CHECK(open->failure->message ==
          settings.password_file + ": others than its owner may read it; chmod 0600 it");
    ::chmod(settings.password_file.c_str(), 0600);
    CHECK(isUp(probe.collect(Deadline(milliseconds(4000)))));

    dir.write("password", "other-word\n");
    mysql::MysqlProbe wrong(settings);
    const auto denied = wrong.collect(Deadline(milliseconds(4000)));
    REQUIRE(denied->failure);
    CHECK(denied->failure->kind == ErrorKind::denied);
    CHECK(denied->failure->message.find("error 1045") != std::string::npos);
    CHECK(denied->failure->message.find("other-word") == std::string::npos);

    mysql::Settings option_file = settings;
    option_file.user.clear();
    option_file.password_file.clear();
    option_file.defaults_file = dir.write("my.cnf", "[client]\nuser=watcher\npassword=quiet-word\n");
    ::chmod(option_file.defaults_file.c_str(), 0600);
    mysql::MysqlProbe with_file(option_file);
    CHECK(isUp(with_file.collect(Deadline(milliseconds(4000)))));
}

TEST_CASE("a server that refuses the agent is told from one that does not answer", "[live]") {
    auto root = server().admin();
    const auto refused = [&](const char* user) {
        const auto result = mysql::MysqlProbe(server().local(user)).collect(Deadline(milliseconds(4000)));
        REQUIRE(result);
        REQUIRE(result->failure);
        const Samples samples(result->families);
        CHECK(samples.value("mysql_up") == 0);
        return std::tuple(result->failure->kind, samples.label("lapwing_mysql_refused_info", "errno"),
                          samples.label("lapwing_mysql_refused_info", "reason"));
    };
    using Refused = std::tuple<ErrorKind, std::string, std::string>;
    Mariadb::sql(root, "CREATE USER locked@localhost ACCOUNT LOCK");
    CHECK(refused("locked") == Refused(ErrorKind::denied, "4151", "account_locked"));
    Mariadb::sql(root, "CREATE USER expired@localhost PASSWORD EXPIRE");
    Mariadb::sql(root, "SET GLOBAL disconnect_on_expired_password = 1");
    CHECK(refused("expired") == Refused(ErrorKind::denied, "1862", "password_expired"));
    CHECK(std::get<2>(refused("nobody-knows-me")) == "credentials");
    Mariadb::sql(root, "CREATE USER few@localhost WITH MAX_USER_CONNECTIONS 1");
    auto settings = server().local("few");
    mysql::Connection first(settings);
    REQUIRE(first.ready(std::chrono::steady_clock::now() + std::chrono::seconds(4)));
    CHECK(refused("few") == Refused(ErrorKind::exhausted, "1226", "user_limit"));

    // Full for everybody: bare@localhost has no privilege to come in nevertheless.
    const auto before =
        Mariadb::sql(root, "SELECT @@global.max_connections").rows.at(0).at(0).value_or("151");
    Mariadb::sql(root, "SET GLOBAL max_connections = 10");
    std::vector<std::unique_ptr<mysql::Connection>> taken;
    for (int i = 0; i < 12; ++i) {
        auto one = std::make_unique<mysql::Connection>(server().local("bare"));
        if (one->ready(std::chrono::steady_clock::now() + std::chrono::seconds(4))) {
            taken.push_back(std::move(one));
        }
    }
    const auto full = mysql::MysqlProbe(server().local("bare")).collect(Deadline(milliseconds(4000)));
    CHECK(full->failure->message.find("Too many connections") != std::string::npos);
    CHECK(full->failure->message.find("the server is up and full") != std::string::npos);
    CHECK(refused("bare") == Refused(ErrorKind::exhausted, "1040", "too_many_connections"));
    Mariadb::sql(root, "SET GLOBAL max_connections = " + before);

    // A session that misses the one indispensable privilege is up, and its refusal is told as well.
    taken.clear();
    const auto missing = mysql::MysqlProbe(server().local("bare")).collect(Deadline(milliseconds(4000)));
    CHECK(Samples(missing->families).value("mysql_up") == 1);
    CHECK(Samples(missing->families).label("lapwing_mysql_refused_info", "reason") == "privilege_missing");
    // No server at all is no refusal.
    mysql::Settings nowhere;
    nowhere.socket = "/nonexistent/mysqld.sock";
    const auto absent = mysql::MysqlProbe(nowhere).collect(Deadline(milliseconds(1000)));
    CHECK(Samples(absent->families).count("lapwing_mysql_refused_info") == 0);
}

TEST_CASE("a hung statement holds one connection, and the blocked data comes back", "[live]") {
    auto root = server().admin();
    TemporaryFolder dir;
    mysql::Settings settings;
    settings.host = "127.0.0.1";
    settings.port = server().port;
    settings.user = "watcher";
    settings.password_file = dir.write("password", "quiet-word");
    ::chmod(settings.password_file.c_str(), 0600);
    mysql::Connection connection(settings);
    const auto soon = [] { return std::chrono::steady_clock::now() + milliseconds(150); };
    REQUIRE(connection.ready(std::chrono::steady_clock::now() + std::chrono::seconds(4)));
    const auto slow = connection.query("SELECT SLEEP(4)", soon());
    REQUIRE_FALSE(slow);
    CHECK(slow.error().kind == ErrorKind::timeout);
    for (int i = 0; i < 4; ++i) {
        const auto ready = connection.ready(soon());
        REQUIRE_FALSE(ready);
        CHECK(ready.error().kind == ErrorKind::timeout);
        CHECK(connectionsOf(root, "watcher") == 1);
    }
    CHECK(connection.session() == 1);
    REQUIRE(connection.ready(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
    CHECK(connection.session() == 1);
    // The late answer is not the answer to the next statement.
    const auto next =
        connection.query("SELECT 42", std::chrono::steady_clock::now() + std::chrono::seconds(4));
    REQUIRE(next);
    CHECK(next->rows.at(0).at(0) == "42");
}

TEST_CASE("mysql stopped by SIGSTOP: timeout within the deadline, no second connection", "[live]") {
    mysql::MysqlProbe connected(server().local());
    mysql::MysqlProbe fresh(server().local());
    REQUIRE(isUp(connected.collect(Deadline(milliseconds(4000)))));
    auto root = server().admin();
    constexpr std::size_t before = 2;  // `root` and `connected`, once those of earlier cases have ended
    REQUIRE(eventually([&] { return connectionsOf(root, "root") == before; }));
    auto frozen = std::make_unique<test::Frozen>(*server().process);
    for (int i = 0; i < 3; ++i) {
        for (auto* probe : {&connected, &fresh}) {
            const Deadline deadline(milliseconds(600));
            const auto result = probe->collect(deadline);
            CHECK(Deadline::Clock::now() <
                  deadline.at() + std::chrono::seconds(2));  // room for a busy machine
            REQUIRE(result->failure);
            CHECK(result->failure->kind == ErrorKind::timeout);
            CHECK_FALSE(result->partial);
            CHECK(Samples(result->families).value("mysql_up") == 0);
        }
    }
    frozen.reset();
    CHECK(eventually([&] { return isUp(connected.collect(Deadline(milliseconds(4000)))); }));
    CHECK(eventually([&] { return isUp(fresh.collect(Deadline(milliseconds(4000)))); }));
    CHECK(connectionsOf(root, "root") == before + 1);  // the connection of `fresh`, however often it was used
}

TEST_CASE("the destructor of a probe does not hang when its server does", "[live]") {
    auto probe = std::make_unique<mysql::MysqlProbe>(server().local());
    REQUIRE(isUp(probe->collect(Deadline(milliseconds(4000)))));
    auto frozen = std::make_unique<test::Frozen>(*server().process);
    CHECK(probe->collect(Deadline(milliseconds(300)))->failure);
    const auto start = std::chrono::steady_clock::now();
    probe.reset();
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    frozen.reset();
}

TEST_CASE("mysql killed and started again: refused, then found again", "[live]") {
    mysql::MysqlProbe probe(server().local());
    REQUIRE(isUp(probe.collect(Deadline(milliseconds(4000)))));
    server().process->stop();
    const auto gone = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(gone->failure);
    const auto refused = probe.collect(Deadline(milliseconds(4000)));
    REQUIRE(refused->failure);
    CHECK(refused->failure->kind == ErrorKind::refused);
    mysql::Settings nowhere;
    nowhere.socket = "/nonexistent/mysqld.sock";
    const auto absent = mysql::MysqlProbe(nowhere).collect(Deadline(milliseconds(1000)));
    REQUIRE(absent->failure);
    CHECK(absent->failure->kind == ErrorKind::not_found);
    server().start();
    const auto back = probe.collect(Deadline(milliseconds(4000)));
    CHECK(isUp(back));
    CHECK(back->depth == 1);
    CHECK_FALSE(probe.collect(Deadline(milliseconds(4000)))->partial);
}
