#include "collector/analysis/replication/watch.h"

#include <cmath>
#include <functional>

#include "tests/unit/analysis/site_samples.h"

namespace {

using namespace lapwing;
using analysis::replication::Cause;
using analysis::replication::LagSource;
using analysis::replication::State;
using analysis::replication::Verdict;
using analysis::replication::Watch;
using lapwing::test::SiteSamples;

/// Sends the samples of the mysql probes of two servers, once a second.
class Agents {
  public:
    explicit Agents(SiteSamples& site) : site_(site) {}

    double executed_at = -1;          ///< the second at which the applier stops; -1 for never
    double replica_clock_behind = 0;  ///< seconds, clock of the replica's host
    bool replica_up = true;
    bool replica_silent = false;
    std::string declared = "web-02";

    void run(int from, int to) {
        for (int second = from; second < to; ++second) {
            primary(second);
            if (!replica_silent) {
                replica(second);
            }
        }
        site_.now = at(to - 1, 0);
        site_.write();
    }

    static TimestampMs at(int second, double behind) {
        return SiteSamples::kStart + second * 1000LL - static_cast<TimestampMs>(behind * 1000);
    }

  private:
    Labels with(const std::string& host, std::vector<Label> more) const {
        more.push_back({"agent", host});
        more.push_back({"instance", host});
        more.push_back({"job", "mysql"});
        return Labels(std::move(more));
    }

    void primary(int second) {
        site_.now = at(second, 0);
        site_.add("up", with("web-01", {}));
        site_.add("lapwing_mysql_server_info", with("web-01", {{"flavour", "mariadb"},
                                                               {"version", "10.11.6-MariaDB"},
                                                               {"server_id", "1"},
                                                               {"log_bin", "ON"}}));
        site_.add("lapwing_mysql_replica_configured", with("web-01", {}), 0);
        site_.add("lapwing_mysql_binlog_file_number", with("web-01", {}), 3);
        site_.add("lapwing_mysql_binlog_position_bytes", with("web-01", {}), 1000 + second * 50);
        site_.add("lapwing_mysql_gtid_sequence",
                  with("web-01", {{"set", "executed"}, {"domain", "0"}, {"source", "1"}}), 100 + second * 5);
    }

    void replica(int second) {
        site_.now = at(second, replica_clock_behind);
        const double done = executed_at < 0 ? second : std::min<double>(second, executed_at);
        site_.add("up", with("web-02", {}), replica_up ? 1 : 0);
        site_.add("lapwing_clock_offset_seconds",
                  {{"agent", "web-02"}, {"instance", "web-02"}, {"job", "agent"}}, replica_clock_behind);
        site_.add("lapwing_mysql_server_info", with("web-02", {{"flavour", "mariadb"},
                                                               {"version", "10.11.6-MariaDB"},
                                                               {"server_id", "2"},
                                                               {"log_bin", "ON"}}));
        if (!replica_up) {
            return;
        }
        site_.add("lapwing_mysql_replica_configured", with("web-02", {}), 1);
        for (const auto& [thread, state] :
             {std::pair("io", "running"), std::pair("sql", executed_at < 0 ? "running" : "stopped")}) {
            site_.add("lapwing_mysql_replica_thread_state",
                      with("web-02", {{"thread", thread}, {"state", state}}));
        }
        if (executed_at >= 0) {
            site_.add("lapwing_mysql_replica_error_info",
                      with("web-02", {{"thread", "sql"}, {"errno", "1062"}, {"digest", "d1"}}));
        }
        site_.add(
            "lapwing_mysql_replica_source_info",
            with("web-02", {{"source_host", "web-01"}, {"source_port", "3306"}, {"source_server_id", "1"}}));
        site_.add("mysql_slave_status_seconds_behind_master", with("web-02", {{"master_host", "web-01"}}), 0);
        for (const auto& [side, value] : {std::pair("read", second * 1.0), std::pair("exec", done)}) {
            const std::string name = std::string("lapwing_mysql_replica_") + side;
            site_.add((name + "_file_number").c_str(), with("web-02", {}), 3);
            site_.add((name + "_position_bytes").c_str(), with("web-02", {}), 1000 + value * 50);
        }
        site_.add("lapwing_mysql_gtid_sequence",
                  with("web-02", {{"set", "executed"}, {"domain", "0"}, {"source", "1"}}),
                  100 + std::floor(done * 5));
    }

