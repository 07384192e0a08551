#include "collector/analysis/evidence/replication.h"

#include <array>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/database_metrics.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

constexpr std::size_t kMostSamples = 5'000'000;
constexpr double kMsPerSecond = 1000;
/// A read covers this time; a track that ends before it is read again for its whole length.
constexpr std::int64_t kWindowMs = 120'000;
/// The clock of an agent may be ahead by this.
constexpr std::int64_t kAheadMs = 600'000;
/// An older sample no longer describes the present; the slowest metrics come every ten seconds.
constexpr std::int64_t kPresentMs = 45'000;

std::string observerOf(const Labels& labels) {
    std::string agent(labels.get("agent"));
    return agent.empty() ? std::string(labels.get("instance")) : agent;
}

/// The agents' clocks, and the agent that observes each server.
class Observers {
  public:
    explicit Observers(const std::vector<storage::SeriesSamples>& series) {
        for (const auto& each : series) {
            const auto name = each.labels->metricName();
            const double value = each.samples.back().value;
            if (std::isnan(value)) {
                continue;
            }
            if (name == metric::kClockOffsetSeconds) {
                offsets_[observerOf(*each.labels)] = value;
            } else if (name == metric::kClockOffsetErrorSeconds) {
                errors_[observerOf(*each.labels)] = value;
            } else if (name == exporter::kUp && each.labels->get("job") == "mysql") {
                choose(*each.labels);
            }
        }
    }

    /// The report is the chosen agent's. Only one agent counts for a server, so that no two clocks mix.
    bool isChosen(const Labels& labels) const {
        const auto chosen = chosen_.find(std::string(labels.get("instance")));
        return chosen == chosen_.end() || chosen->second == labels.get("agent");
    }

    /// The collector's clock minus the observer's.
    std::int64_t offsetMs(const Labels& labels) const {
        const auto offset = offsets_.find(observerOf(labels));
        return offset == offsets_.end() ? 0 : std::llround(offset->second * kMsPerSecond);
    }

    /// Turns the server's clock, which its agent compared with its own, into one against the collector's.
    void correctClock(const std::string& instance, Database& server) const {
        const auto chosen = chosen_.find(instance);
        const auto& agent = chosen == chosen_.end() || chosen->second.empty() ? instance : chosen->second;
        const auto offset = offsets_.find(agent);
        if (!server.clock || offset == offsets_.end()) {
            server.clock.reset();
            return;
        }
        *server.clock -= offset->second;
        const auto error = errors_.find(agent);
        server.clock_error = error == errors_.end() ? 0 : error->second;
    }

  private:
    /// The agent of the server's own host, if it observes the server.
    void choose(const Labels& labels) {
        const auto instance = labels.get("instance");
        const auto agent = labels.get("agent");
        auto& chosen = chosen_[std::string(instance)];
        if (chosen.empty() || agent == instance) {
            chosen = agent;
        }
    }

    std::map<std::string, double> offsets_;  ///< seconds, by agent
    std::map<std::string, double> errors_;   ///< seconds, by agent
    std::map<std::string, std::string> chosen_;
};

/// The attempts of agents to connect to other hosts' databases, from the hosts' main addresses.
class Attempts {
  public:
    static constexpr std::array kMetrics{metric::kAttemptResult, metric::kAttemptTimestampSeconds};

    void take(const Report& report, std::int64_t clock_offset_ms) {
        const auto& labels = report.labels;
        if (labels.get("service") != "mysql" || labels.get("source_kind") == "second") {
            return;
        }
        auto& attempt = attempts_[{report.get("agent"), report.get("instance"), report.get("address"),
                                   report.get("port"), report.get("source")}];
        attempt.from = observerOf(labels);
        attempt.to = report.get("instance");
        if (labels.metricName() == metric::kAttemptTimestampSeconds) {
            attempt.last.at = std::llround(report.value * kMsPerSecond) + clock_offset_ms;
            return;
        }
        attempt.last.result = report.get("result");
        if (attempt.last.at == 0) {
            attempt.last.at = report.at;
        }
    }

    /// Adds the newest attempt between each two hosts.
    void addTo(std::map<std::pair<std::string, std::string>, ReachAttempt>& reach) const {
        for (const auto& [series, attempt] : attempts_) {
            auto& newest = reach[{attempt.from, attempt.to}];
            if (!attempt.last.result.empty() && attempt.last.at >= newest.at) {
                newest = attempt.last;
            }
        }
    }

  private:
    struct Attempt {
        std::string from;
        std::string to;
        ReachAttempt last;
    };
    /// By agent, instance, address, port and source address.
    std::map<std::tuple<std::string, std::string, std::string, std::string, std::string>, Attempt> attempts_;
};

/// A regular expression that matches each of the names.
std::string anyOf(const std::vector<const char*>& names) {
    std::string out;
    for (const auto* name : names) {
        out += (out.empty() ? "" : "|") + std::string(name);
    }
    return out;
}

