#include "agent/runner/runner.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "agent/runner/schedule.h"
#include "agent/runner/workers.h"
#include "common/model/families.h"
#include "tests/unit/agent/recording_sink.h"
#include "tests/unit/catch.h"

using namespace std::chrono_literals;
using namespace lapwing::agent;
using lapwing::ErrorKind;
using lapwing::Expected;
using lapwing::isStaleNaN;
using lapwing::test::eventually;
using lapwing::test::RecordingSink;

namespace {

/// A probe that runs a test's function, and counts simultaneous runs.
class FakeProbe : public Probe {
  public:
    using Run = std::function<Expected<ProbeResult>(const Deadline&)>;
    struct Watch {
        std::atomic<int> runs{0};
        std::atomic<int> now{0};
        std::atomic<int> most{0};
    };
    FakeProbe(Run run, Watch& watch) : run_(std::move(run)), watch_(watch) {}

    Expected<ProbeResult> collect(const Deadline& deadline) override {
        ++watch_.runs;
        watch_.most = std::max(watch_.most.load(), ++watch_.now);
        struct Leave {
            Watch& watch;
            ~Leave() { --watch.now; }
        } leave{watch_};
        return run_(deadline);
    }

  private:
    Run run_;
    Watch& watch_;
};

ProbeResult oneGauge(const char* name, double value = 1) {
    ProbeResult result;
    auto family = lapwing::gauge(name, "");
    lapwing::add(family, {}, value);
    result.families.push_back(std::move(family));
    return result;
}

ProbeSpec spec(const char* job, FakeProbe::Watch& watch, FakeProbe::Run run,
               std::chrono::milliseconds interval = 200ms, std::chrono::milliseconds deadline = 100ms) {
    ProbeSpec made;
    made.kind = "fake";
    made.job = job;
    made.instance = "web-01";
    made.interval = interval;
    made.deadline = deadline;
    made.probe = std::make_unique<FakeProbe>(std::move(run), watch);
    return made;
}

FakeProbe::Run quick() {
    return [](const Deadline&) -> Expected<ProbeResult> { return oneGauge("quick_value"); };
}

std::vector<ProbeSpec> specs(ProbeSpec first) {
    std::vector<ProbeSpec> all;
    all.push_back(std::move(first));
    return all;
}

/// Lets hung runs return before their objects are destroyed.
class Gate {
  public:
    ~Gate() { open(); }
    void open() { open_ = true; }
    void wait() const {
        while (!open_) {
            std::this_thread::sleep_for(2ms);
        }
    }

  private:
    std::atomic<bool> open_{false};
};

}  // namespace

TEST_CASE("a run becomes samples with the probe's labels, up, and the series of a scrape") {
    RecordingSink got;
    FakeProbe::Watch watch;
    std::vector<std::string> documents;
    auto nginx = spec("nginx", watch, [](const Deadline& deadline) -> Expected<ProbeResult> {
        CHECK(deadline.remaining() <= 100ms);
        auto result = oneGauge("nginx_up", 3);
        result.documents.push_back({"kind", "text"});
        result.note = "half of it is hidden";
        return result;
    });
    nginx.labels = {{"via", "socket"}};
    std::vector<std::string> described;
    Runner runner(
        specs(std::move(nginx)), got.sink(),
        [&](const std::string& kind, const std::string& body) { documents.push_back(kind + "/" + body); },
        [&](const std::vector<prometheus::MetricFamily>& families) {
            for (const auto& family : families) {
                described.push_back(family.name);
            }
        });
    CHECK(runner.states()[0].outcome == ProbeState::Outcome::waiting);
    CHECK(runner.states()[0].kind == "fake");
    const auto before = lapwing::nowMs();
    runner.start();
    REQUIRE(eventually([&] { return !got.all().empty(); }));
    runner.stop(1s);

    const auto run = got.all()[0];
    REQUIRE(run.series.size() == 4);
    const auto labels = run.labels("nginx_up");
    CHECK(labels.toString() == R"(nginx_up{instance="web-01", job="nginx", via="socket"})");
    CHECK(run.value("nginx_up") == 3);
    CHECK(run.value("up") == 1);
    CHECK(run.labels("up").get("via") == "socket");
    CHECK(run.value("scrape_samples_scraped") == 1);
    CHECK(run.value("scrape_duration_seconds") >= 0);
    CHECK(run.value("scrape_duration_seconds") < 0.1);
    for (const auto& series : run.series) {
        CHECK(series.samples[0].timestamp == run.series[0].samples[0].timestamp);
        CHECK(series.samples[0].timestamp >= before);
    }
    REQUIRE_FALSE(described.empty());
    CHECK(described[0] == "nginx_up");
    REQUIRE_FALSE(documents.empty());
    CHECK(documents[0] == "kind/text");
    const auto state = runner.states()[0];
    CHECK(state.outcome == ProbeState::Outcome::ok);
    CHECK(state.reason.empty());
    CHECK(state.message == "half of it is hidden");
    CHECK(state.samples == 1);
}

