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
#include "collector/analysis/evidence/reader.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

/// The tracks need the samples of this time, as long as no agent catches up after an outage.
constexpr std::int64_t kWindowMs = 120'000;
/// An older sample no longer describes the present; the slowest metrics come every ten seconds.
constexpr std::int64_t kPresentMs = 45'000;

constexpr std::array kAttemptMetrics{metric::kAttemptResult, metric::kAttemptTimestampSeconds};

/// The agent that counts for each server. Only one does, so that no two clocks mix.
class Observers {
  public:
    explicit Observers(Reader& reader) {
        const std::vector<std::pair<const char*, const char*>> mysql{{"job", "mysql"}};
        for (const auto& up : reader.fresh(exporter::kUp, mysql)) {
            chosen_.try_emplace(up.instance(), up.observer);
        }
        for (const auto& up : reader.known(exporter::kUp, mysql)) {
            chosen_.try_emplace(up.instance(), up.observer);
        }
    }

    bool isChosen(const std::string& instance, const std::string& observer) const {
        const auto chosen = chosen_.find(instance);
        return chosen == chosen_.end() || chosen->second == observer;
    }

    /// The instance itself if no agent observes the server.
    std::string of(const std::string& instance) const {
        const auto chosen = chosen_.find(instance);
        return chosen == chosen_.end() || chosen->second.empty() ? instance : chosen->second;
    }

  private:
    std::map<std::string, std::string> chosen_;  ///< agent by instance
};

/// The attempts of agents to connect to other hosts' databases, from the hosts' main addresses.
class Attempts {
  public:
    void take(const Observation& seen, const Reader& reader) {
        if (seen.labels->get("service") != "mysql" || seen.labels->get("source_kind") == "second") {
            return;
        }
        auto& attempt = attempts_[{seen.observer, seen.instance(), seen.get("address"), seen.get("port"),
                                   seen.get("source")}];
        if (seen.labels->metricName() == metric::kAttemptTimestampSeconds) {
            attempt.at = reader.timeOf(seen);
            return;
        }
        attempt.result = seen.get("result");
        if (attempt.at == 0) {
            attempt.at = seen.at;
        }
    }

    /// Adds the newest attempt between each two hosts.
    void addTo(std::map<std::pair<std::string, std::string>, ReachAttempt>& reach) const {
        for (const auto& [series, attempt] : attempts_) {
            auto& newest = reach[{std::get<0>(series), std::get<1>(series)}];
            if (!attempt.result.empty() && attempt.at >= newest.at) {
                newest = attempt;
            }
        }
    }

  private:
    /// Agent, instance, address, port and source address.
    using Series = std::tuple<std::string, std::string, std::string, std::string, std::string>;
    std::map<Series, ReachAttempt> attempts_;
};

/// Observations by metric.
using Observations = std::map<std::string_view, std::vector<Observation>>;

/// The fresh samples of all metrics that a read needs, except those of tracks.
Observations present(Reader& reader) {
    std::vector<const char*> names(kAttemptMetrics.begin(), kAttemptMetrics.end());
    names.push_back(metric::kAgentAddressInfo);
    for (const auto& row : serverMetrics()) {
        names.push_back(row.name);
    }
    for (const auto& row : channelMetrics()) {
        names.push_back(row.name);
    }
    Observations out;
    for (auto& seen : reader.fresh(names)) {
        if (!std::isnan(seen.value)) {
            const auto name = seen.labels->metricName();
            out[name].push_back(std::move(seen));
        }
    }
    return out;
}

void takeServers(Observations& observations, const Observers& observers, Databases& out) {
    const auto counts = [&](const Observation& seen) {
        return seen.labels->get("job") == "mysql" && observers.isChosen(seen.instance(), seen.observer);
    };
    for (const auto& row : serverMetrics()) {
        for (const auto& seen : observations[row.name]) {
            if (counts(seen)) {
                row.take(seen, out.servers[seen.instance()]);
            }
        }
    }
    for (const auto& row : channelMetrics()) {
        for (const auto& seen : observations[row.name]) {
            if (counts(seen)) {
                row.take(seen, out.servers[seen.instance()].channels[channelName(*seen.labels)]);
            }
        }
    }
    for (auto& [instance, server] : out.servers) {
        // Drop channels whose threads were not reported.
        std::erase_if(server.channels, [](const auto& channel) { return channel.second.at == 0; });
    }
}