std::string presentMetrics() {
    std::vector<const char*> names = positionMetrics();
    names.insert(names.end(), Attempts::kMetrics.begin(), Attempts::kMetrics.end());
    names.insert(names.end(),
                 {metric::kClockOffsetSeconds, metric::kClockOffsetErrorSeconds, metric::kAgentAddressInfo});
    for (const auto& row : serverMetrics()) {
        names.push_back(row.name);
    }
    for (const auto& row : channelMetrics()) {
        names.push_back(row.name);
    }
    return anyOf(names);
}

Expected<std::vector<storage::SeriesSamples>> select(const storage::Store& store, const std::string& names,
                                                     TimestampMs now, std::int64_t length_ms) {
    auto matcher = storage::Matcher::create(storage::Matcher::Type::regex, "__name__", names);
    if (!matcher) {
        return tl::unexpected(matcher.error());
    }
    return store.select({std::move(*matcher)}, now - length_ms, now + kAheadMs, kMostSamples);
}

std::vector<PositionSeries> positionsOf(const std::vector<storage::SeriesSamples>& series,
                                        const Observers& observers) {
    std::vector<PositionSeries> out;
    for (const auto& each : series) {
        auto position = positionSeriesOf(*each.labels);
        if (position && observers.isChosen(*each.labels)) {
            position->clock_offset_ms = observers.offsetMs(*each.labels);
            position->samples = each.samples;
            out.push_back(std::move(*position));
        }
    }
    return out;
}

/// Reports of one moment, by metric.
using Reports = std::map<std::string_view, std::vector<Report>>;

const std::vector<Report>& reportsOf(const Reports& reports, const char* metric) {
    static const std::vector<Report> none;
    const auto found = reports.find(metric);
    return found == reports.end() ? none : found->second;
}

Reports presentReports(const storage::Store& store, const std::vector<storage::SeriesSamples>& series,
                       const Observers& observers, TimestampMs now) {
    Reports out;
    for (const auto& each : series) {
        const auto& sample = each.samples.back();
        const auto at = sample.timestamp + observers.offsetMs(*each.labels);
        if (!std::isnan(sample.value) && now - at <= kPresentMs) {
            out[each.labels->metricName()].push_back({store, *each.labels, sample.value, at});
        }
    }
    return out;
}

void takeServers(const Reports& reports, const Observers& observers, Databases& out) {
    const auto counts = [&](const Report& report) {
        return report.labels.get("job") == "mysql" && observers.isChosen(report.labels);
    };
    for (const auto& row : serverMetrics()) {
        for (const auto& report : reportsOf(reports, row.name)) {
            if (counts(report)) {
                row.take(report, out.servers[report.get("instance")]);
            }
        }
    }
    for (const auto& row : channelMetrics()) {
        for (const auto& report : reportsOf(reports, row.name)) {
            if (counts(report)) {
                auto& server = out.servers[report.get("instance")];
                row.take(report, server.channels[channelName(report.labels)]);
            }
        }
    }
    for (auto& [instance, server] : out.servers) {
        observers.correctClock(instance, server);
        // Drop channels whose threads were not reported.
        std::erase_if(server.channels, [](const auto& channel) { return channel.second.at == 0; });
    }
}

void takeHosts(const Reports& reports, const Observers& observers, Databases& out) {
    for (const auto& report : reportsOf(reports, metric::kAgentAddressInfo)) {
        if (const auto address = reach::Address::parse(report.labels.get("address"))) {
            out.hosts[*address] = report.get("instance");
        }
    }
    Attempts attempts;
    for (const auto* name : Attempts::kMetrics) {
        for (const auto& report : reportsOf(reports, name)) {
            attempts.take(report, observers.offsetMs(report.labels));
        }
    }
    attempts.addTo(out.reach);
}

}  // namespace

Expected<Databases> ReplicationReader::read(TimestampMs now) {
    static const std::string present = presentMetrics();
    static const std::string positions = anyOf(positionMetrics());
    const auto series = select(store_, present, now, kWindowMs);
    if (!series) {
        return tl::unexpected(series.error());
    }
    const Observers observers(*series);
    const auto recent = positionsOf(*series, observers);
    const bool continues = last_read_ != 0 && now - last_read_ <= kWindowMs / 2;
    if (continues && !tracks_.hasGap(recent, now - kWindowMs)) {
        tracks_.add(recent);
    } else {
        const auto past = select(store_, positions, now, PositionTracks::kLengthMs);
        if (!past) {
            return tl::unexpected(past.error());
        }
        tracks_.clear();
        tracks_.add(positionsOf(*past, observers));
    }
    last_read_ = now;
    tracks_.thin(now);

    Databases out;
    out.now = now;
    const auto reports = presentReports(store_, *series, observers, now);
    takeServers(reports, observers, out);
    takeHosts(reports, observers, out);
    tracks_.copyTo(out.servers);
    return out;
}

}  // namespace lapwing::analysis::evidence
