// The decision to beat, and the statement. mysql_pair_live_test.cpp runs it on real servers.
#include "agent/probes/mysql/heartbeat.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent::mysql;
using Mode = HeartbeatMode;
using Why = HeartbeatRefusal;

namespace {

/// A primary that has never been a replica.
HeartbeatFacts primary(Mode mode = Mode::automatic) {
    HeartbeatFacts facts;
    facts.mode = mode;
    facts.read_only = false;
    facts.channels = 0;
    facts.was_replica = false;
    return facts;
}

}  // namespace

TEST_CASE("the servers that may beat") {
    CHECK(mayBeat(primary()) == Why::none);
    CHECK(mayBeat(primary(Mode::primary)) == Why::none);
    CHECK(mayBeat(primary(Mode::multi_primary)) == Why::none);
    CHECK(mayBeat(primary(Mode::off)) == Why::off);
    CHECK(mayBeat(primary(Mode::read)) == Why::not_primary);
    CHECK(mayBeat(HeartbeatFacts()) == Why::read_only);  // by default everything is unknown
    for (const auto table : {Why::no_table, Why::no_grant}) {
        auto facts = primary(Mode::primary);
        facts.table = table;
        CHECK(mayBeat(facts) == table);
    }
    for (const auto mode : {Mode::automatic, Mode::primary, Mode::multi_primary}) {
        auto facts = primary(mode);
        facts.waiting = true;
        CHECK(mayBeat(facts) == Why::waiting);
        CHECK(heartbeatRefusalName(Why::waiting) == std::string("waiting"));
        facts.read_only = true;
        CHECK(mayBeat(facts) == Why::read_only);
    }
}

TEST_CASE("no beat on a replica, writable or not, unless it is declared multi-primary") {
    for (const auto mode : {Mode::automatic, Mode::primary}) {
        auto facts = primary(mode);
        facts.channels = 1;
        facts.has_replicas = true;
        CHECK(mayBeat(facts) == Why::has_channel);
    }
    auto facts = primary(Mode::multi_primary);
    facts.channels = 2;
    facts.was_replica = true;
    CHECK(mayBeat(facts) == Why::none);
}

TEST_CASE(
    "a former replica may be about to become one again: it beats once it has replicas, or is declared") {
    auto facts = primary();
    facts.was_replica = true;
    CHECK(mayBeat(facts) == Why::not_primary);
    facts.has_replicas = false;
    CHECK(mayBeat(facts) == Why::not_primary);
    facts.has_replicas = true;
    CHECK(mayBeat(facts) == Why::none);
    facts.has_replicas.reset();
    facts.mode = Mode::primary;
    CHECK(mayBeat(facts) == Why::none);
}

TEST_CASE("the server with the freshest row") {
    CHECK_FALSE(othersBeatLast({}, "2"));
    CHECK(othersBeatLast({{"1", 100}}, "2"));
    CHECK_FALSE(othersBeatLast({{"1", 100}}, "1"));
    CHECK(othersBeatLast({{"1", 100}, {"2", 50}}, "2"));
    CHECK_FALSE(othersBeatLast({{"1", 100}, {"2", 99}}, "2"));  // both beat
    CHECK_FALSE(othersBeatLast({{"1", 100}, {"2", 500}, {"3", 7}}, "2"));
}

TEST_CASE("rows of the heartbeat's table, from pt-heartbeat and from the agent") {
    const auto rows =
        parseHeartbeats("1 2026-11-25T16:00:00.001230\n2 2026-11-25 16:00:01\n3 nonsense\nx 2026\n");
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].server_id == "1");
    CHECK(rows[0].at == Approx(1795622400.00123));
    CHECK(rows[1].server_id == "2");
    CHECK(rows[1].at == 1795622401);
    Families out;
    addHeartbeats({{"1", 100}, {"1", 90}, {"2", 110}}, 101.5, out);
    const test::Samples samples(out);
    CHECK(samples.value("lapwing_mysql_heartbeat_timestamp_seconds", {{"server_id", "1"}}) == 100);
    CHECK(samples.value("lapwing_mysql_heartbeat_age_seconds", {{"server_id", "1"}}) == 1.5);
    // A row ahead of the clock has a negative age: a clock is wrong.
    CHECK(samples.value("lapwing_mysql_heartbeat_age_seconds", {{"server_id", "2"}}) == -8.5);
}

TEST_CASE("the statement of a beat") {
    HeartbeatSettings settings;
    Beat beat;
    beat.server_id = "7";
    beat.expires = 1795622400.25;
    beat.file = "binlog.000002";
    beat.position = "1350";
    CHECK(
        beatStatement(settings, beat, false) ==
        "UPDATE `lapwing`.`heartbeat` SET ts = DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%f'), file = "
        "'binlog.000002', position = 1350 WHERE server_id = 7 AND UTC_TIMESTAMP(6) < '2026-11-25 "
        "16:00:00.250000'");
    beat.guard_read_only = beat.guard_channels = true;
    settings.database = "odd`name";
    settings.table = "beats";
    beat.file = "o'clock";
    beat.position = "1; DROP";
    CHECK(
        beatStatement(settings, beat, true) ==
        "INSERT INTO `odd``name`.`beats` (ts, server_id, file, position) SELECT "
        "DATE_FORMAT(UTC_TIMESTAMP(6), "
        "'%Y-%m-%dT%H:%i:%s.%f'), 7, NULL, NULL FROM DUAL WHERE UTC_TIMESTAMP(6) < '2026-11-25 "
        "16:00:00.250000' AND CAST(@@global.read_only AS CHAR) IN ('0', 'OFF') AND NOT EXISTS (SELECT 1 FROM "
        "performance_schema.replication_connection_configuration)");
}

TEST_CASE("the conditions that a server can check in the beat's own statement") {
    CHECK(canGuardReadOnly(false));
    CHECK_FALSE(canGuardReadOnly(true));  // a replica would ask itself
    CHECK(canGuardChannels(parseVersion("9.7.4"), true, false));
    CHECK_FALSE(canGuardChannels(parseVersion("9.7.4"), true, true));
    CHECK_FALSE(canGuardChannels(parseVersion("9.7.4"), false, false));
    CHECK_FALSE(canGuardChannels(parseVersion("10.11.6-MariaDB"), true, false));
}
