#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/replication/cause.h"
#include "collector/analysis/replication/inputs.h"
#include "collector/analysis/replication/lag.h"

namespace lapwing::analysis::replication {

/// The judgement of one channel of one replica, from what both ends report.
struct Verdict {
    std::string replica;
    std::string primary;  ///< an instance if known, else the address that the replica names, else ""
    std::string channel;
    State state = State::unknown;
    Cause cause = Cause::unknown;
    Confidence confidence = Confidence::unknown;
    std::string summary;    ///< the cause in words; no figure that changes from run to run
    std::string next_step;  ///< the command to type
    std::vector<Evidence> evidence;

    std::optional<double> lag_seconds;  ///< beyond the deliberate delay
    std::optional<LagSource> lag_source;
    std::vector<Estimator> estimators;
    std::optional<double> transactions_behind;
    std::optional<double> bytes_behind;
    std::optional<bool> catching_up;        ///< nothing if it is in step or the pace is unknown
    std::optional<double> even_in_seconds;  ///< at the pace of the last half minute
    double delay_seconds = 0;
    evidence::ThreadState receiver = evidence::ThreadState::unknown;
    evidence::ThreadState applier = evidence::ThreadState::unknown;
    BrokenPart broken_part = BrokenPart::none;
    std::optional<TimestampMs> observed;

    std::optional<bool> writable;        ///< the replica accepts writes
    std::optional<bool> administrators;  ///< MySQL: administrators can write although read_only is on
    std::string forbid_writes_step;      ///< the command that ends `writable`; "" if it is not to end
    std::optional<bool> primary_writable;
    bool multi_primary = false;       ///< declared in both directions
    std::vector<Evidence> obstacles;  ///< why the replica could not take over from the primary
};

/// One verdict for each observed channel and for each declared pair without a channel; sorted by replica and
/// channel. Pure.
std::vector<Verdict> judge(const Inputs& inputs);

}  // namespace lapwing::analysis::replication
