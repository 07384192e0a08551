#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/replication/facts.h"
#include "collector/analysis/replication/lag.h"

namespace lapwing::analysis::replication {

/// What is known of one channel of one replica, from both ends. The words of `state` and `cause` are those of
/// the API.
struct Verdict {
    std::string replica;
    std::string primary;  ///< an instance where it is known, else the address that the replica names, else ""
    std::string channel;
    /// "ok", "lagging", "delayed", "at_risk" (data flow, and something else is wrong), "broken", "unknown".
    std::string state = "unknown";
    std::string cause = "unknown";
    Confidence confidence = Confidence::unknown;
    std::string summary;    ///< the cause in words, without figures that move
    std::string next_step;  ///< the command to type
    std::vector<Evidence> evidence;

    std::optional<double> lag_seconds;  ///< beyond the deliberate delay
    std::string lag_source;             ///< "" when unknown
    std::vector<Estimator> estimators;
    std::optional<double> transactions_behind;
    std::optional<double> bytes_behind;
    std::optional<bool> catching_up;        ///< nothing where it is not behind, or that cannot be told
    std::optional<double> even_in_seconds;  ///< at the pace of the last half minute
    double delay_seconds = 0;
    std::string receiver = "unknown";
    std::string applier = "unknown";
    std::string broken_part;  ///< "primary", "network", "receiver", "applier" or ""
    std::optional<TimestampMs> observed;

    std::optional<bool> writable;        ///< the replica accepts writes
    std::optional<bool> administrators;  ///< MySQL: only of administrators
    std::optional<bool> primary_writable;
    bool multi_primary = false;       ///< declared in both directions
    std::vector<Evidence> obstacles;  ///< why the replica could not take over
};

/// One verdict for each channel that is seen, and one for each declared replica without any. Pure; sorted by
/// replica and channel.
std::vector<Verdict> judge(const Databases& facts);

}  // namespace lapwing::analysis::replication
