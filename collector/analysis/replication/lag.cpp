#include "collector/analysis/replication/lag.h"

#include <algorithm>
#include <cmath>

#include "collector/analysis/duration.h"

namespace lapwing::analysis::replication {

namespace {

using evidence::Database;
using evidence::GtidTracks;
using evidence::HeartbeatRow;
using evidence::kFileShift;
using evidence::ReplicaChannel;
using evidence::ThreadState;
using evidence::Track;

/// Seconds between two writes of the heartbeat.
constexpr double kBeat = 1;
/// A row that is older on the primary itself has no writer any more. Seconds.
constexpr double kDeadBeat = 5;
/// A wider range is not precise enough for a figure, unless it is small compared with the lag. Seconds.
constexpr double kWidest = 5;
constexpr double kWidestShare = 0.1;
/// Beyond this difference, another estimate deserves a remark. Seconds.
constexpr double kDisagreement = 5;

constexpr const char* kOnlyReceived = "of what the replica has received";

LagRange clamped(LagRange range) {
    range.low = std::max(0.0, range.low);
    range.guess = std::max(0.0, range.guess);
    range.high = std::max(0.0, range.high);
    return range;
}

bool isUsable(const LagRange& range) {
    return range.high - range.low <= std::max(kWidest, range.guess * kWidestShare);
}

/// The replica's clock minus the primary's, in seconds, if both are known.
std::optional<double> clockDifference(const Database& replica, const Database* primary) {
    if (primary == nullptr || !primary->clock || !replica.clock) {
        return std::nullopt;
    }
    return *replica.clock - *primary->clock;
}

/// A usable estimate from positions.
struct PositionEstimate {
    LagSource source;
    LagRange range;
};

void addPositionEstimate(LagSource source, const std::optional<LagRange>& range, const char* missing,
                         LagJudgement& out, std::vector<PositionEstimate>& usable) {
    Estimator estimator{source, std::nullopt, ""};
    if (!range) {
        estimator.note = missing;
    } else if (!isUsable(*range)) {
        estimator.note = "the primary was not observed closely enough: between " + durationText(range->low) +
                         " and " + durationText(range->high);
    } else {
        estimator.lag_seconds = range->guess;
        usable.push_back({source, *range});
    }
    out.estimators.push_back(std::move(estimator));
}

/// Estimates from GTIDs and from coordinates; the preferred one comes first. GTIDs name transactions whatever
/// their file is. A MariaDB that follows several primaries may have one domain from all of them, but separate
/// coordinates for each channel.
std::vector<PositionEstimate> estimateByPositions(const Database& replica, const ReplicaChannel& channel,
                                                  const Database* primary, bool shared_domain,
                                                  LagJudgement& out) {
    std::optional<LagRange> by_gtid;
    std::optional<LagRange> by_coordinates;
    if (primary != nullptr) {
        if (!shared_domain) {
            by_gtid = lagBehind(primary->executed, replica.executed, channel.at);
        }
        if (!channel.executed.empty()) {
            by_coordinates = lagBehind(primary->written, channel.executed.last().value, channel.at);
        }
    }
    const char* missing = primary == nullptr
                              ? "nothing is known of the primary"
                              : "the primary's or the replica's position is not known far enough back";
    const char* gtid_missing = shared_domain ? "several primaries write to one GTID domain" : missing;
    std::vector<PositionEstimate> usable;
    if (replica.mariadb && replica.channels.size() > 1) {
        addPositionEstimate(LagSource::binlog_position, by_coordinates, missing, out, usable);
        addPositionEstimate(LagSource::gtid_position, by_gtid, gtid_missing, out, usable);
    } else {
        addPositionEstimate(LagSource::gtid_position, by_gtid, gtid_missing, out, usable);
        addPositionEstimate(LagSource::binlog_position, by_coordinates, missing, out, usable);
    }
    return usable;
}

/// An estimate from the heartbeat table.
struct HeartbeatEstimate {
    std::optional<LagRange> range;
    bool verified = false;  ///< the primary's own row is new: its writer lives
};

/// The age of the primary's newest row on the replica, less the half second between writing and reading.
HeartbeatEstimate estimateByHeartbeat(const Database& replica, const ReplicaChannel& channel,
                                      const Database* primary, LagJudgement& out) {
    Estimator estimator{LagSource::heartbeat, std::nullopt, ""};
    HeartbeatEstimate estimate;
    const auto id =
        primary != nullptr && !primary->server_id.empty() ? primary->server_id : channel.source_server_id;
    const auto row = replica.heartbeats.find(id);
    if (row == replica.heartbeats.end()) {
        estimator.note = replica.heartbeats.empty() ? "no heartbeat table is read" : "no row of the primary";
        out.estimators.push_back(std::move(estimator));
        return estimate;
    }
    const auto difference = clockDifference(replica, primary);
    const double age = row->second.age - difference.value_or(0);
    const double apart = secondsBetween(row->second.at, channel.at);
    estimate.range =
        clamped({age - kBeat + std::min(0.0, apart), age + std::max(0.0, apart), age - kBeat / 2});
    const HeartbeatRow* on_primary = nullptr;
    if (primary != nullptr && primary->heartbeats.contains(id)) {
        on_primary = &primary->heartbeats.at(id);
    }
    estimate.verified = on_primary != nullptr && on_primary->age < kDeadBeat &&
                        secondsBetween(on_primary->at, channel.at) < kDeadBeat;
    if (!difference) {
        estimator.note = "not corrected: the two servers' clocks are not both known";
    }
    // A new row on the replica proves that earlier changes have arrived, even if its writer is unverified.
    if (!estimate.verified && estimate.range->guess > kDeadBeat) {
        estimator.note = on_primary == nullptr ? "whether its writer lives is not known"
                                               : "its writer on the primary is dead";
        estimate.range.reset();
    } else {
        estimator.lag_seconds = estimate.range->guess;
    }
    out.estimators.push_back(std::move(estimator));
    return estimate;
}

/// The replica's own figures. Returns the age of the oldest transaction that is being applied.
std::optional<double> estimateByReplicaAlone(const Database& replica, const ReplicaChannel& channel,
                                             const Database* primary, LagJudgement& out) {
    std::optional<double> applying;
    if (channel.applying_age) {
        const double difference = clockDifference(replica, primary).value_or(0);
        applying = *channel.applying_age > 0 ? std::max(0.0, *channel.applying_age - difference) : 0;
        out.estimators.push_back({LagSource::applying_transaction, applying, kOnlyReceived});
    }
    if (channel.last_event_age_applied && channel.last_event_age_source) {
        out.estimators.push_back(
            {LagSource::last_event,
             std::max(0.0, *channel.last_event_age_applied - *channel.last_event_age_source), kOnlyReceived});
    }
    out.estimators.push_back({LagSource::seconds_behind_source, channel.seconds_behind,
                              channel.seconds_behind ? kOnlyReceived : "the server says NULL"});
    return applying;
}

void choose(LagJudgement& out, double raw, LagSource source, bool both_ends) {
    out.lag_seconds = raw;
    out.raw_seconds = raw;
    out.source = source;
    out.both_ends = both_ends;
}

/// The lag if both ranges contain it; the position's guess if the ranges do not overlap.
double narrowed(const LagRange& position, const LagRange& heartbeat) {
    const double low = std::max(position.low, heartbeat.low);
    const double high = std::min(position.high, heartbeat.high);
    if (low > high || (position.guess >= low && position.guess <= high)) {
        return position.guess;
    }
    return (low + high) / 2;
}

void chooseByPosition(LagJudgement& out, const PositionEstimate& position,
                      const HeartbeatEstimate& heartbeat) {
    if (!heartbeat.range || !heartbeat.verified) {
        choose(out, position.range.guess, position.source, true);
        return;
    }
    choose(out, narrowed(position.range, *heartbeat.range), position.source, true);
    const double low = std::max(position.range.low, heartbeat.range->low);
    const double high = std::min(position.range.high, heartbeat.range->high);
    if (low > high + kBeat) {
        out.remarks.push_back("the heartbeat says " + durationText(heartbeat.range->guess) +
                              " and the position " + durationText(position.range.guess) +
                              ": the position rests on fewer clocks");
    }
}

/// A remark if the server's own figure disagrees with the chosen one.
void compareWithServer(LagJudgement& out, const std::optional<double>& seconds_behind) {
    if (!out.lag_seconds || !seconds_behind || out.source == LagSource::seconds_behind_source ||
        std::abs(*seconds_behind - out.raw_seconds) <= kDisagreement) {
        return;
    }
    out.remarks.push_back("the server itself says " + durationText(*seconds_behind) + " (Seconds_Behind): " +
                          (*seconds_behind < out.raw_seconds
                               ? "it counts only against what it has received"
                               : "it counts from when a statement began, or by a clock that differs"));
}

void subtractDelay(LagJudgement& out, double delay) {
    const auto subtract = [&](std::optional<double>& lag) {
        if (lag) {
            lag = std::max(0.0, *lag - delay);
        }
    };
    subtract(out.lag_seconds);
    for (auto& estimator : out.estimators) {
        subtract(estimator.lag_seconds);
    }
}

}  // namespace

std::optional<LagRange> lagBehind(const Track& source, std::int64_t position, TimestampMs at) {
    const auto& points = source.points();
    const auto end =
        std::upper_bound(points.begin(), points.end(), at,
                         [](TimestampMs time, const Track::Point& point) { return time < point.at; });
    if (end == points.begin()) {
        return std::nullopt;
    }
    const auto newest = std::prev(end);
    if (position >= newest->value) {
        return LagRange{0, secondsBetween(newest->at, at), 0};
    }
    const auto after =
        std::upper_bound(points.begin(), end, position,
                         [](std::int64_t value, const Track::Point& point) { return value < point.value; });
    if (after == points.begin()) {
        return std::nullopt;
    }
    const auto before = std::prev(after);
    double share = 0.5;
    // Within one file, interpolate between the two observations by bytes or transactions.
    if (before->value >> kFileShift == after->value >> kFileShift) {
        share = (static_cast<double>(position - before->value) + 0.5) /
                static_cast<double>(after->value - before->value);
    }
    const double low = secondsBetween(after->at, at);
    const double high = secondsBetween(before->at, at);
    return LagRange{low, high, high + (low - high) * std::clamp(share, 0.0, 1.0)};
}

std::optional<LagRange> lagBehind(const GtidTracks& source, const GtidTracks& replica, TimestampMs at) {
    std::optional<LagRange> worst;
    for (const auto& [name, track] : source) {
        const auto executed = replica.find(name);
        const auto position = executed == replica.end() ? std::nullopt : executed->second.valueAt(at);
        if (!position) {
            return std::nullopt;
        }
        const auto range = lagBehind(track, *position, at);
        if (!range) {
            return std::nullopt;
        }
        if (!worst || range->guess > worst->guess) {
            worst = range;
        }
    }
    return worst;
}

std::optional<double> transactionsBehind(const GtidTracks& source, const GtidTracks& replica,
                                         TimestampMs at) {
    std::optional<double> sum;
    for (const auto& [name, track] : source) {
        const auto executed = replica.find(name);
        const auto applied = executed == replica.end() ? std::nullopt : executed->second.valueAt(at);
        const auto written = track.valueAt(at);
        if (applied && written) {
            sum = sum.value_or(0) + static_cast<double>(std::max<std::int64_t>(0, *written - *applied));
        }
    }
    return sum;
}

std::optional<double> bytesBehind(const Database& source, const Track& executed, TimestampMs at) {
    const auto position = executed.valueAt(at);
    const auto written = source.written.valueAt(at);
    if (!position || !written) {
        return std::nullopt;
    }
    if (*position >= *written) {
        return 0;
    }
    if (*position >> kFileShift == *written >> kFileShift) {
        return static_cast<double>(*written - *position);
    }
    // Over several files, count the written bytes since the last observation before the position.
    const auto& points = source.written.points();
    const auto after =
        std::upper_bound(points.begin(), points.end(), *position,
                         [](std::int64_t value, const Track::Point& point) { return value < point.value; });
    if (after == points.begin()) {
        return std::nullopt;
    }
    const auto before = std::prev(after);
    const auto then = source.written_bytes.valueAt(before->at);
    const auto now = source.written_bytes.valueAt(at);
    if (!then || !now) {
        return std::nullopt;
    }
    const bool same_file = before->value >> kFileShift == *position >> kFileShift;
    const auto into = same_file ? *position - before->value : 0;
    return static_cast<double>(std::max<std::int64_t>(0, *now - *then - into));
}

LagJudgement judgeLag(const Database& replica, const ReplicaChannel& channel, const Database* primary,
                      bool receiver_proven, bool shared_domain) {
    LagJudgement out;
    const auto heartbeat = estimateByHeartbeat(replica, channel, primary, out);
    const auto positions = estimateByPositions(replica, channel, primary, shared_domain, out);
    const auto applying = estimateByReplicaAlone(replica, channel, primary, out);

    const bool replica_is_credible = receiver_proven && channel.receiver.state == ThreadState::running &&
                                     channel.applier.state == ThreadState::running;
    if (!positions.empty()) {
        chooseByPosition(out, positions.front(), heartbeat);
    } else if (heartbeat.range) {
        choose(out, heartbeat.range->guess, LagSource::heartbeat, heartbeat.verified);
    } else if (applying && replica_is_credible) {
        choose(out, *applying, LagSource::applying_transaction, false);
    } else if (channel.seconds_behind && replica_is_credible) {
        choose(out, *channel.seconds_behind, LagSource::seconds_behind_source, false);
    }
    compareWithServer(out, channel.seconds_behind);
    subtractDelay(out, channel.delay_seconds);
    return out;
}

}  // namespace lapwing::analysis::replication
