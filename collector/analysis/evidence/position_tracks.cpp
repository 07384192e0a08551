#include "collector/analysis/evidence/position_tracks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

/// Points from before this time are thinned out.
constexpr std::int64_t kRecentMs = 15 * 60'000LL;
/// A track with fewer points is not thinned out.
constexpr std::size_t kManyPoints = 2048;

struct PositionMetric {
    const char* name;
    TrackKind kind;
    bool is_file_number = false;
};

constexpr std::array kPositionMetrics{
    PositionMetric{metric::kMysqlBinlogFileNumber, TrackKind::written, true},
    PositionMetric{metric::kMysqlBinlogPositionBytes, TrackKind::written},
    PositionMetric{metric::kMysqlBinlogWrittenBytesTotal, TrackKind::written_bytes},
    PositionMetric{metric::kMysqlReplicaReadFileNumber, TrackKind::read, true},
    PositionMetric{metric::kMysqlReplicaReadPositionBytes, TrackKind::read},
    PositionMetric{metric::kMysqlReplicaExecFileNumber, TrackKind::applied, true},
    PositionMetric{metric::kMysqlReplicaExecPositionBytes, TrackKind::applied},
    PositionMetric{metric::kMysqlReplicaReceivedHeartbeatsTotal, TrackKind::heartbeats},
    PositionMetric{exporter::kMysqlUp, TrackKind::answering},
    PositionMetric{metric::kMysqlHeartbeatWriting, TrackKind::beating},
    PositionMetric{metric::kMysqlGtidSequence, TrackKind::executed},  // or by its label `set`
};

bool isOfChannel(TrackKind kind) {
    return kind == TrackKind::read || kind == TrackKind::applied || kind == TrackKind::heartbeats ||
           kind == TrackKind::received;
}

bool isCoordinates(TrackKind kind) {
    return kind == TrackKind::written || kind == TrackKind::read || kind == TrackKind::applied;
}

void setGtid(TrackKey& key, const Labels& labels) {
    const std::string domain(labels.get("domain"));
    const std::string source(labels.get("source"));
    const auto set = labels.get("set");
    if (set == "binlog_state") {
        key.kind = TrackKind::binlog_state;
        key.gtid = domain + "-" + source;
        return;
    }
    if (set == "received") {
        key.kind = TrackKind::received;
    }
    key.gtid = domain.empty() ? source : domain;
}

Track& channelTrack(ReplicaChannel& channel, const TrackKey& key) {
    switch (key.kind) {
        case TrackKind::read:
            return channel.read;
        case TrackKind::applied:
            return channel.executed;
        case TrackKind::heartbeats:
            return channel.heartbeats;
        default:
            return channel.received[key.gtid];
    }
}

Track& serverTrack(Database& server, const TrackKey& key) {
    switch (key.kind) {
        case TrackKind::written:
            return server.written;
        case TrackKind::written_bytes:
            return server.written_bytes;
        case TrackKind::answering:
            return server.answering;
        case TrackKind::beating:
            return server.beating;
        case TrackKind::binlog_state:
            return server.binlog_state[key.gtid];
        default:
            return server.executed[key.gtid];
    }
}

/// The new samples of one track by the agent's time: the value, and the number of its file.
struct NewSamples {
    std::map<TimestampMs, double> values;
    std::map<TimestampMs, double> files;
    std::int64_t clock_offset_ms = 0;
};

}  // namespace

std::string channelName(const Labels& labels) {
    const auto connection = labels.get("connection_name");
    return std::string(connection.empty() ? labels.get("channel_name") : connection);
}

std::vector<const char*> positionMetrics() {
    std::vector<const char*> out;
    out.reserve(std::size(kPositionMetrics));
    for (const auto& metric : kPositionMetrics) {
        out.push_back(metric.name);
    }
    return out;
}

std::optional<PositionSeries> positionSeriesOf(const Labels& labels) {
    const std::string_view name = labels.metricName();
    const auto* metric = std::find_if(kPositionMetrics.begin(), kPositionMetrics.end(),
                                      [&](const PositionMetric& row) { return name == row.name; });
    if (metric == kPositionMetrics.end()) {
        return std::nullopt;
    }
    PositionSeries out;
    out.key.instance = labels.get("instance");
    out.key.kind = metric->kind;
    out.is_file_number = metric->is_file_number;
    if (metric->kind == TrackKind::executed) {
        setGtid(out.key, labels);
    }
    if (isOfChannel(out.key.kind)) {
        out.key.channel = channelName(labels);
    }
    return out;
}

bool PositionTracks::hasGap(const std::vector<PositionSeries>& recent, TimestampMs from) const {
    return std::any_of(recent.begin(), recent.end(), [&](const PositionSeries& series) {
        const auto kept = tracks_.find(series.key);
        if (kept == tracks_.end()) {
            return false;
        }
        const auto newest = kept->second.newest + series.clock_offset_ms;
        return newest < from && series.samples.back().timestamp > newest;
    });
}

void PositionTracks::add(const std::vector<PositionSeries>& series) {
    std::map<TrackKey, NewSamples> added;
    for (const auto& each : series) {
        const auto kept = tracks_.find(each.key);
        const auto from = kept == tracks_.end() ? 0 : kept->second.newest + 1;
        auto& samples = added[each.key];
        samples.clock_offset_ms = each.clock_offset_ms;
        auto& into = each.is_file_number ? samples.files : samples.values;
        for (const auto& sample : each.samples) {
            const auto at = sample.timestamp - each.clock_offset_ms;
            if (at >= from && !std::isnan(sample.value)) {
                // The series of a MariaDB domain changes when another server writes to the domain.
                auto& value = into[at];
                value = std::max(value, sample.value);
            }
        }
    }
    for (const auto& [key, samples] : added) {
        auto& kept = tracks_[key];
        for (const auto& [at, value] : samples.values) {
            auto position = static_cast<std::int64_t>(value);
            if (isCoordinates(key.kind)) {
                const auto file = samples.files.find(at);
                if (file == samples.files.end()) {
                    continue;
                }
                position = coordinate(file->second, value);
            }
            kept.track.add(at + samples.clock_offset_ms, position);
            kept.newest = at;
        }
    }
    std::erase_if(tracks_, [](const auto& kept) { return kept.second.track.empty(); });
}

void PositionTracks::thin(TimestampMs now) {
    std::erase_if(tracks_, [&](const auto& kept) { return kept.second.newest < now - kLengthMs; });
    for (auto& [key, kept] : tracks_) {
        auto& track = kept.track;
        if (track.points().size() > kManyPoints && track.first().at < now - kRecentMs) {
            track.thin(now - kLengthMs, now - kRecentMs);
        }
    }
}

void PositionTracks::copyTo(std::map<std::string, Database>& servers) const {
    for (const auto& [key, kept] : tracks_) {
        // The past of a silent server is useful, too.
        auto& server = servers[key.instance];
        if (!isOfChannel(key.kind)) {
            serverTrack(server, key) = kept.track;
        } else if (const auto channel = server.channels.find(key.channel); channel != server.channels.end()) {
            channelTrack(channel->second, key) = kept.track;
        }
    }
}

}  // namespace lapwing::analysis::evidence
