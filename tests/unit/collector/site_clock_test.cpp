#include "collector/clock/site_clock.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "common/time_text.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using clock::AgentClock;
using clock::SiteClock;

namespace {

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr TimestampMs kStart = 1'790'000'000'000;

constexpr std::array<std::int64_t, 6> kSteps{kHour, -kHour, kDay, -kDay, 100 * kDay, -100 * kDay};

/// A site whose true time is known: each clock is wrong by an offset that the test sets.
struct Site {
    explicit Site(std::size_t agents) : agent_offsets(agents, 0) {}

    std::int64_t passed = 0;
    std::int64_t offset = 0;  ///< of the collector's clock
    std::vector<std::int64_t> agent_offsets;
    SiteClock clock;

    TimestampMs truth() const { return kStart + passed; }
    ClockReading reading() const { return {truth() + offset, 5 * kDay + passed}; }
    TimestampMs now() {
        const auto at = reading();
        return at.wall + clock.correction(at);
    }
    std::int64_t error() { return std::abs(now() - truth()); }
    std::string name(std::size_t agent) const { return "web-0" + std::to_string(agent + 1); }
    AgentClock hear(std::size_t agent) {
        return clock.heard(name(agent), truth() + agent_offsets[agent], reading());
    }
    /// Lets time pass. Every agent writes every five seconds, and its first request comes after one.
    void run(std::int64_t duration, const std::function<void()>& each_second = {}) {
        for (const auto end = passed + duration; passed < end; passed += kSecond) {
            static_cast<void>(now());
            for (std::size_t agent = 0; agent < agent_offsets.size(); ++agent) {
                if (passed % (5 * kSecond) == kSecond) {
                    static_cast<void>(hear(agent));
                }
            }
            if (each_second) {
                each_second();
            }
        }
    }
    AgentClock judgement(std::size_t agent) {
        const auto report = clock.report(reading());
        REQUIRE(report.agents.size() == agent_offsets.size());
        CHECK(report.agents[agent].host == name(agent));
        return report.agents[agent].judgement;
    }
    bool waits(std::size_t agent) { return clock.mustWait(name(agent), reading()); }
};

}  // namespace

TEST_CASE("the site's time is right while one clock of several is wrong") {
    for (const auto step : kSteps) {
        for (const std::size_t agents : {1U, 2U}) {
            for (const bool of_collector : {true, false}) {
                CAPTURE(step, agents, of_collector);
                Site site(agents);
                site.run(kMinute);
                REQUIRE(site.clock.confirmed());
                (of_collector ? site.offset : site.agent_offsets[0]) = step;
                site.run(2 * kMinute, [&] {
                    CHECK(site.error() <= SiteClock::kStepMs);
                    CHECK(!site.waits(0));
                });
                const auto report = site.clock.report(site.reading());
                CHECK(report.collector_ahead_ms == (of_collector ? step : 0));
                CHECK(site.judgement(0) == (of_collector ? AgentClock::agrees : AgentClock::wrong));
                site.offset = site.agent_offsets[0] = 0;
                site.run(2 * kMinute, [&] { CHECK(site.error() <= SiteClock::kStepMs); });
                CHECK(site.judgement(0) == AgentClock::agrees);
                CHECK(site.clock.report(site.reading()).collector_ahead_ms == 0);
            }
        }
    }
}

TEST_CASE("after a restart with a wrong clock, the collector goes by its agents") {
    for (const auto step : kSteps) {
        for (const std::size_t agents : {1U, 2U}) {
            CAPTURE(step, agents);
            Site site(agents);
            site.offset = step;
            // The earlier run ended a minute ago.
            site.clock.restore({site.truth() - kMinute, site.truth() - kMinute}, site.reading());
            CHECK(!site.clock.settled(site.reading()));
            site.run(3 * kMinute, [&] {
                if (site.clock.settled(site.reading())) {
                    CHECK(site.error() <= SiteClock::kStepMs);
                }
                CHECK(!site.waits(0));
            });
            CHECK(site.clock.settled(site.reading()));
            CHECK(site.clock.report(site.reading()).collector_ahead_ms == step);
            CHECK(site.clock.expiryTime(site.reading()) <= site.truth());
            site.offset = 0;
            site.run(kMinute, [&] { CHECK(site.error() <= SiteClock::kStepMs); });
            CHECK(site.clock.confirmed());
        }
    }
}

TEST_CASE("at the first start one agent's clock cannot tell whose is wrong, two can") {
    for (const auto step : kSteps) {
        for (const bool of_collector : {true, false}) {
            CAPTURE(step, of_collector);
            Site one(1);
            (of_collector ? one.offset : one.agent_offsets[0]) = step;
            one.run(kMinute);
            CHECK(one.judgement(0) == AgentClock::disputed);
            CHECK(one.waits(0));
            CHECK(one.clock.report(one.reading()).disputed);
            one.offset = one.agent_offsets[0] = 0;
            one.run(kMinute);
            CHECK(one.error() <= SiteClock::kStepMs);
            CHECK(one.judgement(0) == AgentClock::agrees);
            CHECK(!one.waits(0));

            Site two(2);
            (of_collector ? two.offset : two.agent_offsets[0]) = step;
            two.run(kMinute);
            CHECK(two.error() <= SiteClock::kStepMs);
            CHECK(two.judgement(0) == (of_collector ? AgentClock::agrees : AgentClock::wrong));
            CHECK(two.judgement(1) == AgentClock::agrees);
            CHECK(!two.waits(0));
        }
    }
}

