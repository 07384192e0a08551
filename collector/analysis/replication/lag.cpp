#include "collector/analysis/replication/lag.h"

#include <algorithm>
#include <cmath>

#include "collector/analysis/replication/words.h"

namespace lapwing::analysis::replication {

namespace {

constexpr double kMsPerSecond = 1000;
/// The heartbeat is written once a second.
constexpr double kBeat = 1;
/// A row that is older on the primary itself has no writer any more.
constexpr double kDeadBeat = 5;
/// A range that is wider says too little for a figure, unless it is small beside the lag itself.
constexpr double kWidest = 5;
constexpr double kWidestShare = 0.1;
/// From then on another estimator's word is worth a remark.
constexpr double kDisagreement = 5;

double seconds(TimestampMs from, TimestampMs to) {
    return static_cast<double>(to - from) / kMsPerSecond;
}

LagRange clamped(LagRange range) {
    range.low = std::max(0.0, range.low);
    range.guess = std::max(0.0, range.guess);
    range.high = std::max(0.0, range.high);
    return range;
}

bool isUsable(const LagRange& range) {
    return range.high - range.low <= std::max(kWidest, range.guess * kWidestShare);
}

/// How far the replica's clock is ahead of the primary's, where both are known.
std::optional<double> clockDifference(const DatabaseFacts& replica, const DatabaseFacts* primary) {
    if (primary == nullptr || !primary->clock || !replica.clock) {
        return std::nullopt;
    }
    return *replica.clock - *primary->clock;
}

struct Named {
    const char* name;
    LagRange range;
};

/// The position that tells the most: GTIDs name transactions whatever file they are in. A MariaDB that
/// follows several primaries may have one domain from all of them; its coordinates are each channel's own.
void positions(const DatabaseFacts& replica, const ChannelFacts& channel, const DatabaseFacts* primary,
               bool shared_domain, std::vector<Named>& out, std::vector<Estimator>& shown) {
    const auto take = [&](const char* name, const std::optional<LagRange>& range, const char* missing) {
        Estimator estimator{name, std::nullopt, ""};
        if (!range) {
            estimator.note = missing;
        } else if (!isUsable(*range)) {
            estimator.note = "the primary was not observed closely enough: between " + duration(range->low) +
                             " and " + duration(range->high);
        } else {
            estimator.lag_seconds = range->guess;
            out.push_back({name, *range});
        }
        shown.push_back(std::move(estimator));
    };
    std::optional<LagRange> gtid;
    std::optional<LagRange> coordinates;
    if (primary != nullptr) {
        if (!shared_domain) {
            gtid = lagBehind(primary->executed, replica.executed, channel.at);
        }
        if (!channel.executed.empty()) {
            coordinates = lagBehind(primary->written, channel.executed.last().value, channel.at);
        }
    }
    const char* missing = primary == nullptr
                              ? "nothing is known of the primary"
                              : "the primary's or the replica's position is not known far enough back";
    const bool several = replica.mariadb && replica.channels.size() > 1;
    if (several) {
        take("binlog_position", coordinates, missing);
    }
    take("gtid_position", gtid, shared_domain ? "several primaries write to one GTID domain" : missing);
    if (!several) {
        take("binlog_position", coordinates, missing);
    }
}

/// The age of the primary's newest row on the replica, less the half second between writing and reading.
std::optional<LagRange> heartbeat(const DatabaseFacts& replica, const ChannelFacts& channel,
                                  const DatabaseFacts* primary, LagJudgement& out, bool& verified) {
    Estimator estimator{"heartbeat", std::nullopt, ""};
    const auto id =
        primary != nullptr && !primary->server_id.empty() ? primary->server_id : channel.source_server_id;
    const auto row = replica.heartbeats.find(id);
    std::optional<LagRange> range;
    if (row == replica.heartbeats.end()) {
        estimator.note = replica.heartbeats.empty() ? "no heartbeat table is read" : "no row of the primary";
    } else {
        const auto difference = clockDifference(replica, primary);
        const double age = row->second.age - difference.value_or(0);
        const double apart = seconds(row->second.at, channel.at);
        range = clamped({age - kBeat + std::min(0.0, apart), age + std::max(0.0, apart), age - kBeat / 2});
        const auto* writer = primary == nullptr ? nullptr : [&]() -> const HeartbeatFact* {
            const auto own = primary->heartbeats.find(id);
            return own == primary->heartbeats.end() ? nullptr : &own->second;
        }();
        verified =
            writer != nullptr && writer->age < kDeadBeat && seconds(writer->at, channel.at) < kDeadBeat;
        if (!difference) {
            estimator.note = "not corrected: the two servers' clocks are not both known";
        }
        // A row that is new proves that what was written before it has arrived, whoever watches the writer.
        if (!verified && range->guess > kDeadBeat) {
            estimator.note = writer == nullptr ? "whether its writer lives is not known"
                                               : "its writer on the primary is dead";
            range.reset();
        } else {
            estimator.lag_seconds = range->guess;
        }
    }
    out.estimators.push_back(std::move(estimator));
    return range;
}

void ownWords(const DatabaseFacts& replica, const ChannelFacts& channel, const DatabaseFacts* primary,
              LagJudgement& out) {
    if (channel.applying_age) {
        const double difference = clockDifference(replica, primary).value_or(0);
        const double age = *channel.applying_age > 0 ? *channel.applying_age - difference : 0;
        out.estimators.push_back(
            {"applying_transaction", std::max(0.0, age), "of what the replica has received"});
    }
    if (channel.last_event_age_applied && channel.last_event_age_source) {
        out.estimators.push_back(
            {"last_event", std::max(0.0, *channel.last_event_age_applied - *channel.last_event_age_source),
             "of what the replica has received"});
    }
    Estimator own{"seconds_behind_source", channel.seconds_behind, "of what the replica has received"};
    if (!own.lag_seconds) {
        own.note = "the server says NULL";
    }
    out.estimators.push_back(std::move(own));
}

std::optional<double> estimated(const LagJudgement& judgement, const char* name) {
    for (const auto& estimator : judgement.estimators) {
        if (estimator.name == name) {
            return estimator.lag_seconds;
        }
    }
    return std::nullopt;
}

void choose(LagJudgement& out, double raw, std::string source, bool both_ends) {
    out.lag_seconds = raw;
    out.raw_seconds = raw;
    out.source = std::move(source);
    out.both_ends = both_ends;
}

/// Where two ranges overlap the lag is in both.
double narrowed(const LagRange& position, const LagRange& beat) {
    const double low = std::max(position.low, beat.low);
    const double high = std::min(position.high, beat.high);
    if (low > high || (position.guess >= low && position.guess <= high)) {
        return position.guess;
    }
    return (low + high) / 2;
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
        return LagRange{0, seconds(newest->at, at), 0};
    }
    const auto after =
        std::upper_bound(points.begin(), end, position,
                         [](std::int64_t value, const Track::Point& point) { return value < point.value; });
    if (after == points.begin()) {
        return std::nullopt;
    }
    const auto before = std::prev(after);
    double share = 0.5;
    // Within one file the bytes, or the transactions, tell how far into the interval it was.
    if (before->value >> kFileShift == after->value >> kFileShift) {
        share = (static_cast<double>(position - before->value) + 0.5) /
                static_cast<double>(after->value - before->value);
    }
    const double low = seconds(after->at, at);
    const double high = seconds(before->at, at);
    return LagRange{low, high, high + (low - high) * std::clamp(share, 0.0, 1.0)};
}

std::optional<LagRange> lagBehind(const GtidTracks& source, const GtidTracks& replica, TimestampMs at) {
    std::optional<LagRange> worst;
    for (const auto& [name, track] : source) {
        const auto own = replica.find(name);
        const auto position = own == replica.end() ? std::nullopt : own->second.valueAt(at);
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
        const auto own = replica.find(name);
        const auto has = own == replica.end() ? std::nullopt : own->second.valueAt(at);
        const auto there = track.valueAt(at);
        if (has && there) {
            sum = sum.value_or(0) + static_cast<double>(std::max<std::int64_t>(0, *there - *has));
        }
    }
    return sum;
}

std::optional<double> bytesBehind(const DatabaseFacts& source, const Track& executed, TimestampMs at) {
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
    // Over several files the counter of written bytes tells, from the last observation before the position
    // on.
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

LagJudgement judgeLag(const DatabaseFacts& replica, const ChannelFacts& channel, const DatabaseFacts* primary,
                      bool receiver_proven, bool shared_domain) {
    LagJudgement out;
    bool verified = false;
    const auto beat = heartbeat(replica, channel, primary, out, verified);
    std::vector<Named> by_position;
    positions(replica, channel, primary, shared_domain, by_position, out.estimators);
    ownWords(replica, channel, primary, out);

    const bool running = channel.receiver.state == "running" && channel.applier.state == "running";
    if (!by_position.empty()) {
        const auto& best = by_position.front();
        if (beat && verified) {
            choose(out, narrowed(best.range, *beat), best.name, true);
            if (std::max(best.range.low, beat->low) > std::min(best.range.high, beat->high) + kBeat) {
                out.remarks.push_back("the heartbeat says " + duration(beat->guess) + " and the position " +
                                      duration(best.range.guess) + ": the position rests on fewer clocks");
            }
        } else {
            choose(out, best.range.guess, best.name, true);
        }
    } else if (beat) {
        choose(out, beat->guess, "heartbeat", verified);
    } else if (const auto applying = estimated(out, "applying_transaction");
               applying && running && receiver_proven) {
        choose(out, *applying, "applying_transaction", false);
    } else if (channel.seconds_behind && running && receiver_proven) {
        choose(out, *channel.seconds_behind, "seconds_behind_source", false);
    }
    if (out.lag_seconds && channel.seconds_behind && out.source != "seconds_behind_source" &&
        std::abs(*channel.seconds_behind - out.raw_seconds) > kDisagreement) {
        out.remarks.push_back("the server itself says " + duration(*channel.seconds_behind) +
                              " (Seconds_Behind): " +
                              (*channel.seconds_behind < out.raw_seconds
                                   ? "it counts only against what it has received"
                                   : "it counts from when a statement began, or by a clock that differs"));
    }
    const auto beyond = [&](std::optional<double>& lag) {
        if (lag) {
            lag = std::max(0.0, *lag - channel.delay_seconds);
        }
    };
    beyond(out.lag_seconds);
    for (auto& estimator : out.estimators) {
        beyond(estimator.lag_seconds);
    }
    return out;
}

}  // namespace lapwing::analysis::replication