    SiteSamples& site_;
};

Verdict only(const Watch& watch) {
    REQUIRE(watch.verdicts()->size() == 1);
    return watch.verdicts()->front();
}

std::vector<storage::SeriesSamples> stored(SiteSamples& site, const std::string& name) {
    auto found =
        site.store().select({*storage::Matcher::create(storage::Matcher::Type::equal, "__name__", name)}, 0,
                            SiteSamples::kStart + 86'400'000LL, 100'000);
    REQUIRE(found);
    std::erase_if(*found, [](const auto& series) { return isStaleNaN(series.samples.back().value); });
    return *found;
}

const Labels kSampleLabels{{"job", "collector"}, {"instance", "monitor"}};

}  // namespace

TEST_CASE("Agents' samples become a verdict, and the verdict becomes samples") {
    SiteSamples site;
    Agents agents(site);
    Watch watch(site.store(), SiteSamples::site(), kSampleLabels);
    REQUIRE(watch.update(SiteSamples::kStart));
    CHECK(only(watch).state == State::unknown);  // declared, without reports

    agents.run(0, 60);
    REQUIRE(watch.update(Agents::at(60, 0)));
    CHECK(only(watch).cause == Cause::healthy);
    CHECK(only(watch).primary == "web-01");
    CHECK(only(watch).lag_seconds == 0.0);
    REQUIRE(stored(site, "lapwing_replication_state").size() == 1);
    const auto labels = *stored(site, "lapwing_replication_state").front().labels;
    CHECK(labels.get("state") == "ok");
    CHECK(labels.get("replica") == "web-02");
    CHECK(labels.get("primary") == "web-01");
    CHECK(labels.get("instance") == "monitor");
    CHECK(stored(site, "lapwing_replication_advice_info").empty());

    REQUIRE(site.store().putDocument({"d1", "mysql_error", "web-02", 0, "Duplicate entry\n'7'\n"}));
    agents.executed_at = 59;
    agents.run(60, 80);
    REQUIRE(watch.update(Agents::at(80, 0)));
    const auto verdict = only(watch);
    CHECK(verdict.cause == Cause::applier_stopped);
    REQUIRE(verdict.lag_seconds);
    CHECK(std::abs(*verdict.lag_seconds - 20) < 0.5);
    CHECK(verdict.lag_source == LagSource::gtid_position);
    CHECK(verdict.transactions_behind == 100.0);
    const auto quotes = [](const auto& line) {
        return line.text.find("Duplicate entry; '7'") != std::string::npos;
    };
    CHECK(std::any_of(verdict.evidence.begin(), verdict.evidence.end(), quotes));
    // The series of the previous verdict have ended.
    REQUIRE(stored(site, "lapwing_replication_cause").size() == 1);
    CHECK(stored(site, "lapwing_replication_cause").front().labels->get("cause") == "applier_stopped");
    REQUIRE(stored(site, "lapwing_replication_advice_info").size() == 1);
    CHECK(stored(site, "lapwing_replication_advice_info").front().labels->get("summary") ==
          "the applier (SQL thread) has stopped, error 1062");
}

TEST_CASE("After a restart the watch reads the tracks from the store and ends old series") {
    SiteSamples site;
    Agents agents(site);
    agents.run(0, 60);
    {
        Watch watch(site.store(), SiteSamples::site(), kSampleLabels);
        REQUIRE(watch.update(Agents::at(60, 0)));
    }
    agents.executed_at = 59;
    agents.run(60, 300);
    site.reopen();
    Watch watch(site.store(), SiteSamples::site(), kSampleLabels);
    REQUIRE(watch.update(Agents::at(300, 0)));
    REQUIRE(only(watch).lag_seconds);
    CHECK(std::abs(*only(watch).lag_seconds - 240) < 0.5);
    REQUIRE(stored(site, "lapwing_replication_state").size() == 1);
    CHECK(stored(site, "lapwing_replication_state").front().labels->get("state") == "broken");

    // Neither a killed server nor another restart clears the cause.
    agents.replica_up = false;
    agents.run(300, 360);
    REQUIRE(watch.update(Agents::at(360, 0)));
    CHECK(only(watch).state == State::unknown);
    CHECK(only(watch).cause == Cause::applier_stopped);
    Watch again(site.store(), SiteSamples::site(), kSampleLabels);
    REQUIRE(again.update(Agents::at(362, 0)));
    CHECK(only(again).cause == Cause::applier_stopped);
    CHECK(only(again).state == State::unknown);
}

TEST_CASE("The verdict on a host with a wrong clock uses the collector's clock") {
    SiteSamples site;
    Agents agents(site);
    agents.replica_clock_behind = 40;
    agents.run(0, 100);
    Watch watch(site.store(), SiteSamples::site(), kSampleLabels);
    REQUIRE(watch.update(Agents::at(100, 0)));
    CHECK(only(watch).state == State::ok);
    CHECK(only(watch).lag_seconds == 0.0);
    CHECK(only(watch).observed == Agents::at(99, 0));
}

TEST_CASE("Samples that an agent delivers late fill the gap") {
    SiteSamples site;
    Agents agents(site);
    Watch watch(site.store(), SiteSamples::site(), kSampleLabels);
    agents.run(0, 60);
    REQUIRE(watch.update(Agents::at(60, 0)));
    agents.replica_silent = true;
    agents.run(60, 360);
    for (int second = 62; second <= 360; second += 40) {
        REQUIRE(watch.update(Agents::at(second, 0)));
    }
    CHECK(only(watch).state == State::unknown);
    CHECK_FALSE(only(watch).lag_seconds);
    // The replica returns at its old position, and the primary's track is still available.
    agents.replica_silent = false;
    agents.executed_at = 59;
    agents.run(360, 370);
    REQUIRE(watch.update(Agents::at(370, 0)));
    REQUIRE(only(watch).lag_seconds);
    CHECK(std::abs(*only(watch).lag_seconds - 310) < 0.5);
}
