#include "collector/analysis/evidence/replication.h"

#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/attempts.h"
#include "collector/analysis/evidence/database_metrics.h"
#include "collector/analysis/evidence/reader.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

using Observers = std::map<std::string, std::string>;  ///< the agent that counts, by instance

/// The tracks need the samples of this time, as long as no agent catches up after an outage.
constexpr std::int64_t kWindowMs = 120'000;
/// An older sample no longer describes the present; the slowest metrics come every ten seconds.
constexpr std::int64_t kPresentMs = 45'000;

bool isChosen(const Observers& observers, const std::string& instance, const std::string& agent) {
    const auto chosen = observers.find(instance);
    return chosen == observers.end() || chosen->second == agent;
}

/// Takes the first agent of each server: the one on the server's own host, if it observes the server.
void chooseObservers(Reader& reader, Observers& observers) {
    Observers chosen;
    for (const auto& up : reader.fresh(exporter::kUp, {{"job", "mysql"}})) {
        chosen.try_emplace(up.instance(), up.observer);
    }
    for (const auto& [instance, agent] : chosen) {
        observers[instance] = agent;
    }
}

/// Observations by metric.
using Observations = std::map<std::string_view, std::vector<Observation>>;

/// The fresh samples of all metrics that a read needs, except those of tracks.
Observations present(Reader& reader) {
    std::vector<const char*> names{metric::kAgentAddressInfo};
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
        return seen.labels->get("job") == "mysql" && isChosen(observers, seen.instance(), seen.observer);
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

void takeHosts(Observations& observations, Databases& out) {
    for (const auto& seen : observations[metric::kAgentAddressInfo]) {
        if (const auto address = reach::Address::parse(seen.labels->get("address"))) {
            out.hosts[*address] = seen.instance();
        }
    }
}

/// The newest attempts between each two hosts, from the hosts' main addresses to databases.
void takeAttempts(Reader& reader, Databases& out) {
    for (const auto& [host, attempts] : readAttempts(reader).attempts) {
        for (const auto& attempt : attempts) {
            if (attempt.service != "mysql" || attempt.second) {
                continue;
            }
            auto& newest = out.reach[{attempt.from, host}];
            if (attempt.at >= newest.at) {
                newest = {attempt.result, attempt.at};
            }
        }
    }
}

/// The agents compare their servers' clocks with their own. Turns this into a comparison with the
/// collector's.
void correctClocks(const Observers& observers, const Clocks& clocks, Databases& out) {
    for (auto& [instance, server] : out.servers) {
        const auto chosen = observers.find(instance);
        const auto& agent = chosen == observers.end() ? instance : chosen->second;
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
    constexpr std::size_t most_error_text = 1U << 20;
    if (digest.empty()) {
        return {};
    }
    const auto found = store.document(digest, most_error_text);
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
        if (position && isChosen(observers, position->key.instance, series.observer)) {
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
    chooseObservers(reader, observers_);
    Databases out;
    out.now = now;
    auto observations = present(reader);
    takeServers(observations, observers_, out);
    takeHosts(observations, out);
    takeAttempts(reader, out);
    correctClocks(observers_, reader.clocks(), out);
    addTexts(store_, out);
    updateTracks(reader, observers_, last_read_, tracks_);
    if (!reader.failure().message.empty()) {
        last_read_ = 0;
        return tl::unexpected(reader.failure());
    }
    last_read_ = now;
    tracks_.copyTo(out.servers);
    return out;
}

}  // namespace lapwing::analysis::evidence
