#include <algorithm>
#include <cmath>

#include "tests/unit/analysis/replica_pair.h"

namespace {

using namespace lapwing;
using lapwing::analysis::Confidence;
using lapwing::analysis::evidence::BlockerKind;
using lapwing::analysis::evidence::ConnectResult;
using lapwing::analysis::evidence::ThreadState;
using lapwing::analysis::replication::BrokenPart;
using lapwing::analysis::replication::Cause;
using lapwing::analysis::replication::LagSource;
using lapwing::analysis::replication::State;
using lapwing::test::contains;
using lapwing::test::evidenceOf;
using lapwing::test::ReplicaPair;

bool near(std::optional<double> value, double expected, double by) {
    return value && std::abs(*value - expected) <= by;
}

std::optional<double> estimated(const analysis::replication::Verdict& verdict, LagSource source) {
    for (const auto& estimator : verdict.estimators) {
        if (estimator.source == source) {
            return estimator.lag_seconds;
        }
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("A replica that keeps up is healthy, confirmed by both servers") {
    for (const bool mariadb : {true, false}) {
        const auto verdict = ReplicaPair(mariadb).verdict();
        CHECK(verdict.state == State::ok);
        CHECK(verdict.cause == Cause::healthy);
        CHECK(verdict.confidence == Confidence::confirmed);
        CHECK(verdict.lag_seconds == 0.0);
        CHECK(verdict.lag_source == LagSource::gtid_position);
        CHECK(verdict.primary == "web-01");
        CHECK(verdict.transactions_behind == 0.0);
        CHECK(verdict.bytes_behind == 0.0);
        CHECK_FALSE(verdict.even_in_seconds);
        CHECK(verdict.next_step.empty());
        CHECK(verdict.obstacles.empty());
        CHECK(verdict.observed == ReplicaPair::kNow);
    }
}

TEST_CASE("A stopped applier: the primary's track gives the lag, though the server reports NULL") {
    ReplicaPair pair;
    pair.applies(90);
    pair.channel().applier = {ThreadState::stopped, {{1062, "Duplicate entry '7' for key 'PRIMARY'"}}};
    pair.channel().seconds_behind = std::nullopt;
    const auto verdict = pair.verdict();
    CHECK(verdict.state == State::broken);
    CHECK(verdict.cause == Cause::applier_stopped);
    CHECK(near(verdict.lag_seconds, 30, 0.2));
    CHECK(verdict.transactions_behind == 300.0);
    CHECK(verdict.bytes_behind == 30000.0);
    CHECK(verdict.catching_up == false);
    CHECK(verdict.summary == "the applier (SQL thread) has stopped, error 1062");
    CHECK(verdict.next_step ==
          "on web-02: sudo mariadb -e 'SHOW ALL SLAVES STATUS\\G' (Last_SQL_Error says why); mend that, "
          "then sudo mariadb -e 'START SLAVE SQL_THREAD'");
    CHECK(contains(evidenceOf(verdict), "error 1062: Duplicate entry '7'"));
    CHECK_FALSE(verdict.obstacles.empty());
    CHECK(estimated(verdict, LagSource::seconds_behind_source) == std::nullopt);
}

TEST_CASE("Commands use the dialect of the server") {
    ReplicaPair pair(false);
    pair.channel().applier.state = ThreadState::stopped;
    CHECK(pair.verdict().next_step == "on web-02: sudo mysql -e 'START REPLICA SQL_THREAD'");
    pair.replica().version = "5.7.44";
    CHECK(pair.verdict().next_step == "on web-02: sudo mysql -e 'START SLAVE SQL_THREAD'");
    pair.replica().version = "8.0.22";
    pair.replica().channels["c1"] = pair.channel();
    pair.replica().channels.erase("");
    CHECK(pair.verdict().next_step ==
          "on web-02: sudo mysql -e 'START REPLICA SQL_THREAD FOR CHANNEL \"c1\"'");
    pair.replica().mariadb = true;
    CHECK(pair.verdict().next_step == "on web-02: sudo mariadb -e 'START SLAVE \"c1\" SQL_THREAD'");
    pair.replica().channels["it's; \"x\""] = pair.replica().channels["c1"];
    pair.replica().channels.erase("c1");
    CHECK(pair.verdict().next_step == "on web-02: sudo mariadb -e 'START SLAVE \"...\" SQL_THREAD'");
}

TEST_CASE("A stopped receiver has the cause of its error") {
    ReplicaPair pair;
    pair.receives(100);
    pair.applies(100);
    pair.channel().seconds_behind = std::nullopt;
    pair.channel().receiver.state = ThreadState::stopped;
    CHECK(pair.verdict().cause == Cause::receiver_stopped);
    CHECK(near(pair.verdict().lag_seconds, 20, 0.2));
    CHECK(pair.verdict().next_step == "on web-02: sudo mariadb -e 'START SLAVE IO_THREAD'");

    const auto because = [&](int number, const char* text) {
        pair.channel().receiver.errors = {{number, text}};
        return pair.verdict().cause;
    };
    CHECK(because(1236, "Could not find first log file name in binary log index file") ==
          Cause::binlog_purged);
    CHECK(because(1236,
                  "Could not find GTID state requested by slave in any binlog files. Probably the slave "
                  "state is too old") == Cause::binlog_purged);
    CHECK(because(13114, "Cannot replicate because the source purged required binary logs.") ==
          Cause::binlog_purged);
    CHECK(because(1236,
                  "connecting slave requested to start from GTID 0-2-9, which is not in the master's binlog. "
                  "Since the "
                  "master's binlog contains GTIDs with higher sequence numbers, it probably means that the "
                  "slave has "
                  "diverged") == Cause::errant_transactions);
    CHECK(
        because(
            1593,
            "Fatal error: The slave I/O thread stops because master and slave have equal MySQL server ids") ==
        Cause::duplicate_server_id);
    CHECK(because(13117, "") == Cause::duplicate_server_id);
    CHECK(because(1236,
                  "A slave with the same server_uuid/server_id as this slave has connected to the master") ==
          Cause::duplicate_server_id);

    pair.channel().receiver.state = ThreadState::connecting;
    CHECK(because(1045, "Access denied for user 'replication'@'10.77.0.12'") == Cause::credentials);
    CHECK(pair.verdict().confidence == Confidence::confirmed);
    CHECK(contains(pair.verdict().next_step, "MASTER_USE_GTID=slave_pos"));
    CHECK(because(1130, "Host '10.77.0.12' is not allowed to connect") == Cause::credentials);
    // It has just lost the primary, whose agent has reported nothing since.
    pair.receives();
    CHECK(because(2003, "Can't connect to server on '10.77.0.11' (111)") == Cause::unknown);
    CHECK(contains(pair.verdict().summary, "a moment ago"));
    pair.receives(ReplicaPair::kSeconds - 6);
    // The primary was down, and the receiver has not tried again since.
    pair.primary().answering.add(ReplicaPair::kNow - 90'000, 0);
    pair.primary().answering.add(ReplicaPair::kNow - 20'000, 1);
    CHECK(because(2003, "Can't connect to server on '10.77.0.11' (111)") == Cause::unknown);
    pair.primary().answering = {};
    CHECK(because(2003, "Can't connect to server on '10.77.0.11' (110)") == Cause::network);
    CHECK(pair.verdict().confidence == Confidence::confirmed);

    pair.primary().up = false;
    pair.primary().failure = "refused";
    CHECK(because(2003, "Can't connect to server on '10.77.0.11' (111)") == Cause::primary_down);
    CHECK(pair.verdict().confidence == Confidence::confirmed);
    CHECK(pair.verdict().broken_part == BrokenPart::primary);

    // The primary's agent is silent too, so the host is down or unreachable.
    pair.primary().up = std::nullopt;
    CHECK(pair.verdict().cause == Cause::primary_down);
    CHECK(pair.verdict().confidence == Confidence::suspected);
}

TEST_CASE("False zero: the network drops packets, the replica claims 0, the primary's position grows") {
    ReplicaPair pair;
    pair.receives(95);
    pair.applies(95);
    pair.channel().seconds_behind = 0;
    auto verdict = pair.verdict();
    CHECK(verdict.state == State::broken);
    CHECK(verdict.cause == Cause::network);
    CHECK(verdict.confidence == Confidence::suspected);
    CHECK(near(verdict.lag_seconds, 25, 0.2));
    CHECK(estimated(verdict, LagSource::seconds_behind_source) == 0.0);
    CHECK(
        contains(evidenceOf(verdict), "Seconds_Behind says 0.0 s: it counts only against what was received"));

    // An attempt from the replica's host is silent too, or succeeds.
    pair.inputs.databases.reach[{"web-02", "web-01"}] = {ConnectResult::silent, ReplicaPair::kNow - 5000};
    CHECK(pair.verdict().cause == Cause::network);
    CHECK(pair.verdict().confidence == Confidence::confirmed);
    pair.inputs.databases.reach[{"web-02", "web-01"}] = {ConnectResult::open, ReplicaPair::kNow - 5000};
    CHECK(pair.verdict().cause == Cause::receiver_stalled);
    // An attempt before the silence proves nothing.
    pair.inputs.databases.reach[{"web-02", "web-01"}] = {ConnectResult::open, ReplicaPair::kNow - 30000};
    CHECK(pair.verdict().cause == Cause::network);
}

TEST_CASE("A receiver is not stalled while the primary writes nothing") {
    ReplicaPair pair;
    pair.writes(20);
    pair.receives(20);
    pair.applies(20);
    CHECK(pair.verdict().cause == Cause::healthy);
    CHECK(pair.verdict().lag_seconds == 0.0);
}

TEST_CASE("Parallel replication after idle: the server's figure jumps, the position does not") {
    ReplicaPair pair;
    pair.channel().seconds_behind = 200'000;
    const auto verdict = pair.verdict();
    CHECK(verdict.state == State::ok);
    CHECK(verdict.lag_seconds == 0.0);
    CHECK(contains(evidenceOf(verdict), "the server itself says 56 h"));
}

TEST_CASE("A slow applier falls behind or catches up") {
    ReplicaPair pair;
    pair.applies(60, 0.5);
    auto verdict = pair.verdict();
    CHECK(verdict.state == State::lagging);
    CHECK(verdict.cause == Cause::applier_slow);
    CHECK(near(verdict.lag_seconds, 30, 0.3));
    CHECK(verdict.catching_up == false);
    CHECK_FALSE(verdict.even_in_seconds);

    pair.writes(80);
    pair.receives(80);
    pair.applies(40, 0.4);
    verdict = pair.verdict();
    // The replica is at second 72 of 80. In the last half minute it applied 120 transactions; 80 are left.
    CHECK(verdict.transactions_behind == 80.0);
    CHECK(verdict.catching_up == true);
    CHECK(near(verdict.even_in_seconds, 20, 0.5));
}

TEST_CASE("A blocked applier, with the blocking connection") {
    ReplicaPair pair;
    pair.applies(117);
    pair.channel().blocked = {{3, BlockerKind::lock, "45", "root@localhost holds site.visits"}};
    auto verdict = pair.verdict();
    CHECK(verdict.state == State::lagging);
    CHECK(verdict.cause == Cause::blocked);
    CHECK(verdict.confidence == Confidence::confirmed);
    CHECK(contains(evidenceOf(verdict), "held by connection 45): root@localhost holds site.visits"));
    CHECK(contains(verdict.next_step, "KILL 45"));

    pair.applies(110);
    pair.channel().blocked.clear();
    pair.replica().longest_transaction = 10;
    verdict = pair.verdict();
    CHECK(verdict.cause == Cause::blocked);
    CHECK(verdict.confidence == Confidence::suspected);
    CHECK(contains(evidenceOf(verdict), "has finished no transaction for 10 s"));
}

TEST_CASE("After an outage the applier is not blocked: it had nothing to apply") {
    ReplicaPair pair;
    pair.applies(40);
    pair.channel().read = {};
    for (int second = 0; second <= ReplicaPair::kSeconds; ++second) {
        const bool back = second >= ReplicaPair::kSeconds - 1;
        pair.channel().read.add(ReplicaPair::time(second),
                                ReplicaPair::position(back ? second : std::min(second, 40)));
    }
    const auto verdict = pair.verdict();
    CHECK(verdict.state == State::lagging);
    CHECK(verdict.cause == Cause::applier_slow);
}

TEST_CASE("Only the time beyond a deliberate delay is lag") {
    ReplicaPair pair;
    pair.channel().delay_seconds = 60;
    pair.channel().seconds_behind = 60;
    pair.applies(60);
    auto verdict = pair.verdict();
    CHECK(verdict.state == State::delayed);
    CHECK(verdict.cause == Cause::delayed_deliberately);
    CHECK(near(verdict.lag_seconds, 0, 0.2));
    CHECK(verdict.delay_seconds == 60);
    CHECK(estimated(verdict, LagSource::seconds_behind_source) == 0.0);
    CHECK_FALSE(verdict.obstacles.empty());
    pair.applies(40);
    verdict = pair.verdict();
    CHECK(verdict.state == State::lagging);
    CHECK(near(verdict.lag_seconds, 20, 0.2));
}

TEST_CASE("The clocks correct the heartbeat, which narrows the lag") {
    ReplicaPair pair;
    pair.beats(0.5);
    CHECK(pair.verdict().lag_seconds == 0.0);
    CHECK(estimated(pair.verdict(), LagSource::heartbeat) == 0.0);

    pair.applies(115);
    pair.beats(5.5);
    CHECK(near(pair.verdict().lag_seconds, 5, 0.3));

    // The replica's clock is 30 s ahead, so the rows look old although the replica keeps up.
    pair.applies();
    pair.beats(30.5);
    pair.replica().clock = 30;
    const auto verdict = pair.verdict();
    CHECK(verdict.lag_seconds == 0.0);
    CHECK(near(estimated(verdict, LagSource::heartbeat), 0, 0.01));
    CHECK(verdict.state == State::at_risk);
    CHECK(verdict.cause == Cause::clock_skew);
    CHECK(contains(evidenceOf(verdict), "the clock of web-02 is 30 s ahead of that of web-01"));
}

TEST_CASE("Without positions the lag comes from the heartbeat alone") {
    ReplicaPair pair;
    pair.primary().written = {};
    pair.primary().executed = {};
    pair.beats(12.5);
    const auto verdict = pair.verdict();
    CHECK(verdict.lag_source == LagSource::heartbeat);
    CHECK(near(verdict.lag_seconds, 12, 0.01));
    CHECK(verdict.state == State::lagging);
}

TEST_CASE("A dead heartbeat writer does not raise the lag") {
    ReplicaPair pair;
    pair.beats(40, 40);
    auto verdict = pair.verdict();
    CHECK(verdict.lag_seconds == 0.0);
    CHECK(verdict.state == State::at_risk);
    CHECK(verdict.cause == Cause::heartbeat_dead);
    CHECK(verdict.confidence == Confidence::confirmed);
    // The row is from a server that was removed long ago, and no agent writes.
    pair.beats(400'000, 400'000);
    pair.primary().heartbeat_writing = std::nullopt;
    CHECK(pair.verdict().cause == Cause::healthy);
    // Rows with another server's id prove nothing about this primary.
    pair.beats(0.5);
    pair.replica().heartbeats["9"] = {ReplicaPair::kNow, 90'000};
    CHECK(pair.verdict().cause == Cause::healthy);
    // One write failed.
    pair.beats(2.5, 2.5);
    pair.primary().heartbeat_writing = false;
    CHECK(pair.verdict().cause == Cause::healthy);
    // The agent has started a moment ago, and its first write is still to come.
    pair.primary().heartbeats.clear();
    pair.replica().heartbeats.clear();
    pair.primary().beating.add(ReplicaPair::kNow - 9'000, 0);
    pair.primary().beating.add(ReplicaPair::kNow, 0);
    CHECK(pair.verdict().cause == Cause::healthy);
    // The server refuses the agent's write.
    pair.primary().beating = {};
    pair.primary().beating.add(ReplicaPair::kNow - 11'000, 0);
    pair.primary().beating.add(ReplicaPair::kNow, 0);
    pair.primary().heartbeat_refused = "no_grant";
    CHECK(pair.verdict().cause == Cause::heartbeat_dead);
    // The middle of a chain, and each of two primaries that follow each other, is not meant to write it.
    for (const auto* reason : {"read_only", "has_channel", "not_primary", "waiting"}) {
        CAPTURE(reason);
        pair.primary().heartbeat_refused = reason;
        CHECK(pair.verdict().cause == Cause::healthy);
    }
    // It wrote it before it got a primary itself.
    pair.beats(40, 40);
    pair.primary().heartbeat_writing = false;
    CHECK(pair.verdict().cause == Cause::healthy);
}

TEST_CASE("While the primary's agent is silent, the server's own figure counts only with a proven receiver") {
    ReplicaPair pair;
    pair.primary() = {};
    pair.writes(100, 100);  // the tracks outlive the reports
    auto verdict = pair.verdict();
    CHECK(verdict.lag_seconds == 0.0);
    CHECK(verdict.lag_source == LagSource::seconds_behind_source);
    CHECK(verdict.confidence == Confidence::suspected);
    CHECK(verdict.cause == Cause::healthy);

    // The tracks show writes of the primary that the replica has not received.
    pair.receives(40);
    CHECK(pair.verdict().cause == Cause::primary_down);
    pair.primary() = {};
    verdict = pair.verdict();
    CHECK_FALSE(verdict.lag_seconds);
    CHECK(verdict.state == State::unknown);
    CHECK(contains(evidenceOf(verdict), "nothing has arrived from the primary for 80 s"));

    // Heartbeats on the connection also prove the receiver.
    pair.channel().last_heartbeat_age = 3;
    CHECK(pair.verdict().lag_seconds == 0.0);
    // The primary's agent wrote the heartbeat.
    pair.replica().heartbeats["1"] = {ReplicaPair::kNow, 20};
    CHECK(pair.verdict().cause == Cause::heartbeat_dead);
    CHECK(pair.verdict().lag_seconds == 0.0);
}

TEST_CASE("NULL without reports from the primary is unknown, not zero") {
    ReplicaPair pair;
    pair.inputs.databases.servers.erase("web-01");
    pair.channel().seconds_behind = std::nullopt;
    const auto verdict = pair.verdict();
    CHECK_FALSE(verdict.lag_seconds);
    CHECK(verdict.state == State::unknown);
    CHECK(contains(evidenceOf(verdict), "unknown, not zero"));
}

TEST_CASE("Risks of a replica that keeps up") {
    ReplicaPair pair;
    pair.replica().read_only = false;
    CHECK(pair.verdict().cause == Cause::both_writable);
    CHECK(pair.verdict().state == State::at_risk);
    CHECK(pair.verdict().next_step.find("SET GLOBAL read_only = 1") != std::string::npos);
    pair.inputs.declared.push_back({"web-02", "web-01"});
    CHECK(pair.verdict().cause == Cause::healthy);
    pair.inputs.declared.pop_back();
    pair.replica().read_only = true;

    pair.replica().server_id = "1";
    CHECK(pair.verdict().cause == Cause::duplicate_server_id);
    pair.replica().server_id = "2";

    // The replica's binary log contains 0-2-5, the primary's does not.
    pair.primary().binlog_state["0-1"].add(ReplicaPair::time(119), 2190);
    pair.replica().binlog_state["0-1"].add(ReplicaPair::time(117), 2170);
    pair.replica().binlog_state["0-2"].add(ReplicaPair::time(117), 5);
    CHECK(pair.verdict().cause == Cause::errant_transactions);
    CHECK(contains(evidenceOf(pair.verdict()), "only the replica has 0-2 (5 transactions)"));
    CHECK(pair.verdict().obstacles.size() == 1);
    // Of two primaries that follow each other each has transactions that the other gets a moment later.
    pair.inputs.declared.push_back({"web-02", "web-01"});
    CHECK(pair.verdict().cause == Cause::healthy);
    CHECK(pair.verdict().obstacles.empty());
    pair.inputs.declared.pop_back();
    auto ring = pair;
    auto& back = ring.primary().channels[""];
    back = ring.channel();
    back.source.host = "web-02";
    back.source_server_id = "2";
    back.source_uuid = ring.replica().server_uuid;
    for (const auto& verdict : analysis::replication::judge(ring.inputs)) {
        CHECK(verdict.cause != Cause::errant_transactions);
        CHECK_FALSE(contains(evidenceOf(verdict), "only the replica has"));
    }
    // A primary that was a replica before has the transactions too.
    pair.primary().binlog_state["0-2"].add(ReplicaPair::time(119), 5);
    CHECK(pair.verdict().cause == Cause::healthy);
}

TEST_CASE("Errant transactions on MySQL have the replica's own UUID") {
    ReplicaPair pair(false);
    const auto own = pair.replica().server_uuid;
    pair.replica().executed[own].add(ReplicaPair::time(100), 3);
    pair.replica().executed[own].add(ReplicaPair::time(120), 3);
    CHECK(pair.verdict().cause == Cause::errant_transactions);
    CHECK(pair.verdict().lag_seconds == 0.0);
    pair.primary().executed[own].add(ReplicaPair::time(120), 3);
    CHECK(pair.verdict().cause == Cause::healthy);
    // A tagged GTID also belongs to the replica.
    pair.replica().executed[own + ":app"].add(ReplicaPair::time(100), 1);
    CHECK(pair.verdict().cause == Cause::errant_transactions);
}

TEST_CASE("A transaction that the primary committed after its observation is not errant") {
    ReplicaPair pair;
    pair.writes(ReplicaPair::kSeconds, 118);  // observed two seconds ago
    CHECK(pair.verdict().cause == Cause::healthy);
}

TEST_CASE("A declared replica without a channel") {
    ReplicaPair pair;
    pair.replica().channels.clear();
    pair.replica().configured = false;
    auto verdict = pair.verdict();
    CHECK(verdict.state == State::broken);
    CHECK(verdict.cause == Cause::not_configured);
    CHECK_FALSE(verdict.lag_seconds);
    CHECK(contains(verdict.next_step, "CHANGE MASTER TO MASTER_HOST=\"web-01\""));

    // Without a declaration the server is not a replica.
    pair.inputs.declared.clear();
    CHECK(analysis::replication::judge(pair.inputs).empty());
}

TEST_CASE("A silent server is unknown and keeps its last cause") {
    ReplicaPair pair;
    pair.replica().up = false;
    pair.replica().failure = "timeout";
    auto verdict = pair.verdict();
    CHECK(verdict.state == State::unknown);
    CHECK(verdict.cause == Cause::unknown);
    CHECK_FALSE(verdict.lag_seconds);
    CHECK(contains(evidenceOf(verdict), "the replica does not answer: timeout"));

    pair.inputs.previous[{"web-02", ""}] = {"web-01", State::broken, Cause::applier_stopped};
    verdict = pair.verdict();
    CHECK(verdict.state == State::unknown);
    CHECK(verdict.cause == Cause::applier_stopped);
    CHECK(verdict.confidence == Confidence::unknown);

    // No sample is left of the silent agent, and the site never declared the pair.
    pair.inputs.databases.servers.clear();
    pair.inputs.declared.clear();
    verdict = pair.verdict();
    CHECK(verdict.primary == "web-01");
    CHECK(verdict.cause == Cause::applier_stopped);
    CHECK(contains(evidenceOf(verdict), "nothing is reported about MySQL on web-02"));

    // The server answers again and reports that it has no channel.
    pair.inputs.databases.servers["web-02"].up = true;
    pair.inputs.databases.servers["web-02"].heard = ReplicaPair::kNow;
    pair.inputs.databases.servers["web-02"].configured = false;
    CHECK(analysis::replication::judge(pair.inputs).empty());
}

TEST_CASE("An old status counts as unknown") {
    ReplicaPair pair;
    pair.inputs.databases.now = ReplicaPair::kNow + 20'000;
    CHECK(pair.verdict().state == State::unknown);
    CHECK_FALSE(pair.verdict().lag_seconds);
}

TEST_CASE("The evidence names changed roles") {
    ReplicaPair pair;
    pair.inputs.declared = {{"web-02", "web-01"}};
    const auto verdict = pair.verdict();
    CHECK(verdict.replica == "web-02");
    CHECK(verdict.primary == "web-01");
    CHECK(verdict.cause == Cause::healthy);
    CHECK(contains(evidenceOf(verdict), "they have changed roles"));
}

TEST_CASE("The verdict finds the primary by UUID, address, name, server id or declaration") {
    ReplicaPair pair(false);
    pair.channel().source.host = "192.0.2.9";
    CHECK(pair.verdict().primary == "web-01");  // by UUID
    pair.channel().source_uuid.clear();
    CHECK(pair.verdict().primary == "web-01");  // by server id
    pair.channel().source_server_id = "77";
    CHECK(pair.verdict().primary == "web-01");  // as declared
    pair.inputs.declared.clear();
    CHECK(pair.verdict().primary == "192.0.2.9");
    CHECK(pair.verdict().lag_source == LagSource::seconds_behind_source);
    pair.channel().source.host = "web-01";
    CHECK(pair.verdict().primary == "web-01");  // by name
    pair.channel().source.host = "10.77.0.11";
    CHECK(pair.verdict().primary == "web-01");  // by address
    pair.inputs.databases.hosts[ReplicaPair::address("2001:db8::11")] = "web-01";
    pair.channel().source.host = "2001:DB8:0:0::11";
    CHECK(pair.verdict().primary == "web-01");  // by address, spelt differently
}

TEST_CASE("MariaDB with two primaries: each channel's coordinates decide") {
    ReplicaPair pair;
    pair.inputs.declared.clear();
    auto& second = pair.followsAnother();
    second.executed = {};
    for (int i = 0; i <= ReplicaPair::kSeconds; ++i) {
        second.executed.add(ReplicaPair::time(i), ReplicaPair::position(std::min(i, 80)));
    }
    auto all = analysis::replication::judge(pair.inputs);
    REQUIRE(all.size() == 2);
    CHECK(all[0].lag_seconds == 0.0);
    CHECK(all[0].lag_source == LagSource::binlog_position);
    CHECK(all[1].primary == "web-03");
    CHECK(near(all[1].lag_seconds, 40, 0.5));
    CHECK(all[1].state == State::lagging);
    // Both primaries write to domain 0, so the replica's position in it belongs to neither.
    CHECK_FALSE(all[0].transactions_behind.has_value());
    CHECK(all[1].bytes_behind == 40.0 * ReplicaPair::kRate * ReplicaPair::kBytes);

    auto& other = pair.inputs.databases.servers["web-03"];
    other.executed["3"] = other.executed["0"];
    other.executed.erase("0");
    pair.replica().executed["3"] = pair.replica().executed["0"];
    all = analysis::replication::judge(pair.inputs);
    CHECK(all[0].transactions_behind == 0.0);
    CHECK(all[1].transactions_behind == 0.0);
}

TEST_CASE("A replica stops following one of two declared primaries") {
    ReplicaPair pair;
    pair.followsAnother();
    pair.inputs.declared = {{"web-01", "web-02"}, {"web-03", "web-02"}};
    REQUIRE(analysis::replication::judge(pair.inputs).size() == 2);

    pair.replica().channels.erase("b");
    auto all = analysis::replication::judge(pair.inputs);
    REQUIRE(all.size() == 2);
    CHECK(all[0].cause == Cause::healthy);
    CHECK(all[1].primary == "web-03");
    CHECK(all[1].channel == "web-03");  // its name is not known
    CHECK(all[1].cause == Cause::not_configured);
    CHECK(contains(evidenceOf(all[1]), "none of its channels follows web-03"));
    pair.inputs.previous[{"web-02", "b"}] = {"web-03", State::ok, Cause::healthy};
    all = analysis::replication::judge(pair.inputs);
    CHECK(all[1].channel == "b");
    CHECK(contains(all[1].next_step, "CHANGE MASTER \"b\" TO"));

    // A channel that follows another server accounts for one of the two pairs.
    pair.channel().source.host = "web-09";
    pair.channel().source_server_id = "9";
    all = analysis::replication::judge(pair.inputs);
    REQUIRE(all.size() == 2);
    CHECK(all[0].primary == "web-09");
    CHECK(all[1].cause == Cause::not_configured);
}

TEST_CASE("After a switchover the declared primary follows, and so do the other replicas") {
    ReplicaPair pair;
    auto& another = pair.inputs.databases.servers["a-01"];
    another = pair.replica();
    another.server_id = "3";
    pair.inputs.declared = {{"web-02", "web-01"}, {"web-02", "a-01"}};
    const auto all = analysis::replication::judge(pair.inputs);
    REQUIRE(all.size() == 2);
    CHECK(all[0].replica == "a-01");
    CHECK(all[1].replica == "web-02");
    CHECK(all[1].cause == Cause::healthy);
}

TEST_CASE("The verdict also names obstacles to a failover") {
    ReplicaPair pair;
    pair.replica().log_bin = false;
    pair.channel().filters = {"Replicate_Ignore_DB=tmp"};
    const auto verdict = pair.verdict();
    CHECK(verdict.cause == Cause::healthy);
    REQUIRE(verdict.obstacles.size() == 2);
    CHECK(contains(verdict.obstacles[0].text, "log_bin is off"));
    CHECK(contains(verdict.obstacles[1].text, "Replicate_Ignore_DB=tmp"));
}

TEST_CASE("A thread in an unknown state makes the verdict unknown") {
    ReplicaPair pair;
    pair.channel().applier.state = ThreadState::unknown;
    CHECK(pair.verdict().state == State::unknown);
}

namespace {

/// The replica's channel stands still after second 100, as `channel` says.
ReplicaPair standing() {
    ReplicaPair pair;
    pair.receives(100);
    pair.applies(100);
    pair.channel().seconds_behind = std::nullopt;
    pair.channel().receiver.state = ThreadState::stopped;
    return pair;
}

/// The server writes transactions of its own until now.
void writesItself(analysis::evidence::Database& server) {
    for (int i = 0; i <= ReplicaPair::kSeconds; ++i) {
        server.binlog_state["0-" + server.server_id].add(ReplicaPair::time(i), 10 + i);
    }
}

/// web-01, the primary, keeps a stopped channel to `host`.
analysis::evidence::ReplicaChannel& leaves(ReplicaPair& pair, const std::string& host) {
    auto& channel = pair.primary().channels[""];
    channel.at = ReplicaPair::kNow;
    channel.source = {host, 3306};
    channel.receiver.state = ThreadState::stopped;
    channel.applier.state = ThreadState::stopped;
    pair.primary().configured = true;
    return channel;
}

analysis::replication::Verdict of(const ReplicaPair& pair, const std::string& server) {
    for (const auto& verdict : analysis::replication::judge(pair.inputs)) {
        if (verdict.replica == server) {
            return verdict;
        }
    }
    FAIL("no verdict on " << server);
    return {};
}

bool commandsAreSafe(const analysis::replication::Verdict& verdict) {
    return !contains(verdict.next_step, "START SLAVE") && !contains(verdict.next_step, "CHANGE MASTER") &&
           !contains(verdict.next_step, "read_only") && verdict.forbid_writes_step.empty();
}

}  // namespace

TEST_CASE("What the server states decides before anything is inferred, and no advice names a firewall") {
    auto pair = standing();
    pair.channel().receiver.state = ThreadState::connecting;
    pair.primary().up = std::nullopt;  // would let inference say primary_down
    const auto because = [&](int number, const char* text) {
        pair.channel().receiver.errors = {{number, text}};
        auto verdict = pair.verdict();
        CHECK_FALSE(contains(verdict.next_step, "firewall"));
        CHECK(verdict.state == State::broken);
        return verdict;
    };
    CHECK(because(4151, "Access denied, this account is locked").cause == Cause::credentials);
    CHECK(contains(pair.verdict().next_step, "on web-01: sudo mariadb -e 'ALTER USER ... ACCOUNT UNLOCK'"));
    CHECK(because(3118, "Access denied for user. Account is locked.").cause == Cause::credentials);
    CHECK(because(1862, "Your password has expired").cause == Cause::credentials);
    CHECK(contains(pair.verdict().summary, "expired"));
    CHECK(because(3159, "Connections using insecure transport are prohibited").cause == Cause::credentials);
    CHECK(contains(pair.verdict().next_step, "MASTER_SSL=1"));
    CHECK(because(1129, "Host '10.77.0.12' is blocked").cause == Cause::credentials);
    CHECK(contains(pair.verdict().next_step, "on web-01: sudo mariadb -e 'FLUSH HOSTS'"));
    CHECK(because(2061, "Authentication plugin reported error").cause == Cause::credentials);
    CHECK(because(1227, "Access denied; you need REPLICATION SLAVE").cause == Cause::credentials);
    CHECK(because(1040, "Too many connections").cause == Cause::too_many_connections);
    CHECK(pair.verdict().confidence == Confidence::confirmed);
    CHECK(because(1203, "already has more than 'max_user_connections'").cause == Cause::too_many_connections);
    CHECK(because(2026, "TLS/SSL error: certificate verify failed").cause == Cause::tls);
    CHECK(because(1153, "Got a packet bigger than 'max_allowed_packet' bytes").cause ==
          Cause::packet_too_large);
    CHECK(because(1236, "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on master")
              .cause == Cause::packet_too_large);
    CHECK(because(1236, "bogus data in log event").cause == Cause::binlog_damaged);
    CHECK(because(1236, "Client requested master to start replication from position > file size").cause ==
          Cause::binlog_damaged);
    CHECK(because(1236, "Binary log is not open").cause == Cause::configuration_mismatch);
    CHECK(because(13114, "Replica has more GTIDs than the source has").cause == Cause::errant_transactions);
    CHECK(because(1595, "Relay log write failure").cause == Cause::relay_log_damaged);
    CHECK(because(1595, "Relay log write failure: No space left on device").cause == Cause::disk_full);
    CHECK(because(3032, "The server is currently in offline mode").cause == Cause::primary_down);
    CHECK(because(2005, "Unknown server host 'db'").cause == Cause::primary_down);

    pair.primary().up = true;
    CHECK(because(2005, "Unknown server host 'db'").cause == Cause::network);
    CHECK(contains(pair.verdict().next_step, "getent hosts 10.77.0.11"));
    pair.channel().receiver.errors = {{2003, "Can't connect (110)"}};
    CHECK(contains(pair.verdict().next_step, "firewalls"));
}

TEST_CASE("The applier's errors: the worker's counts, a full disk and a damaged relay log are told as such") {
    auto pair = standing();
    pair.channel().receiver.state = ThreadState::running;
    pair.channel().applier = {ThreadState::stopped,
                              {{1756, "... The replica coordinator and worker threads are stopped"},
                               {1062, "Duplicate entry '7'"}}};
    CHECK(pair.verdict().summary == "the applier (SQL thread) has stopped, error 1062");
    pair.channel().applier.errors = {
        {1594, "Relay log read failure: Could not parse relay log event entry."}};
    CHECK(pair.verdict().cause == Cause::relay_log_damaged);
    CHECK(pair.verdict().broken_part == BrokenPart::applier);
    pair.channel().applier.errors = {{1030, "Got error 28 \"No space left on device\" from storage engine"}};
    CHECK(pair.verdict().cause == Cause::disk_full);
    CHECK(contains(pair.verdict().next_step, "df -h"));
}

TEST_CASE("relay_log_space_limit: the receiver says what it waits for") {
    auto pair = standing();
    pair.channel().receiver = {ThreadState::running,
                               {},
                               {{database::WaitReason::relay_log_full,
                                 "Waiting for the slave SQL thread to free enough relay log space"}}};
    const auto verdict = pair.verdict();
    CHECK(verdict.cause == Cause::relay_log_full);
    CHECK(verdict.state == State::lagging);
    CHECK(verdict.confidence == Confidence::confirmed);
    CHECK_FALSE(contains(verdict.next_step, "firewall"));
    CHECK(contains(evidenceOf(verdict), "free enough relay log space"));
    CHECK(near(verdict.lag_seconds, 20, 0.2));

    pair.channel().receiver.wait = {{database::WaitReason::disk_full, "Waiting for disk space"}};
    CHECK(pair.verdict().cause == Cause::disk_full);
    CHECK(pair.verdict().broken_part == BrokenPart::receiver);
    // The applier has stopped: that is why the relay logs are full.
    pair.channel().receiver.wait = {
        {database::WaitReason::relay_log_full, "Waiting for the slave SQL thread"}};
    pair.channel().applier.state = ThreadState::stopped;
    CHECK(pair.verdict().cause == Cause::applier_stopped);
}

TEST_CASE("A lock in the applier's state is named") {
    ReplicaPair pair;
    pair.applies(90);
    pair.channel().applier.wait = {{database::WaitReason::table_lock, "Waiting for table metadata lock"}};
    const auto verdict = pair.verdict();
    CHECK(verdict.cause == Cause::blocked);
    CHECK(verdict.confidence == Confidence::confirmed);
    CHECK(contains(verdict.summary, "Waiting for table metadata lock"));
}

TEST_CASE("Commits that wait on the primary are a cause, with the server's state") {
    auto pair = standing();
    pair.primary().waits = {
        {database::WaitReason::semi_sync_ack, "Waiting for semi-sync ACK from slave", 40, true},
        {database::WaitReason::semi_sync_ack, "Waiting for semi-sync ACK from slave", 12, false}};
    auto verdict = pair.verdict();
    CHECK(verdict.cause == Cause::commit_waits);
    CHECK(verdict.state == State::broken);
    CHECK(verdict.broken_part == BrokenPart::primary);
    CHECK(verdict.confidence == Confidence::confirmed);
    CHECK(verdict.summary ==
          "commits on web-01 wait (\"Waiting for semi-sync ACK from slave\"); and the receiver (I/O thread) "
          "has stopped");
    CHECK(contains(verdict.next_step, "on web-02: sudo mariadb -e 'START SLAVE IO_THREAD'"));
    CHECK(contains(verdict.next_step, "on web-01: SET GLOBAL rpl_semi_sync_master_enabled = 0"));
    CHECK(contains(evidenceOf(verdict), "the agent's write of the heartbeat has waited for up to 40 s"));

    pair.primary().waits = {
        {database::WaitReason::disk_full, "Waiting for someone to free space", 30, false}};
    verdict = pair.verdict();
    CHECK(verdict.cause == Cause::disk_full);
    CHECK(contains(verdict.next_step, "on web-01: df -h"));

    // Moments of waiting are normal.
    ReplicaPair busy;
    busy.primary().waits = {{database::WaitReason::group_commit, "waiting for handler commit", 3, false}};
    CHECK(busy.verdict().cause == Cause::healthy);
    // The agent's own write waits, and the server does not say for what.
    busy.primary().waits = {{database::WaitReason::other, "Commit", 20, true}};
    CHECK(busy.verdict().cause == Cause::commit_waits);
    CHECK(busy.verdict().confidence == Confidence::suspected);
}

TEST_CASE("A primary that refuses its agent is up") {
    auto pair = standing();
    pair.channel().receiver = {ThreadState::connecting, {{2013, "Lost connection"}}};
    pair.primary().up = false;
    pair.primary().failure = "exhausted";
    CHECK(pair.verdict().cause == Cause::primary_down);
    pair.primary().failure = "denied";  // the agent may not open the socket: it knows nothing
    CHECK(pair.verdict().cause == Cause::primary_down);
    CHECK(pair.verdict().confidence == Confidence::suspected);
    pair.primary().failure = "exhausted";
    pair.primary().refusal = "too_many_connections (error 1040)";
    CHECK(pair.verdict().cause != Cause::primary_down);
    CHECK(contains(evidenceOf(pair.verdict()), "answers its own agent and refuses it: too_many_connections"));
    pair.primary().refusal.clear();
    pair.primary().answered = true;  // it does not answer one of the statements
    CHECK(pair.verdict().cause != Cause::primary_down);

    ReplicaPair refused;
    refused.replica().up = false;
    refused.replica().refusal = "account_locked (error 4151)";
    CHECK(
        contains(evidenceOf(refused.verdict()), "the replica answers and refuses the agent: account_locked"));
}

TEST_CASE("A declared primary with a leftover channel is not told to start it") {
    ReplicaPair pair;
    leaves(pair, "10.77.0.99");
    const auto verdict = of(pair, "web-01");
    CHECK(verdict.cause == Cause::leftover_channel);
    CHECK(verdict.state == State::at_risk);
    CHECK(verdict.confidence == Confidence::confirmed);
    CHECK_FALSE(verdict.lag_seconds);
    CHECK(verdict.obstacles.empty());
    CHECK(commandsAreSafe(verdict));
    CHECK(contains(verdict.next_step, "nothing has to be done. If you are sure"));
    CHECK(contains(verdict.next_step, "STOP SLAVE; RESET SLAVE ALL"));
    CHECK(contains(evidenceOf(verdict), "does no harm until somebody starts it"));
    CHECK(of(pair, "web-02").cause == Cause::healthy);

    // Its receiver tries to connect: it would write here as soon as the source answers.
    pair.primary().channels[""].receiver.state = ThreadState::connecting;
    CHECK(of(pair, "web-01").cause == Cause::leftover_channel);
    CHECK(contains(of(pair, "web-01").next_step, "STOP SLAVE"));
    CHECK(commandsAreSafe(of(pair, "web-01")));

    // The heartbeat stops while there is a channel: no reason for an alert about the replica.
    pair.beats(30, 30);
    pair.primary().heartbeat_writing = false;
    pair.primary().heartbeat_refused = "has_channel";
    CHECK(of(pair, "web-02").cause == Cause::healthy);
}

TEST_CASE("A ring after a failover: the new primary's channel is left over") {
    ReplicaPair pair;  // web-02 follows web-01
    leaves(pair, "10.77.0.12");
    for (const bool stale : {true, false}) {
        // Declared the other way round, or not at all: what works counts.
        pair.inputs.declared.clear();
        if (stale) {
            pair.inputs.declared = {{"web-02", "web-01"}};
        }
        const auto verdict = of(pair, "web-01");
        CHECK(verdict.cause == Cause::leftover_channel);
        CHECK(commandsAreSafe(verdict));
        CHECK(contains(evidenceOf(verdict), "web-02 follows it"));
        CHECK_FALSE(contains(evidenceOf(verdict), "have changed roles"));
    }
    // One thread of the way back stops while both accept writes: the ring is broken, and nothing is left
    // over.
    pair.inputs.declared = {{"web-01", "web-02"}};
    pair.primary().channels[""].applier.state = ThreadState::running;
    CHECK(of(pair, "web-01").cause == Cause::leftover_channel);
    pair.replica().read_only = false;
    CHECK(of(pair, "web-01").cause == Cause::receiver_stopped);
    CHECK(of(pair, "web-01")
              .next_step.starts_with("Incomplete: it is not known whether the channel is in use"));
    // Declared in both directions, a stopped channel is broken.
    pair.inputs.declared = {{"web-01", "web-02"}, {"web-02", "web-01"}};
    CHECK(of(pair, "web-01").cause == Cause::receiver_stopped);
}

TEST_CASE("A promoted replica is not told to follow its dead primary") {
    auto pair = standing();
    pair.channel().applier.state = ThreadState::stopped;
    pair.replica().read_only = false;
    pair.primary().up = false;
    // It accepts writes, but whether it was promoted is not known.
    auto verdict = pair.verdict();
    CHECK(contains(verdict.next_step, "Incomplete: it is not known whether web-02 has been promoted"));
    writesItself(pair.replica());
    verdict = pair.verdict();
    CHECK(verdict.cause == Cause::leftover_channel);
    CHECK(commandsAreSafe(verdict));
    CHECK(contains(evidenceOf(verdict), "it has been promoted"));
    // While the primary answers, a stopped replica that takes writes stays a stopped replica.
    pair.primary().up = true;
    CHECK(pair.verdict().cause == Cause::receiver_stopped);

    // The same with RESET ALL: there is no channel, and the pair is declared.
    pair.replica().channels.clear();
    pair.replica().configured = false;
    pair.primary().up = false;
    CHECK(pair.verdict().cause == Cause::not_configured);
    CHECK(
        pair.verdict().next_step.starts_with("Incomplete: it is not known whether web-02 has been promoted"));
}

TEST_CASE("A stopped channel of an undeclared site is judged by what works") {
    auto pair = standing();
    pair.channel().applier.state = ThreadState::stopped;
    pair.inputs.declared.clear();
    // A read-only server is a replica.
    CHECK(pair.verdict().next_step == "on web-02: sudo mariadb -e 'START SLAVE IO_THREAD'");
    // So is a writable server behind a primary that takes the writes.
    pair.replica().read_only = false;
    CHECK(pair.verdict().cause == Cause::receiver_stopped);
    CHECK(pair.verdict().next_step == "on web-02: sudo mariadb -e 'START SLAVE IO_THREAD'");
    // Both take writes: nothing tells which is meant to.
    writesItself(pair.replica());
    CHECK(pair.verdict().cause == Cause::receiver_stopped);
    CHECK(pair.verdict().next_step.starts_with("Incomplete: it is not known whether web-02 is a primary"));
    CHECK(pair.verdict().forbid_writes_step.starts_with("Incomplete"));
    // The source is gone.
    pair.primary().up = false;
    CHECK(pair.verdict().cause == Cause::leftover_channel);
    CHECK(commandsAreSafe(pair.verdict()));
}

TEST_CASE("The middle of a chain is a replica") {
    ReplicaPair pair;
    auto& last = pair.inputs.databases.servers["web-03"];
    last = pair.replica();
    last.server_id = "3";
    last.channels[""].source = {"10.77.0.12", 3306};
    last.channels[""].source_server_id = "2";
    pair.inputs.declared = {{"web-01", "web-02"}, {"web-02", "web-03"}};
    CHECK(of(pair, "web-02").cause == Cause::healthy);
    pair.channel().receiver.state = ThreadState::stopped;
    pair.channel().applier.state = ThreadState::stopped;
    CHECK(of(pair, "web-02").cause == Cause::receiver_stopped);
    CHECK(contains(of(pair, "web-02").next_step, "START SLAVE IO_THREAD"));
    pair.inputs.declared.clear();
    CHECK(of(pair, "web-02").cause == Cause::receiver_stopped);  // read-only
    pair.replica().read_only = false;
    CHECK(of(pair, "web-02").next_step.starts_with("Incomplete"));
}

TEST_CASE("A replica that broke after an undeclared change of roles is still told") {
    auto pair = standing();
    pair.inputs.declared = {{"web-02", "web-01"}};  // web-02 was the primary once; it is read-only now
    pair.channel().receiver = {ThreadState::connecting, {{1045, "Access denied"}}};
    CHECK(of(pair, "web-02").cause == Cause::credentials);
}

TEST_CASE("No advice sets read_only where writes arrive") {
    ReplicaPair pair;
    pair.replica().read_only = false;
    CHECK(pair.verdict().next_step.starts_with("on web-02: sudo mariadb -e 'SET GLOBAL read_only = 1'"));
    writesItself(pair.replica());
    CHECK(pair.verdict().cause == Cause::both_writable);
    CHECK(pair.verdict().next_step.starts_with("Incomplete: it is not known who writes to web-02"));
    // A declared primary that receives from elsewhere may accept writes.
    pair.inputs.declared = {{"web-02", "web-03"}};
    CHECK(of(pair, "web-02")
              .next_step.starts_with("Incomplete: it is not known which server is to be written"));
    pair.primary().read_only = true;
    CHECK(of(pair, "web-02").forbid_writes_step.empty());
}

TEST_CASE("A stopped channel in the other direction does not replace the declared pair") {
    ReplicaPair pair;
    pair.replica().channels.clear();
    pair.replica().configured = false;
    leaves(pair, "10.77.0.12");
    CHECK(of(pair, "web-02").cause == Cause::not_configured);
}
