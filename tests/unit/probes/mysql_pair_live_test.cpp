// Against real pairs of primary and replica: MariaDB 10.11 always, MariaDB 11.8 and MySQL 9.7 with
// LAPWING_LONG=1.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "agent/probes/mysql/mysql.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using lapwing::test::eventually;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;
using mysql::HeartbeatMode;
using std::chrono::milliseconds;

namespace {

const std::string kScript = lapwing::test::fixturePath("../integration/replication/servers.sh");

std::string run(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> buffer{};
    for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
        out.append(buffer.data(), count);
    }
    if (::pclose(pipe) != 0) {
        FAIL(command << "\n" << out);
    }
    return out;
}

/// A server of servers.sh. Its accounts have no password, which only a server of a test may have.
class Server {
  public:
    /// `place`: an empty folder for its data; "" for one of its own.
    Server(std::string name, const std::string& id, const std::string& place = "")
        : place_(place.empty() ? dir_.path() : place), name_(std::move(name)) {
        const bool mysql = name_.compare(0, 5, "mysql") == 0;
        run(kScript + " start " + name_ + " " + place_ + " --port " + std::to_string(port_) +
            " --server-id=" + id + " --log-bin=binlog --log-slave-updates --skip-slave-start " +
            (mysql ? "--gtid-mode=ON --enforce-gtid-consistency=ON" : ""));
        connect();
    }
    ~Server() { std::system((kScript + " stop " + place_ + " KILL >/dev/null 2>&1").c_str()); }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    mysql::Settings settings(const std::string& user = "root") const {
        mysql::Settings out;
        out.socket = place_ + "/s.sock";
        out.user = user;
        return out;
    }
    mysql::Table sql(const std::string& statement) const { return ask(*admin_, statement); }
    static mysql::Table ask(mysql::Connection& connection, const std::string& statement) {
        auto table = connection.query(statement, std::chrono::steady_clock::now() + std::chrono::seconds(20));
        if (!table) {
            FAIL(table.error().message);
        }
        return *table;
    }
    std::string value(const std::string& statement) const {
        const auto table = sql(statement);
        return table.rows.empty() ? "" : table.rows[0].at(0).value_or("NULL");
    }
    std::unique_ptr<mysql::Connection> session() const {
        auto out = std::make_unique<mysql::Connection>(settings());
        REQUIRE(out->ready(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
        return out;
    }
    bool mariadb() const { return name_.compare(0, 7, "mariadb") == 0; }
    std::uint16_t port() const { return port_; }

    void follow(const Server& source) const {
        const std::string port = std::to_string(source.port_);
        sql(mariadb() ? "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=" + port +
                            ", MASTER_USER='repl', MASTER_PASSWORD='x', MASTER_USE_GTID=slave_pos, "
                            "MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1"
                      : "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=" + port +
                            ", SOURCE_USER='repl', SOURCE_PASSWORD='x', SOURCE_AUTO_POSITION=1, "
                            "SOURCE_CONNECT_RETRY=1, SOURCE_HEARTBEAT_PERIOD=1, GET_SOURCE_PUBLIC_KEY=1");
        sql(mariadb() ? "START SLAVE" : "START REPLICA");
    }
    void unfollow() const {
        sql(mariadb() ? "STOP SLAVE" : "STOP REPLICA");
        sql(mariadb() ? "RESET SLAVE ALL" : "RESET REPLICA ALL");
    }
    /// All transactions ever written here, by server: "0-1-12,0-2-15" or MySQL's set.
    std::string history() const {
        return value(mariadb() ? "SELECT @@global.gtid_binlog_state" : "SELECT @@global.gtid_executed");
    }

  private:
    void connect() { admin_ = session(); }

    TemporaryFolder dir_;
    std::string place_;
    std::string name_;
    std::uint16_t port_ = test::freePort();
    std::unique_ptr<mysql::Connection> admin_;
};

/// A file system that can be filled.
class SmallDisk {
  public:
    SmallDisk() { run("mount -t tmpfs -o size=300m tmpfs " + dir_.path()); }
    ~SmallDisk() { std::system(("umount -l " + dir_.path()).c_str()); }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    std::string path() const { return dir_.path(); }
    void fill() const {
        std::system(("dd if=/dev/zero of=" + dir_.path("filler") + " bs=4k 2>/dev/null").c_str());
    }
    void empty() const { run("rm -f " + dir_.path("filler")); }

  private:
    TemporaryFolder dir_;
};

constexpr const char* kTable =
    "CREATE TABLE lapwing.heartbeat (ts varchar(26) NOT NULL, server_id int unsigned NOT NULL PRIMARY KEY, "
    "file varchar(255) DEFAULT NULL, position bigint unsigned DEFAULT NULL, "
    "relay_master_log_file varchar(255) DEFAULT NULL, exec_master_log_pos bigint unsigned DEFAULT NULL)";

struct Pair {
    std::string name;
    Server first;
    Server second;

    explicit Pair(const std::string& given) : name(given), first(name, "1"), second(name, "2") {
        first.sql("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'x'");
        first.sql("GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'");
        first.sql("CREATE USER lapwing@localhost");
        first.sql("CREATE DATABASE app");
        first.sql("CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20))");
        first.sql("INSERT INTO app.t VALUES (1, 'a')");
        first.sql("CREATE DATABASE lapwing");
        first.sql(kTable);
        second.follow(first);
        REQUIRE(caughtUp(second, first));
    }
    static bool caughtUp(const Server& replica, const Server& source) {
        return eventually([&] { return replica.history() == source.history(); });
    }
};

/// A probe in a thread of its own, as in the agent: half a second after each second.
class Watch {
  public:
    explicit Watch(const Server& server, HeartbeatMode mode = HeartbeatMode::automatic,
                   const std::string& user = "root")
        : probe_(server.settings(user), settings(mode)), thread_([this] { loop(); }) {}
    ~Watch() {
        stop_ = true;
        thread_.join();
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    /// True as soon as the samples of a whole run and the runs since are as wanted.
    bool sees(const std::function<bool(const Samples&)>& wanted,
              std::chrono::seconds within = std::chrono::seconds(40)) {
        return eventually(
            [&] {
                const std::lock_guard lock(mutex_);
                return wanted(Samples(last_));
            },
            within);
    }
    bool beats(bool expected) {
        return sees([&](const Samples& samples) {
            return samples.value("lapwing_mysql_heartbeat_writing") == (expected ? 1.0 : 0.0);
        });
    }
    /// The number of whole runs so far; each tries everything again.
    unsigned runs() const { return runs_; }

  private:
    static mysql::HeartbeatSettings settings(HeartbeatMode mode) {
        mysql::HeartbeatSettings out;
        out.mode = mode;
        return out;
    }
    void loop() {
        while (!stop_) {
            const auto result = probe_.collect(Deadline(milliseconds(4000)));
            {
                const std::lock_guard lock(mutex_);
                if (result) {
                    last_ = result->families;
                }
            }
            ++runs_;
            const auto left = 1500 - nowMs() % 1000;
            for (auto i = 0; i < left / 20 && !stop_; ++i) {
                std::this_thread::sleep_for(milliseconds(20));
            }
        }
    }

    mysql::MysqlProbe probe_;
    std::mutex mutex_;
    mysql::Families last_;
    std::atomic<bool> stop_{false};
    std::atomic<unsigned> runs_{0};
    std::thread thread_;
};

void awaitRuns(const Watch& watch, unsigned count) {
    const auto until = watch.runs() + count;
    REQUIRE(eventually([&] { return watch.runs() >= until; }, std::chrono::seconds(60)));
}

std::vector<std::string> servers() {
    std::vector<std::string> out = {"mariadb-10.11"};
    if (lapwing::test::isLong()) {
        out.insert(out.end(), {"mariadb-11.8", "mysql-9.7"});
    }
    return out;
}

/// Each pair is started once; a test (but the last) leaves the second server as the first one's replica, both
/// writable.
void forEachPair(const std::function<void(Pair&)>& test) {
    lapwing::test::needRoot();
    static std::map<std::string, std::unique_ptr<Pair>> pairs;
    for (const auto& name : servers()) {
        INFO(name);
        auto& pair = pairs[name];
        if (!pair) {
            pair = std::make_unique<Pair>(name);
        }
        test(*pair);
    }
}

bool hasRow(const Samples& samples, const std::string& server_id) {
    return samples.value("lapwing_mysql_heartbeat_timestamp_seconds", {{"server_id", server_id}}).has_value();
}

/// Statements of `who` wait for that reason, whatever the state's text is.
bool waits(const Samples& samples, const std::string& reason, const std::string& who) {
    const auto& all = samples.series();
    return std::any_of(all.begin(), all.end(), [&](const auto& series) {
        return series.labels.metricName() == "lapwing_mysql_waiting_seconds" &&
               series.labels.get("reason") == reason && series.labels.get("who") == who;
    });
}

}  // namespace

TEST_CASE("primary and replica, seen from both ends, with the documented grants", "[pairs]") {
    forEachPair([](Pair& pair) {
        for (const auto* statement :
             {pair.first.mariadb()
                  ? "GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO lapwing@localhost"
                  : "GRANT REPLICATION CLIENT, PROCESS ON *.* TO lapwing@localhost",
              pair.first.mariadb() ? "SELECT 1" : "GRANT SELECT ON performance_schema.* TO lapwing@localhost",
              "GRANT SELECT, INSERT, UPDATE ON lapwing.heartbeat TO lapwing@localhost"}) {
            pair.first.sql(statement);
        }
        REQUIRE(Pair::caughtUp(pair.second, pair.first));
        {
            Watch primary(pair.first, HeartbeatMode::automatic, "lapwing");
            Watch replica(pair.second, HeartbeatMode::automatic, "lapwing");
            CHECK(primary.beats(true));
            CHECK(primary.sees([](const Samples& samples) {
                return hasRow(samples, "1") && samples.value("lapwing_mysql_dump_threads") == 1 &&
                       samples.count("lapwing_mysql_privilege_missing") == 0;
            }));
            CHECK(replica.sees([](const Samples& samples) {
                return hasRow(samples, "1") && !hasRow(samples, "2") &&
                       samples.value("lapwing_mysql_heartbeat_writing") == 0 &&
                       samples.value("lapwing_mysql_dump_threads") == 0;
            }));
        }
        // At rest both ends show the same position, in bytes and in transactions.
        REQUIRE(Pair::caughtUp(pair.second, pair.first));
        mysql::HeartbeatSettings off;
        off.mode = HeartbeatMode::off;
        mysql::MysqlProbe primary(pair.first.settings("lapwing"), off);
        mysql::MysqlProbe replica(pair.second.settings("lapwing"), off);
        const Samples source(primary.collect(Deadline(milliseconds(4000)))->families);
        const auto taken = replica.collect(Deadline(milliseconds(4000)));
        const Samples copy(taken->families);
        CHECK(taken->note.empty());
        CHECK(copy.count("lapwing_mysql_privilege_missing") == 0);
        CHECK(copy.value("lapwing_mysql_replica_exec_position_bytes") ==
              source.value("lapwing_mysql_binlog_position_bytes").value());
        CHECK(copy.value("lapwing_mysql_replica_exec_file_number") ==
              source.value("lapwing_mysql_binlog_file_number").value());
        CHECK(source.value("lapwing_mysql_binlog_size_bytes_total").value() >=
              source.value("lapwing_mysql_binlog_position_bytes").value());
        const auto sequence = [&](const Samples& samples, const char* set) {
            for (const auto& series : samples.series()) {
                if (series.labels.metricName() == "lapwing_mysql_gtid_sequence" &&
                    series.labels.get("set") == set) {
                    return series.samples.front().value;
                }
            }
            return -1.0;
        };
        CHECK(sequence(source, "executed") > 0);
        CHECK(sequence(copy, "executed") == sequence(source, "executed"));
        CHECK(sequence(copy, "received") == sequence(source, "executed"));
        CHECK(copy.label("lapwing_mysql_replica_source_info", "source_server_id") == "1");
        CHECK(copy.label("lapwing_mysql_server_info", "server_id") == "2");
        CHECK(copy.count("lapwing_mysql_heartbeat_age_seconds") == 0);  // off
        const auto version = mysql::parseVersion(pair.second.value("SELECT VERSION()"));
        CHECK(copy.count("lapwing_mysql_replica_last_event_age_seconds") ==
              (version.mariadb && version.atLeast(11, 8, 0) ? 2 : 0));
        if (!pair.first.mariadb()) {
            CHECK(copy.value("lapwing_mysql_replica_applying_age_seconds") == 0);
            CHECK(copy.value("lapwing_mysql_replica_workers", {{"channel_name", ""}, {"state", "idle"}}) ==
                  4);
        }
        CHECK(copy.count("lapwing_mysql_replica_received_heartbeats_total") == 1);
        // Waiting threads are counted only where the account may see them.
        auto holder = pair.first.session();
        Server::ask(*holder, "BEGIN");
        Server::ask(*holder, "UPDATE app.t SET v = 'b'");
        CHECK(eventually([&] {
            std::this_thread::sleep_for(milliseconds(300));  // InnoDB answers from a cache for a while
            const Samples busy(primary.collect(Deadline(milliseconds(4000)))->families);
            return busy.value("lapwing_mysql_longest_transaction_seconds").value() > 1;
        }));
    });
}

TEST_CASE("the beat itself checks whether the server has become a replica in the meantime", "[pairs]") {
    forEachPair([](Pair& pair) {
        Watch replica(pair.second);
        REQUIRE(replica.sees([](const Samples& samples) { return samples.size() > 0; }));
        pair.first.unfollow();
        const auto beat = [&](bool channel, bool read_only, const std::string& server_id = "1") {
            mysql::Beater beater(pair.first.settings(), {});
            mysql::BeatPlan plan;
            plan.version = mysql::parseVersion(pair.first.value("SELECT VERSION()"));
            plan.beat.server_id = server_id;
            plan.channels_table = !pair.first.mariadb();
            if (channel) {
                pair.first.follow(pair.second);
            }
            if (read_only) {
                pair.first.sql("SET GLOBAL read_only = 1");
            }
            const auto before = pair.first.history();
            plan.server_time = std::stod(pair.first.value("SELECT UNIX_TIMESTAMP(NOW(6))"));
            plan.made = mysql::Beater::Clock::now();
            beater.setPlan(plan);
            // The thread beats within a second of the plan.
            CHECK(eventually([&] {
                const auto state = beater.state();
                return state.last.has_value() || !state.trouble.empty();
            }));
            const bool wrote = pair.first.history() != before;
            CHECK(wrote == beater.state().last.has_value());
            if (channel) {
                pair.first.unfollow();
            }
            if (read_only) {
                pair.first.sql("SET GLOBAL read_only = 0");
            }
            return wrote;
        };
        CHECK(beat(false, false));
        CHECK_FALSE(beat(true, false));
        CHECK_FALSE(beat(false, true));
        CHECK_FALSE(beat(false, false, "5"));  // the address has moved to another server
        CHECK(beat(false, false));
    });
}

TEST_CASE("the beat is written and read with every binary log format, and a locked table delays no client",
          "[pairs]") {
    forEachPair([](Pair& pair) {
        // Of the probes' sessions, which come after.
        pair.first.sql("SET GLOBAL binlog_format = 'STATEMENT'");
        const std::string arrived = "SELECT COUNT(*) FROM lapwing.heartbeat WHERE server_id = 1 AND ts > '" +
                                    pair.first.value("SELECT UTC_TIMESTAMP(6)").replace(10, 1, "T") + "'";
        Watch primary(pair.first);
        CHECK(primary.beats(true));
        CHECK(eventually([&] { return pair.second.value(arrived) == "1"; }));
        // The written time has arrived, to the microsecond.
        pair.first.sql("SET GLOBAL read_only = 1");
        REQUIRE(Pair::caughtUp(pair.second, pair.first));
        const std::string row = "SELECT ts FROM lapwing.heartbeat WHERE server_id = 1";
        CHECK(pair.second.value(row) == pair.first.value(row));
        pair.first.sql("SET GLOBAL read_only = 0");
        CHECK(primary.beats(true));
        auto holder = pair.first.session();
        Server::ask(*holder, "LOCK TABLES lapwing.heartbeat WRITE");
        const auto runs = primary.runs();
        CHECK(primary.sees([](const Samples& samples) {
            return samples.value("mysql_up") == 1 && samples.value("lapwing_mysql_heartbeat_writing") != 1.0;
        }));
        awaitRuns(primary, 3);
        CHECK(primary.runs() > runs);
        CHECK(primary.sees([](const Samples& samples) { return samples.value("mysql_up") == 1; }));
        Server::ask(*holder, "UNLOCK TABLES");
        CHECK(primary.beats(true));
        pair.first.sql("SET GLOBAL binlog_format = 'MIXED'");
    });
}

TEST_CASE("the blocker of the applier is named", "[pairs]") {
    forEachPair([](Pair& pair) {
        Watch replica(pair.second, HeartbeatMode::off);
        const bool mariadb = pair.second.mariadb();
        auto holder = pair.second.session();
        const auto id = *Server::ask(*holder, "SELECT CONNECTION_ID()").rows[0][0];
        const auto blocked = [&](const std::string& kind, const std::string& blocker) {
            return replica.sees([&](const Samples& samples) {
                return samples.count("lapwing_mysql_applier_blocked_seconds") == 1 &&
                       samples.label("lapwing_mysql_applier_blocked_seconds", "kind") == kind &&
                       samples.label("lapwing_mysql_applier_blocked_seconds", "blocker") == blocker;
            });
        };
        const auto free = [&] {
            return replica.sees([](const Samples& samples) {
                return samples.value("mysql_up") == 1 &&
                       samples.count("lapwing_mysql_applier_blocked_seconds") == 0;
            });
        };
        Server::ask(*holder, "LOCK TABLES app.t READ");
        pair.first.sql("UPDATE app.t SET v = 'c'");
        CHECK(blocked("metadata_lock", mariadb ? "" : id));
        Server::ask(*holder, "UNLOCK TABLES");
        CHECK(free());
        Server::ask(*holder, "BEGIN");
        Server::ask(*holder, "SELECT * FROM app.t FOR UPDATE");
        pair.first.sql("UPDATE app.t SET v = 'd'");
        CHECK(blocked("transaction", id));
        Server::ask(*holder, "COMMIT");
        CHECK(free());
    });
}

TEST_CASE("a commit that waits for a semi-synchronous replica: reading goes on, with one beat under way",
          "[pairs]") {
    forEachPair([](Pair& pair) {
        const bool mariadb = pair.first.mariadb();
        const std::string role = mariadb ? "master" : "source";
        if (!mariadb) {
            pair.first.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'");
        }
        const auto set = [&](const std::string& name, const std::string& value) {
            pair.first.sql("SET GLOBAL rpl_semi_sync_" + role + "_" + name + " = " + value);
        };
        Watch primary(pair.first);
        REQUIRE(primary.beats(true));
        set("timeout", "1000000000");
        set(mariadb ? "wait_no_slave" : "wait_for_replica_count", "1");
        set("enabled", "1");
        const auto waits_long = [&](const std::string& who) {
            return primary.sees([&](const Samples& samples) {
                return samples.value("mysql_up") == 1 &&
                       samples.value("lapwing_mysql_binlog_position_bytes") &&
                       samples.value("lapwing_mysql_waiting_seconds",
                                     {{"reason", "semi_sync_ack"},
                                      {"state", mariadb ? "Waiting for semi-sync ACK from slave"
                                                        : "Waiting for semi-sync ACK from replica"},
                                      {"who", who}})
                               .value_or(0) > 2;
            });
        };
        CHECK(waits_long("heartbeat"));
        CHECK(primary.sees([](const Samples& samples) {
            return samples.value("lapwing_mysql_heartbeat_pending_seconds").value_or(0) > 3 &&
                   samples.value("lapwing_mysql_heartbeat_writing") == 0;
        }));
        auto client = pair.first.session();
        CHECK_FALSE(client->query("INSERT INTO app.t VALUES (77, 'x')",
                                  std::chrono::steady_clock::now() + milliseconds(200)));
        // Behind the first commit, MySQL's clients wait for the group.
        CHECK(primary.sees([&](const Samples& samples) {
            return waits(samples, "semi_sync_ack", "clients") || waits(samples, "group_commit", "clients");
        }));
        awaitRuns(primary, 3);
        const std::string beats =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE "
            "'UPDATE `lapwing`.`heartbeat`%'";
        CHECK(pair.first.value(beats) == "1");
        {
            // An agent that begins meanwhile adds no second one.
            Watch another(pair.first);
            CHECK(another.sees([](const Samples& samples) {
                return samples.value("lapwing_mysql_heartbeat_refused_info", {{"reason", "waiting"}}) == 1;
            }));
            CHECK(pair.first.value(beats) == "1");
        }
        set("enabled", "0");
        CHECK(primary.beats(true));
        CHECK(primary.sees([](const Samples& samples) {
            return samples.count("lapwing_mysql_waiting_seconds") == 0 &&
                   samples.count("lapwing_mysql_heartbeat_pending_seconds") == 0;
        }));
        REQUIRE(client->ready(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
        pair.first.sql("DELETE FROM app.t WHERE id = 77");
    });
}

TEST_CASE("a global read lock stops commits: reading goes on, and the lock is named", "[pairs]") {
    forEachPair([](Pair& pair) {
        Watch primary(pair.first);
        REQUIRE(primary.beats(true));
        auto holder = pair.first.session();
        Server::ask(*holder, "FLUSH TABLES WITH READ LOCK");
        auto client = pair.first.session();
        CHECK_FALSE(client->query("INSERT INTO app.t VALUES (78, 'x')",
                                  std::chrono::steady_clock::now() + milliseconds(200)));
        CHECK(primary.sees([](const Samples& samples) {
            return samples.value("mysql_up") == 1 && samples.value("lapwing_mysql_heartbeat_writing") == 0 &&
                   waits(samples, "global_lock", "clients");
        }));
        Server::ask(*holder, "UNLOCK TABLES");
        CHECK(primary.beats(true));
        REQUIRE(client->ready(std::chrono::steady_clock::now() + std::chrono::seconds(10)));
        pair.first.sql("DELETE FROM app.t WHERE id = 78");
    });
}

TEST_CASE("an idle server makes no temporary table on disk for the probe", "[pairs]") {
    forEachPair([](Pair& pair) {
        for (const auto* server : {&pair.first, &pair.second}) {
            const auto tables = [&] {
                return server->value(
                    server->mariadb() ? "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
                                        "VARIABLE_NAME = 'CREATED_TMP_DISK_TABLES'"
                                      : "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE "
                                        "VARIABLE_NAME = 'Created_tmp_disk_tables'");
            };
            const auto before = tables();
            {
                Watch watch(*server);
                awaitRuns(watch, 12);  // two whole runs
            }
            CHECK(tables() == before);
        }
    });
}

TEST_CASE("a server that refuses the agent's statement for want of disk space is told as full", "[disk]") {
    lapwing::test::needRoot();
    SmallDisk disk;
    Server server("mariadb-10.11", "1", disk.path());
    // Only a heartbeat table that is such a view makes the agent need a table on disk.
    server.sql("CREATE DATABASE lapwing");
    server.sql(
        "CREATE VIEW lapwing.heartbeat AS SELECT DISTINCT '2026-11-25 16:00:00.000000' AS ts, 1 AS "
        "server_id, "
        "INFO AS info FROM information_schema.PROCESSLIST");
    Watch watch(server, HeartbeatMode::read);
    REQUIRE(watch.sees([](const Samples& samples) { return samples.value("mysql_up") == 1; }));
    disk.fill();
    CHECK(watch.sees([](const Samples& samples) {
        return samples.value("mysql_up") == 1 && waits(samples, "disk_full", "agent");
    }));
    disk.empty();
    CHECK(watch.sees([](const Samples& samples) {
        return samples.value("mysql_up") == 1 && !waits(samples, "disk_full", "agent");
    }));
}

TEST_CASE("a full disk: reading goes on, and the server's state is told", "[disk]") {
    lapwing::test::needRoot();
    for (const auto& name : servers()) {
        INFO(name);
        SmallDisk disk;
        Server server(name, "1", disk.path());
        server.sql("CREATE DATABASE lapwing");
        server.sql(kTable);
        server.sql("CREATE DATABASE app");
        Watch primary(server, HeartbeatMode::primary);
        REQUIRE(primary.beats(true));
        disk.fill();
        CHECK(primary.sees([&](const Samples& samples) {
            return samples.value("mysql_up") == 1 && samples.value("mysql_global_variables_read_only") == 0 &&
                   samples.value("lapwing_mysql_heartbeat_pending_seconds").value_or(0) > 3 &&
                   // MySQL 9.7 says only that the storage engine's commit waits.
                   waits(samples, name == "mysql-9.7" ? "group_commit" : "disk_full", "heartbeat");
        }));
        // The position of the binary log waits behind the write, and holds up nothing else.
        awaitRuns(primary, 3);
        CHECK(primary.sees([](const Samples& samples) {
            return samples.value("mysql_up") == 1 && samples.value("lapwing_mysql_replica_configured") == 0;
        }));
        disk.empty();
        CHECK(primary.sees(
            [](const Samples& samples) {
                return samples.value("lapwing_mysql_heartbeat_writing") == 1 &&
                       samples.value("lapwing_mysql_binlog_position_bytes") &&
                       samples.count("lapwing_mysql_unanswered_seconds") == 0;
            },
            std::chrono::seconds(100)));  // the server looks again once a minute
    }
}

TEST_CASE("a writable replica gains no transaction from the agent, even over a switchover", "[pairs]") {
    forEachPair([](Pair& pair) {  // read_only is 0 on both, as servers have it by default
        auto& old_primary = pair.first;
        auto& new_primary = pair.second;
        Watch first(old_primary);
        Watch second(new_primary);
        REQUIRE(first.beats(true));
        REQUIRE(second.beats(false));
        REQUIRE(second.sees([](const Samples& samples) { return hasRow(samples, "1"); }));

        // As in every procedure: no writes on the old primary until the new one has them all.
        old_primary.sql("SET GLOBAL read_only = 1");
        REQUIRE(Pair::caughtUp(new_primary, old_primary));
        new_primary.unfollow();
        // Reset and writable, but nothing shows yet that it is the primary: no beat.
        const auto before = new_primary.history();
        awaitRuns(second, 4);
        CHECK(new_primary.history() == before);
        old_primary.follow(new_primary);
        old_primary.sql("SET GLOBAL read_only = 0");
        CHECK(second.beats(true));
        CHECK(first.beats(false));
        CHECK(first.sees([](const Samples& samples) { return hasRow(samples, "2"); }));
        awaitRuns(second, 3);

        // The new primary has the old one's transactions: nothing was written there since.
        new_primary.sql("SET GLOBAL read_only = 1");
        CHECK(Pair::caughtUp(old_primary, new_primary));
        INFO(old_primary.history() << " against " << new_primary.history());
        CHECK(old_primary.value("SELECT COUNT(*) FROM lapwing.heartbeat") == "2");
        CHECK(old_primary.value("SELECT ts FROM lapwing.heartbeat WHERE server_id = 1") ==
              new_primary.value("SELECT ts FROM lapwing.heartbeat WHERE server_id = 1"));
    });
}