TEST_CASE("runs begin at multiples of the interval") {
    RecordingSink got;
    FakeProbe::Watch watch;
    auto given = spec("b", watch, quick(), 100ms);
    given.offset = 50ms;
    auto both = specs(spec("a", watch, quick(), 100ms));
    both.push_back(std::move(given));
    Runner runner(std::move(both), got.sink(), nullptr);
    runner.start();
    REQUIRE(eventually([&] { return got.all().size() >= 12; }));
    runner.stop(1s);
    const auto all = got.all();
    // The first run begins at once. A loaded machine may delay a run (then its real time is its stamp), but
    // not most of them.
    const auto aligned = [&](const char* job, std::int64_t offset) {
        return std::count_if(all.begin(), all.end(), [&](const auto& run) {
            return run.labels("up").get("job") == job && run.series[0].samples[0].timestamp % 100 == offset;
        });
    };
    CHECK(aligned("a", spreadOf("a", 100ms).count()) >= 3);
    CHECK(aligned("b", 50) >= 3);
}

TEST_CASE("a failure is up 0 with its reason, and ends the probe's series") {
    RecordingSink got;
    FakeProbe::Watch watch;
    std::atomic<bool> failing{false};
    Runner runner(specs(spec("app", watch,
                             [&](const Deadline&) -> Expected<ProbeResult> {
                                 if (failing) {
                                     return lapwing::fail(ErrorKind::refused, "127.0.0.1:80: refused");
                                 }
                                 return oneGauge("app_value");
                             })),
                  got.sink(), nullptr);
    runner.start();
    REQUIRE(eventually([&] { return !got.all().empty(); }));
    failing = true;
    REQUIRE(eventually([&] { return got.all().back().value("up") == 0; }));
    CHECK(runner.states()[0].reason == "refused");
    CHECK(runner.states()[0].message == "127.0.0.1:80: refused");
    failing = false;
    REQUIRE(eventually([&] { return got.all().back().value("up") == 1; }));
    runner.stop(1s);

    const auto all = got.all();
    const auto failed =
        std::find_if(all.begin(), all.end(), [](const auto& run) { return run.value("up") == 0; });
    CHECK(failed->labels("lapwing_probe_failure").get("reason") == "refused");
    CHECK(failed->value("lapwing_probe_failure") == 1);
    CHECK(failed->value("scrape_samples_scraped") == 0);
    CHECK(isStaleNaN(failed->value("app_value")));
    const auto& repaired = all.back();
    CHECK(repaired.value("app_value") == 1);
    const auto ended = std::find_if(
        failed, all.end(), [](const auto& run) { return isStaleNaN(run.value("lapwing_probe_failure")); });
    REQUIRE(ended != all.end());
    CHECK(ended->value("up") == 1);
}

TEST_CASE("a failed run may report samples, and ends the missing series, even a partial run") {
    RecordingSink got;
    FakeProbe::Watch watch;
    Runner runner(specs(spec("nginx", watch,
                             [&](const Deadline&) -> Expected<ProbeResult> {
                                 if (watch.runs == 1) {
                                     return oneGauge("nginx_requests");
                                 }
                                 auto result = oneGauge("nginx_up", 0);
                                 result.partial = true;
                                 result.failure = lapwing::Error{ErrorKind::timeout, "silent"};
                                 return result;
                             })),
                  got.sink(), nullptr);
    runner.start();
    REQUIRE(eventually([&] { return got.all().size() >= 2; }));
    runner.stop(1s);
    const auto failed = got.all()[1];
    CHECK(failed.value("up") == 0);
    CHECK(failed.value("nginx_up") == 0);
    CHECK(failed.value("scrape_samples_scraped") == 1);
    CHECK(failed.labels("lapwing_probe_failure").get("reason") == "timeout");
    CHECK(isStaleNaN(failed.value("nginx_requests")));
    CHECK(runner.states()[0].message == "silent");
}

TEST_CASE("an exception of a probe is a failure of that probe") {
    RecordingSink got;
    FakeProbe::Watch watch;
    std::vector<ProbeSpec> both;
    both.push_back(
        spec("a", watch, [](const Deadline&) -> Expected<ProbeResult> { throw std::runtime_error("oh"); }));
    both.push_back(spec("b", watch, [](const Deadline&) -> Expected<ProbeResult> { throw 42; }));
    Runner runner(std::move(both), got.sink(), nullptr);
    runner.start();
    REQUIRE(eventually([&] { return !got.of("a").empty() && !got.of("b").empty(); }));
    runner.stop(1s);
    CHECK(got.of("a")[0].value("up") == 0);
    CHECK(got.of("a")[0].labels("lapwing_probe_failure").get("reason") == "internal");
    CHECK(runner.states()[0].message == "oh");
    CHECK(got.of("b")[0].value("up") == 0);
}

