#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/evidence/databases.h"
#include "common/enum_names.h"

namespace lapwing::analysis::replication {

/// Bounds of a lag and its most likely value, in seconds.
struct LagRange {
    double low = 0;
    double high = 0;
    double guess = 0;
};

/// The age, at the time `at`, of the first change that `source` contains and `position` lacks. `high` also
/// covers the time from the source's last observation to `at`. Nothing if the track does not reach back far
/// enough.
std::optional<LagRange> lagBehind(const evidence::Track& source, std::int64_t position, TimestampMs at);

/// The same over several GTID tracks: the oldest missing change.
std::optional<LagRange> lagBehind(const evidence::GtidTracks& source, const evidence::GtidTracks& replica,
                                  TimestampMs at);

/// Transactions that the source had and the replica lacked at that time; nothing if they share no track.
std::optional<double> transactionsBehind(const evidence::GtidTracks& source,
                                         const evidence::GtidTracks& replica, TimestampMs at);

/// Bytes of the source's binary log that the replica had not applied at that time.
std::optional<double> bytesBehind(const evidence::Database& source, const evidence::Track& executed,
                                  TimestampMs at);

/// The ways to estimate the lag. docs/replication.md explains each.
enum class LagSource {
    gtid_position,
    binlog_position,
    heartbeat,
    applying_transaction,
    last_event,
    seconds_behind_source,
};

/// As the API and the label `source` name them.
inline constexpr std::array kLagSourceNames{
    EnumName<LagSource>{LagSource::gtid_position, "gtid_position"},
    EnumName<LagSource>{LagSource::binlog_position, "binlog_position"},
    EnumName<LagSource>{LagSource::heartbeat, "heartbeat"},
    EnumName<LagSource>{LagSource::applying_transaction, "applying_transaction"},
    EnumName<LagSource>{LagSource::last_event, "last_event"},
    EnumName<LagSource>{LagSource::seconds_behind_source, "seconds_behind_source"},
};

/// "" for an unknown source.
inline const char* lagSourceName(std::optional<LagSource> source) {
    return source ? nameOf(kLagSourceNames, *source) : "";
}

struct Estimator {
    LagSource source = LagSource::gtid_position;
    std::optional<double> lag_seconds;  ///< beyond the deliberate delay
    std::string note;                   ///< why the lag is unknown, or what the estimator cannot see
};

/// All estimates, and the one to believe.
struct LagJudgement {
    std::optional<double> lag_seconds;  ///< beyond the deliberate delay
    double raw_seconds = 0;             ///< including the delay; set if lag_seconds is known
    std::optional<LagSource> source;
    bool both_ends = false;  ///< the primary's reports support it, too
    std::vector<Estimator> estimators;
    std::vector<std::string> remarks;  ///< estimators that disagree
};

/// `primary` is null if nothing is known of it. `receiver_proven`: the receiver got something from the
/// primary within the last minute, so that the replica's own figures are meaningful. `shared_domain`: the
/// replica's GTIDs do not distinguish this primary from another.
LagJudgement judgeLag(const evidence::Database& replica, const evidence::ReplicaChannel& channel,
                      const evidence::Database* primary, bool receiver_proven, bool shared_domain);

}  // namespace lapwing::analysis::replication