void takeHosts(Observations& observations, const Reader& reader, Databases& out) {
    for (const auto& seen : observations[metric::kAgentAddressInfo]) {
        if (const auto address = reach::Address::parse(seen.labels->get("address"))) {
            out.hosts[*address] = seen.instance();
        }
    }
    Attempts attempts;
    for (const auto* name : kAttemptMetrics) {
        for (const auto& seen : observations[name]) {
            attempts.take(seen, reader);
        }
    }
    attempts.addTo(out.reach);
}

/// The agents compare their servers' clocks with their own. Turns this into a comparison with the
/// collector's.
void correctClocks(const Observers& observers, const Clocks& clocks, Databases& out) {
    for (auto& [instance, server] : out.servers) {
        const auto agent = observers.of(instance);
        const auto offset = clocks.offsetSeconds(agent);
        if (server.clock && offset) {
            *server.clock -= *offset;
            server.clock_error = clocks.errorSeconds(agent).value_or(0);
        } else {
            server.clock.reset();
        }
    }
}

/// A document, shortened and on one line; "" while it is missing.
std::string documentText(const storage::Store& store, const std::string& digest) {
    constexpr std::size_t longest = 400;
    if (digest.empty()) {
        return {};
    }
    const auto found = store.document(digest);
    if (!found || !*found) {
        return {};
    }
    std::string text;
    for (const char c : (*found)->body.substr(0, longest)) {
        text += c == '\n' ? std::string("; ") : std::string(1, static_cast<unsigned char>(c) < ' ' ? ' ' : c);
    }
    while (text.ends_with("; ")) {
        text.resize(text.size() - 2);
    }
    return text;
}

void addTexts(const storage::Store& store, Databases& out) {
    for (auto& [instance, server] : out.servers) {
        for (auto& [name, channel] : server.channels) {
            for (auto* thread : {&channel.receiver, &channel.applier}) {
                for (auto& error : thread->errors) {
                    error.text = documentText(store, error.digest);
                }
            }
            for (auto& blocker : channel.blocked) {
                blocker.text = documentText(store, blocker.digest);
            }
        }
    }
}

std::vector<PositionSeries> positions(Reader& reader, const Observers& observers, std::int64_t length_ms) {
    std::vector<PositionSeries> out;
    for (auto& series : reader.history(positionMetrics(), length_ms)) {
        auto position = positionSeriesOf(*series.labels);
        if (position && observers.isChosen(position->key.instance, series.observer)) {
            position->clock_offset_ms = series.clock_offset_ms;
            position->samples = std::move(series.samples);
            out.push_back(std::move(*position));
        }
    }
    return out;
}

/// Reads the last two minutes. Reads the whole length of the tracks at first, after a pause and while an
/// agent catches up after an outage.
void updateTracks(Reader& reader, const Observers& observers, TimestampMs last_read, PositionTracks& tracks) {
    const auto now = reader.now();
    const auto recent = positions(reader, observers, kWindowMs);
    const bool continues = last_read != 0 && now - last_read <= kWindowMs / 2;
    if (continues && !tracks.hasGap(recent, now - kWindowMs)) {
        tracks.add(recent);
    } else {
        tracks.clear();
        tracks.add(positions(reader, observers, PositionTracks::kLengthMs));
    }
    tracks.thin(now);
}

}  // namespace

Expected<Databases> ReplicationReader::read(TimestampMs now) {
    Reader reader(store_, now, kPresentMs);
    const Observers observers(reader);
    Databases out;
    out.now = now;
    auto observations = present(reader);
    takeServers(observations, observers, out);
    takeHosts(observations, reader, out);
    correctClocks(observers, reader.clocks(), out);
    addTexts(store_, out);
    updateTracks(reader, observers, last_read_, tracks_);
    if (!reader.failure().message.empty()) {
        last_read_ = 0;
        return tl::unexpected(reader.failure());
    }
    last_read_ = now;
    tracks_.copyTo(out.servers);
    return out;
}

}  // namespace lapwing::analysis::evidence