TEST_CASE("a hung run is reported at its deadline, runs only once, and delays no other probe") {
    RecordingSink got;
    FakeProbe::Watch hung_watch;
    FakeProbe::Watch watch;
    Gate gate;
    std::vector<ProbeSpec> all;
    // More hung runs than permanent workers.
    for (const char* job : {"hung-a", "hung-b", "hung-c"}) {
        all.push_back(spec(job, hung_watch, [&](const Deadline&) -> Expected<ProbeResult> {
            gate.wait();
            return oneGauge("too_late");
        }));
    }
    all.push_back(spec("quick", watch, quick(), 100ms));
    Runner runner(std::move(all), got.sink(), nullptr);
    const auto start = RecordingSink::Clock::now();
    runner.start();
    REQUIRE(eventually([&] { return got.of("hung-c").size() >= 5; }));
    const auto elapsed = RecordingSink::Clock::now() - start;

    const auto hung = got.of("hung-a");
    CHECK(hung[0].value("up") == 0);
    CHECK(hung[0].labels("lapwing_probe_failure").get("reason") == "timeout");
    CHECK(hung[0].value("scrape_duration_seconds") >= 0.1);
    CHECK(hung[0].when - start >= 100ms);  // at the deadline, not before
    CHECK(hung[0].when - start < 10s);     // room for a busy machine: without a deadline it would be never
    CHECK(hung_watch.runs == 3);           // no second run of any of them
    CHECK(hung_watch.most == 3);
    CHECK(runner.states()[0].overdue);
    // The quick probe had its turns all the while; a busy machine may cost it some.
    CHECK(2 * (got.of("quick").size() + 3) >= static_cast<std::size_t>(elapsed / 100ms));
    for (const auto& run : got.of("quick")) {
        CHECK(run.value("up") == 1);
    }

    gate.open();
    REQUIRE(eventually([&] { return hung_watch.runs > 3; }));
    REQUIRE(
        eventually([&] { return !got.of("hung-a").empty() && got.of("hung-a").back().value("up") == 1; }));
    runner.stop(1s);
    // The late result of the abandoned run is not among the samples with up 0.
    for (const auto& run : got.of("hung-a")) {
        CHECK((run.value("up") == 1 || !run.has("too_late")));
    }
}

TEST_CASE("a run longer than its interval but within its deadline is not disturbed") {
    RecordingSink got;
    FakeProbe::Watch watch;
    Runner runner(specs(spec(
                      "slow", watch,
                      [](const Deadline&) -> Expected<ProbeResult> {
                          std::this_thread::sleep_for(130ms);
                          return oneGauge("slow_value");
                      },
                      50ms, 5s)),
                  got.sink(), nullptr);
    runner.start();
    REQUIRE(eventually([&] { return got.all().size() >= 3; }));
    runner.stop(2s);
    CHECK(watch.most == 1);
    for (const auto& run : got.all()) {
        CHECK(run.value("up") == 1);
    }
}

TEST_CASE("stop waits for runs within their deadline, not for hung ones, and ends the calls") {
    RecordingSink got;
    FakeProbe::Watch watch;
    Gate gate;
    SECTION("a run under way is delivered") {
        Runner runner(specs(spec(
                          "a", watch,
                          [](const Deadline&) -> Expected<ProbeResult> {
                              std::this_thread::sleep_for(200ms);
                              return oneGauge("value");
                          },
                          10s, 5s)),
                      got.sink(), nullptr);
        runner.start();
        REQUIRE(eventually([&] { return watch.runs == 1; }));
        runner.stop(5s);
        CHECK(got.all().size() == 1);
    }
    SECTION("a hung one is left behind") {
        Runner runner(specs(spec(
                          "a", watch,
                          [&](const Deadline&) -> Expected<ProbeResult> {
                              gate.wait();
                              return oneGauge("value");
                          },
                          10s, 5s)),
                      got.sink(), nullptr);
        runner.start();
        REQUIRE(eventually([&] { return watch.runs == 1; }));
        const auto before = RecordingSink::Clock::now();
        runner.stop(100ms);
        CHECK(RecordingSink::Clock::now() - before < 3s);
        gate.open();
        REQUIRE(eventually([&] { return watch.now == 0; }));
        CHECK(got.all().empty());
    }
}

TEST_CASE("workers grow while tasks hang and shrink again") {
    const auto workers = Workers::create(2, 50ms);
    Gate gate;
    std::atomic<int> running{0};
    for (int i = 0; i < 6; ++i) {
        REQUIRE(workers->submit([&] {
            ++running;
            gate.wait();
            --running;
        }));
    }
    CHECK(eventually([&] { return running == 6; }));
    CHECK(workers->threads() == 6);
    gate.open();
    CHECK(eventually([&] { return workers->threads() == 2 && running == 0; }));
    workers->stop();
    CHECK(eventually([&] { return workers->threads() == 0; }));
    CHECK_FALSE(workers->submit([] {}));
}
