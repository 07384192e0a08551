#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/replication/facts.h"

namespace lapwing::analysis::replication {

/// Between what bounds a lag is, and what is most likely; seconds.
struct LagRange {
    double low = 0;
    double high = 0;
    double guess = 0;
};

/// How old the first thing is that `source` had and the one at `position` had not at the time `at`. A source
/// that was not seen for a while before `at` leaves that while open: `high`. Nothing where the source's past
/// is not known far enough.
std::optional<LagRange> lagBehind(const Track& source, std::int64_t position, TimestampMs at);

/// The same over several GTID tracks: the oldest thing missing.
std::optional<LagRange> lagBehind(const GtidTracks& source, const GtidTracks& replica, TimestampMs at);

/// Transactions that the source had at that time, and the replica had not; nothing where they share no track.
std::optional<double> transactionsBehind(const GtidTracks& source, const GtidTracks& replica, TimestampMs at);

/// Bytes of the source's binary log that the replica had not applied at that time.
std::optional<double> bytesBehind(const DatabaseFacts& source, const Track& executed, TimestampMs at);

/// One way to tell the lag.
struct Estimator {
    std::string name;
    std::optional<double> lag_seconds;  ///< beyond the deliberate delay
    std::string note;                   ///< why it is unknown, or what it cannot see
};

/// All ways, and the one to believe.
struct LagJudgement {
    std::optional<double> lag_seconds;  ///< beyond the deliberate delay
    double raw_seconds = 0;             ///< with it, where lag_seconds is known
    std::string source;                 ///< name of the estimator; "" when unknown
    bool both_ends = false;             ///< it rests on what the primary says, too
    std::vector<Estimator> estimators;
    std::vector<std::string> remarks;  ///< estimators that disagree, clocks that are not known
};

/// `primary` is null where nothing is known of it. `receiver_proven`: the receiver has shown within the last
/// minute that it hears the primary, so that the replica's own word about its lag means something.
/// `shared_domain`: the replica's GTIDs do not tell this primary from another.
LagJudgement judgeLag(const DatabaseFacts& replica, const ChannelFacts& channel, const DatabaseFacts* primary,
                      bool receiver_proven, bool shared_domain);

}  // namespace lapwing::analysis::replication
