#include "agent/delivery/host_clock.h"

#include <array>
#include <cstdint>

#include "agent/delivery/spool.h"
#include "tests/unit/agent/spool_fixture.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using agent::ClockJudgement;
using agent::HostClock;

namespace {

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr TimestampMs kStart = 1'790'000'000'000;
constexpr std::array<std::int64_t, 6> kSteps{kHour, -kHour, kDay, -kDay, 100 * kDay, -100 * kDay};

/// A host whose true time is known.
struct Host {
    std::int64_t passed = 0;
    std::int64_t offset = 0;  ///< of the host's clock
    HostClock clock;

    TimestampMs truth() const { return kStart + passed; }
    ClockReading reading() const { return {truth() + offset, 5 * kDay + passed}; }
    TimestampMs now() {
        const auto at = reading();
        return at.wall + clock.correction(at);
    }
    std::int64_t error() { return now() - truth(); }
    /// An answer of a collector whose time is right.
    void answered(ClockJudgement judgement) { clock.judged(judgement, truth() - now(), reading()); }
    void pass(std::int64_t duration) {
        for (const auto end = passed + duration; passed < end; passed += 1000) {
            static_cast<void>(now());
        }
    }
};

}  // namespace

TEST_CASE("a host's clock that is set wrong does not move the agent's time") {
    for (const auto step : kSteps) {
        CAPTURE(step);
        Host host;
        host.answered(ClockJudgement::agrees);
        host.offset = step;
        host.pass(60'000);
        CHECK(host.error() == 0);
        CHECK(!host.clock.trusted());
        host.answered(ClockJudgement::wrong);
        CHECK(host.clock.trusted());
        CHECK(host.clock.state().wall_ahead_ms == step);
        host.pass(kDay);
        CHECK(host.error() == 0);
        host.offset = 0;
        host.answered(ClockJudgement::agrees);
        host.pass(60'000);
        CHECK(host.error() == 0);
        CHECK(host.clock.jumps() == 0);
    }
}

TEST_CASE("an agent that starts with a wrong clock corrects what it stamped before the first answer") {
    for (const auto step : kSteps) {
        CAPTURE(step);
        Host host;
        host.offset = step;
        std::vector<TimeSeries> early{{Labels{{"__name__", "up"}}, {{host.now(), 1}}}};
        host.pass(2'000);
        host.answered(ClockJudgement::wrong);
        CHECK(host.error() == 0);
        CHECK(host.clock.jumps() == -step);
        early.push_back({Labels{{"__name__", "down"}}, {{host.now(), 1}}});
        CHECK(host.clock.correct(early, host.now()) == -step);
        CHECK(early[0].samples[0].timestamp == kStart);
        CHECK(early[1].samples[0].timestamp == kStart + 2'000);
    }
}

TEST_CASE("while it is disputed whose clock is wrong, the agent's time goes on") {
    Host host;
    host.offset = kDay;
    host.answered(ClockJudgement::disputed);
    host.pass(2 * HostClock::kPatienceMs);
    CHECK(host.error() == kDay);
    // The host's clock was wrong, and is set.
    host.offset = 0;
    host.answered(ClockJudgement::disputed);
    CHECK(host.error() == kDay);
    host.answered(ClockJudgement::agrees);
    CHECK(host.error() == 0);
    CHECK(host.clock.jumps() == -kDay);
}

TEST_CASE("without a judgement the agent's time follows a clock that was set after a while") {
    Host host;
    host.answered(ClockJudgement::agrees);
    host.offset = kDay;
    host.pass(HostClock::kPatienceMs - 60'000);
    CHECK(host.error() == 0);
    host.pass(120'000);
    CHECK(host.error() == kDay);
    // A collector of an older version judges nothing.
    Host older;
    older.answered(ClockJudgement::none);
    older.offset = kHour;
    older.answered(ClockJudgement::none);
    CHECK(older.error() == kHour);
    CHECK(!older.clock.trusted());
}

TEST_CASE("the spool corrects what was stamped before the agent's time jumped") {
    const test::TemporaryFolder dir;
    HostClock clock;
    agent::SpoolConfig config;
    config.path = dir.path("spool.db");
    config.clock = &clock;
    auto spool = agent::Spool::open(config);
    REQUIRE(spool);
    (*spool)->add(test::numbered(1));
    REQUIRE((*spool)->flush());
    const auto now = readClocks();
    static_cast<void>(clock.correction(now));
    clock.judged(ClockJudgement::wrong, kDay, now);
    (*spool)->add(test::numbered(2));
    REQUIRE((*spool)->flush());
    const auto time_of = [](const agent::Batch& batch) {
        const auto request = test::decodeWhole(batch.body);
        REQUIRE(request);
        REQUIRE(batch.parts == 1);
        return request->series.at(0).samples[0].timestamp;
    };
    auto batch = (*spool)->next(64);
    REQUIRE(batch);
    CHECK(time_of(*batch) == test::numbered(1)[0].samples[0].timestamp + kDay);
    (*spool)->sent(*batch);
    batch = (*spool)->next(64);
    REQUIRE(batch);
    CHECK(time_of(*batch) == test::numbered(2)[0].samples[0].timestamp);
}

TEST_CASE("no clock that was set makes the spool's samples too old") {
    const test::TemporaryFolder dir;
    agent::SpoolConfig config;
    config.path = dir.path("spool.db");
    config.max_age = std::chrono::hours(1);
    const auto fill = [&](const HostClock& clock) {
        config.clock = &clock;
        auto spool = agent::Spool::open(config);
        REQUIRE(spool);
        (*spool)->add(test::numbered(1));
        CHECK((*spool)->flush());
        return (*spool)->state();
    };
    HostClock clock;
    CHECK(fill(clock).samples == 1);
    // The next run's clock is a hundred days ahead, at first unknown to be wrong, then trusted.
    const ClockCorrection ahead([](const ClockReading&) { return 100 * kDay; });
    CHECK(fill(clock).samples == 2);
    clock.judged(ClockJudgement::agrees, 0, readClocks());
    REQUIRE(clock.trusted());
    const auto state = fill(clock);
    CHECK(state.samples == 3);
    CHECK(state.dropped.count("age") == 0);
}

TEST_CASE("what is set aside stays until the next start, within the spool's bound") {
    const test::TemporaryFolder dir;
    agent::SpoolConfig config;
    config.path = dir.path("spool.db");
    {
        auto spool = agent::Spool::open(config);
        REQUIRE(spool);
        for (int i = 0; i < 3; ++i) {
            (*spool)->add(test::numbered(i));
            REQUIRE((*spool)->flush());
        }
        const auto first = (*spool)->next(1);
        REQUIRE(first);
        REQUIRE((*spool)->setAside(*first));
        CHECK(!(*spool)->setAside(*first));
        CHECK((*spool)->state().aside == 1);
        CHECK((*spool)->state().samples == 2);
        CHECK(test::drain(**spool) == test::range(1, 3));
    }
    {
        auto spool = agent::Spool::open(config);
        REQUIRE(spool);
        CHECK((*spool)->state().aside == 0);
        const auto batch = (*spool)->next(64);
        REQUIRE(batch);
        CHECK(test::valuesOf(batch->body).at(0) == 0);
        REQUIRE((*spool)->setAside(*batch));
    }
    config.max_bytes = 1;
    auto spool = agent::Spool::open(config);
    REQUIRE(spool);
    const auto batch = (*spool)->next(1);
    REQUIRE(batch);
    REQUIRE((*spool)->setAside(*batch));
    (*spool)->add(test::numbered(9));
    REQUIRE((*spool)->flush());
    CHECK((*spool)->state().aside == 0);
    CHECK((*spool)->state().dropped.at("size") >= 1);
}
