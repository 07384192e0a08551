#include "collector/api/replication.h"

#include <map>

#include "tests/unit/catch.h"

namespace {

using namespace lapwing;
using namespace lapwing::api;

constexpr TimestampMs kNow = 1'800'000'000'000;

/// Series in memory, with one sample each.
class Samples : public storage::Queryable {
  public:
    void set(Labels labels, double value, TimestampMs at = kNow - 1000) {
        series_[std::move(labels)] = {at, value};
    }

    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to, std::size_t) const override {
        std::vector<storage::SeriesSamples> out;
        for (const auto& [labels, sample] : series_) {
            bool matches = sample.timestamp >= from && sample.timestamp <= to;
            for (const auto& matcher : matchers) matches = matches && matcher.matches(labels);
            if (matches) out.push_back({std::make_shared<const Labels>(labels), {sample}});
        }
        return out;
    }
    Expected<std::vector<Labels>> series(const std::vector<storage::Matchers>&, TimestampMs,
                                         TimestampMs) const override {
        return std::vector<Labels>{};
    }
    Expected<std::vector<std::string>> labelNames(const std::vector<storage::Matchers>&, TimestampMs,
                                                  TimestampMs) const override {
        return std::vector<std::string>{};
    }
    Expected<std::vector<std::string>> labelValues(const std::string&, const std::vector<storage::Matchers>&,
                                                   TimestampMs, TimestampMs) const override {
        return std::vector<std::string>{};
    }

    void thread(const std::string& name, const std::string& state) {
        for (const char* each : {"running", "connecting", "stopped", "unknown"}) {
            set({{"__name__", "lapwing_mysql_replica_thread_state"},
                 {"job", "mysql"},
                 {"instance", "web-02"},
                 {"thread", name},
                 {"state", each}},
                state == each ? 1 : 0);
        }
    }
    void value(const std::string& name, double value) {
        set({{"__name__", "lapwing_mysql_replica_" + name}, {"job", "mysql"}, {"instance", "web-02"}}, value);
    }
    void up(const std::string& host, double value, TimestampMs at = kNow - 1000) {
        set({{"__name__", "up"}, {"job", "mysql"}, {"instance", host}}, value, at);
    }
    void healthy() {
        up("web-01", 1);
        up("web-02", 1);
        thread("io", "running");
        thread("sql", "running");
        value("lag_known", 1);
        value("lag_seconds", 0);
        value("delay_seconds", 0);
    }

  private:
    std::map<Labels, Sample> series_;
};

const analysis::Site kSite{{}, {{"web-01", "web-02"}}, {}};

ReplicationEntry only(const Samples& samples, const analysis::Site& site = kSite) {
    const auto entries = replicationState(samples, site, kNow);
    REQUIRE(entries);
    REQUIRE(entries->size() == 1);
    return entries->front();
}

}  // namespace

TEST_CASE("A healthy replica is healthy") {
    Samples samples;
    samples.healthy();
    const auto entry = only(samples);
    CHECK(entry.primary == "web-01");
    CHECK(entry.state == "ok");
    CHECK(entry.cause == "healthy");
    CHECK(entry.lag_seconds == 0.0);
    CHECK(entry.lag_source == "seconds_behind_source");
    CHECK(entry.confidence == analysis::Confidence::confirmed);
    CHECK(entry.observed == kNow - 1000);
}

TEST_CASE("A lag is told from a delay") {
    Samples samples;
    samples.healthy();
    samples.value("lag_seconds", 31);
    CHECK(only(samples).state == "lagging");
    CHECK(only(samples).cause == "applier_slow");
    samples.value("lag_seconds", 0);
    samples.value("delay_seconds", 120);
    CHECK(only(samples).state == "delayed");
    CHECK(only(samples).cause == "delayed_deliberately");
    samples.value("lag_seconds", 15);
    CHECK(only(samples).state == "lagging");
}

TEST_CASE("A stopped applier has no lag: unknown, never zero") {
    Samples samples;
    samples.healthy();
    samples.thread("sql", "stopped");
    samples.value("lag_known", 0);
    const auto entry = only(samples);
    CHECK(entry.state == "broken");
    CHECK(entry.cause == "applier_stopped");
    CHECK_FALSE(entry.lag_seconds);
    CHECK(entry.lag_source.empty());
    CHECK(entry.evidence.back().text.find("unknown, not zero") != std::string::npos);
}

TEST_CASE("Why the receiver is not running") {
    Samples samples;
    samples.healthy();
    samples.value("lag_known", 0);
    samples.thread("io", "connecting");
    CHECK(only(samples).cause == "network");
    samples.up("web-01", 0);
    CHECK(only(samples).cause == "primary_down");
    samples.set({{"__name__", "lapwing_mysql_replica_error_info"},
                 {"job", "mysql"},
                 {"instance", "web-02"},
                 {"thread", "io"},
                 {"errno", "1045"}},
                1);
    CHECK(only(samples).cause == "credentials");
    samples.thread("io", "stopped");
    CHECK(only(samples).cause == "credentials");
}

TEST_CASE("A replica that does not answer is unknown, whatever it said before") {
    Samples samples;
    samples.healthy();
    samples.up("web-02", 0);
    const auto entry = only(samples);
    CHECK(entry.state == "unknown");
    CHECK(entry.cause == "unknown");
    CHECK_FALSE(entry.lag_seconds);
    CHECK(entry.receiver == "unknown");
}

TEST_CASE("A declared replica of which nothing is known is shown as unknown") {
    const Samples nothing;
    CHECK(only(nothing).state == "unknown");
    CHECK(only(nothing).confidence == analysis::Confidence::unknown);

    Samples samples;
    samples.up("web-02", 1);
    samples.value("configured", 0);
    CHECK(only(samples).state == "broken");
    CHECK(only(samples).cause == "not_configured");

    Samples old;
    old.up("web-02", 1, kNow - 61'000);
    CHECK(only(old).state == "unknown");
    CHECK(only(old).evidence.front().text == "nothing is reported about MySQL on web-02");
}

TEST_CASE("An undeclared primary is named by the agent that has its address") {
    Samples samples;
    samples.healthy();
    samples.set({{"__name__", "mysql_slave_status_slave_io_running"},
                 {"job", "mysql"},
                 {"instance", "web-02"},
                 {"master_host", "10.77.0.11"}},
                1);
    const analysis::Site undeclared;
    CHECK(only(samples, undeclared).primary == "10.77.0.11");
    samples.set({{"__name__", "lapwing_agent_address_info"},
                 {"job", "agent"},
                 {"instance", "web-01"},
                 {"address", "10.77.0.11"}},
                1);
    CHECK(only(samples, undeclared).primary == "web-01");
}

TEST_CASE("Nothing reported and nothing declared is no entry") {
    const Samples nothing;
    CHECK(replicationState(nothing, {}, kNow)->empty());
}
