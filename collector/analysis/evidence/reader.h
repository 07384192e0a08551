#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/storage/store.h"
#include "common/error.h"

namespace lapwing::analysis::evidence {

/// How far each agent's clock is from the collector's, as the agents measured it
/// (`lapwing_clock_offset_seconds`). An agent without a measurement counts as exact.
class Clocks {
  public:
    /// Clocks that are wrong by more than this are not corrected.
    static constexpr std::int64_t kMostSkewMs = 3'600'000;

    /// Reads the newest measurement of each agent. Errors: the store's.
    static Expected<Clocks> read(const storage::Store& store, TimestampMs now);

    /// The collector's clock minus the agent's; 0 if unknown.
    std::int64_t offsetMs(const std::string& agent) const;
    /// Likewise in seconds, and the error bound of it; nothing if unknown.
    std::optional<double> offsetSeconds(const std::string& agent) const;
    std::optional<double> errorSeconds(const std::string& agent) const;
    /// Agents whose clocks are wrong by more than a few seconds.
    std::vector<std::string> skewed() const;
    bool isSkewed(const std::string& agent) const;

  private:
    struct Clock {
        double offset = 0;
        std::optional<double> error;
    };
    std::map<std::string, Clock> clocks_;  ///< by agent
};

/// The agent that sent a series; "" for the collector's own series.
std::string observerOf(const Labels& labels);

/// The newest sample of one series.
struct Observation {
    std::shared_ptr<const Labels> labels;
    double value = 0;
    std::string observer;  ///< the agent; "" for the collector itself
    TimestampMs at = 0;    ///< on the collector's clock

    std::string get(const char* label) const { return std::string(labels->get(label)); }
    /// A label that is a decimal number; 0 if it is not.
    int number(const char* label) const;
    std::string instance() const { return get("instance"); }
    bool isOn() const { return value == 1; }
};

/// The samples of one series, staleness markers included, oldest first.
struct ObservedSeries {
    std::shared_ptr<const Labels> labels;
    std::string observer;
    std::int64_t clock_offset_ms = 0;  ///< that was added to the agent's times
    std::vector<Sample> samples;       ///< never empty; on the collector's clock
};

/// Reads what the agents report, at one moment. One rule holds for every reader of evidence:
///
/// * Times are the collector's: an agent's times are corrected by the clock offset that it measured.
/// * A series is *fresh* if its newest sample is no older than the lookback, and *known* if that is no older
///   than an hour.
/// * A series that ends with a staleness marker is gone: neither fresh nor known.
/// * What only a host itself can know counts from its own agent only (common/metric_speakers.h).
/// * If the agent on a server's own host reports on it now, reports of other agents are left out. Where only
///   others observe a server, they come by name: the first report counts.
///
/// A failure of the store gives an empty result; failure() keeps the error. Not synchronised.
class Reader {
  public:
    using Equals = std::vector<std::pair<const char*, const char*>>;  ///< labels and their values

    static constexpr std::int64_t kKnownMs = 3'600'000;

    /// `store` must outlive it.
    Reader(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms);

    std::vector<Observation> fresh(const char* metric, const Equals& equals = {});
    /// Likewise of several metrics, in one read.
    std::vector<Observation> fresh(const std::vector<const char*>& metrics);
    /// Likewise, with the reports of other agents about servers whose own hosts report.
    std::vector<Observation> freshOfAll(const char* metric);
    std::vector<Observation> known(const char* metric, const Equals& equals = {});
    bool isFresh(const Observation& observation) const { return observation.at >= now_ - lookback_ms_; }

    /// All samples of the last `length_ms`.
    std::vector<ObservedSeries> history(const char* metric, std::int64_t length_ms);
    std::vector<ObservedSeries> history(const std::vector<const char*>& metrics, std::int64_t length_ms);
    /// As freshOfAll().
    std::vector<ObservedSeries> historyOfAll(const std::vector<const char*>& metrics, std::int64_t length_ms);

    /// A time that the agent reports as a sample's value (seconds since 1970), on the collector's clock.
    TimestampMs timeOf(const Observation& observation) const;

    TimestampMs now() const { return now_; }
    const Clocks& clocks() const { return clocks_; }
    /// The store's; without a message if there was no failure.
    const Error& failure() const { return failure_; }

  private:
    std::vector<ObservedSeries> read(const storage::Matchers& matchers, std::int64_t length_ms);
    std::vector<ObservedSeries> readAll(const storage::Matchers& matchers, std::int64_t length_ms);
    void readOwnJobs();
    bool counts(const ObservedSeries& series) const;
    void readAgents(storage::Matchers matchers, const std::string* agent, std::int64_t length_ms,
                    std::vector<ObservedSeries>& out);
    static std::vector<Observation> newest(std::vector<ObservedSeries> series);

    const storage::Store& store_;
    TimestampMs now_;
    std::int64_t lookback_ms_;
    Clocks clocks_;
    std::set<std::pair<std::string, std::string>> own_jobs_;  ///< hosts and the jobs that they report now
    Error failure_;
};

}  // namespace lapwing::analysis::evidence