TEST_CASE("a clock that was restored to the end of the earlier run makes a single agent wait") {
    // A machine without a clock's battery resumes at the time of its shutdown.
    Site site(1);
    site.offset = -3 * kHour;
    const auto shutdown = site.truth() + site.offset - 10 * kSecond;
    site.clock.restore({shutdown, shutdown}, site.reading());
    CHECK(site.clock.settled(site.reading()));
    site.run(kMinute);
    CHECK(site.waits(0));
    site.offset = 0;
    site.run(kMinute);
    CHECK(!site.waits(0));
    CHECK(site.error() <= SiteClock::kStepMs);
    CHECK(site.judgement(0) == AgentClock::agrees);
}

TEST_CASE("a long stop of the collector is no wrong clock") {
    for (const std::size_t agents : {0U, 1U, 2U}) {
        CAPTURE(agents);
        Site site(agents);
        site.clock.restore({site.truth() - 3 * kDay, site.truth() - 3 * kDay}, site.reading());
        site.run(kMinute);
        CHECK(site.clock.settled(site.reading()));
        CHECK(site.error() == 0);
    }
}

TEST_CASE("two agents that were set together do not outvote the collector, and are not called wrong") {
    Site site(2);
    site.run(kMinute);
    site.agent_offsets = {kDay, kDay};
    site.run(2 * kMinute, [&] { CHECK(site.error() <= SiteClock::kStepMs); });
    CHECK(site.judgement(0) == AgentClock::disputed);
    CHECK(site.waits(1));
}

TEST_CASE("without agents a clock that was set is followed after a while") {
    Site site(1);
    site.run(kMinute);
    site.agent_offsets.clear();
    site.run(SiteClock::kFreshMs + kMinute);
    site.offset = kDay;
    site.run(SiteClock::kPatienceMs - kMinute, [&] { CHECK(site.error() <= SiteClock::kStepMs); });
    site.run(2 * kMinute);
    CHECK(site.now() == site.reading().wall);
}

TEST_CASE("writes without a clock support the time that they fit") {
    Site site(0);
    const auto write = [&] { site.clock.heardSamples(site.truth() - 10 * kSecond, site.reading()); };
    site.run(kMinute, write);
    CHECK(site.clock.confirmed());
    site.offset = 5 * kHour;
    site.run(kHour, [&] {
        write();
        CHECK(site.error() <= SiteClock::kStepMs);
    });
    // Old samples support nothing.
    Site backfilled(0);
    backfilled.clock.heardSamples(backfilled.truth() - kDay, backfilled.reading());
    CHECK(!backfilled.clock.confirmed());
}

TEST_CASE("a small step is slewed") {
    Site site(2);
    site.run(kMinute);
    site.offset = 4 * kSecond;
    site.agent_offsets = {4 * kSecond, 4 * kSecond};
    auto last = site.now();
    site.run(50 * kSecond, [&] {
        const auto now = site.now();
        CHECK(now >= last);
        CHECK(now - last <= 1100 + 20);
        last = now;
    });
    CHECK(site.now() == site.reading().wall);
}

TEST_CASE("expiry follows no clock alone, and not at once") {
    Site site(2);
    site.run(kMinute);
    const auto expired = [&] { return site.clock.expiryTime(site.reading()); };
    CHECK(expired() == site.truth());
    site.agent_offsets[0] = 100 * kDay;
    site.offset = 100 * kDay;
    // Two of three clocks are wrong alike: history lasts for days.
    site.run(kHour);
    CHECK(expired() <= site.truth() + SiteClock::kExpiryPace * kHour);
    site.offset = site.agent_offsets[0] = 0;
    site.run(kMinute);
    CHECK(expired() == site.truth());

    // A lone collector without any other clock: the time passes, and does not jump.
    Site alone(0);
    alone.offset = 100 * kDay;
    alone.clock.restore({alone.truth(), alone.truth()}, alone.reading());
    alone.run(kHour);
    CHECK(alone.clock.report(alone.reading()).unconfirmed_ms == 100 * kDay);
    CHECK(alone.clock.expiryTime(alone.reading()) <= alone.truth());

    // After a stop of three days it catches up.
    Site stopped(2);
    stopped.clock.restore({stopped.truth() - 3 * kDay, stopped.truth() - 3 * kDay}, stopped.reading());
    stopped.run(4 * kHour);
    CHECK(!stopped.clock.report(stopped.reading()).unconfirmed_ms);
    CHECK(stopped.clock.expiryTime(stopped.reading()) == stopped.truth());
}

TEST_CASE("the memory of a run outlives a start with a clock that nothing confirms") {
    Site site(0);
    site.offset = -3 * kHour;
    site.clock.restore({site.truth(), site.truth()}, site.reading());
    site.run(20 * kSecond);
    CHECK(site.clock.memory(site.reading()).site == kStart);
}

TEST_CASE("differences of clocks are told in words") {
    CHECK(clockDifferenceText(12'400) == "12 s ahead");
    CHECK(clockDifferenceText(-62 * kSecond) == "1 min 2 s behind");
    CHECK(clockDifferenceText(3 * kHour + kMinute) == "3 h 1 min ahead");
    CHECK(clockDifferenceText(-100 * kDay) == "100 d 0 h behind");
}
