#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/site.h"
#include "collector/storage/queryable.h"

namespace lapwing::api {

/// One replica channel, as /api/lapwing/v1/replication shows it.
struct ReplicationEntry {
    std::string replica;
    std::string
        primary;  ///< a host's name where it is known, else the address that the replica names, else ""
    std::string channel;
    std::string state;  ///< "ok", "lagging", "delayed", "broken", "unknown"
    std::optional<double> lag_seconds;
    std::string lag_source;  ///< "" when the lag is unknown
    analysis::Confidence confidence = analysis::Confidence::unknown;
    std::string cause;     ///< one of the words of the contract
    std::string receiver;  ///< state of the I/O thread: "running", "connecting", "stopped", "unknown"
    std::string applier;   ///< state of the SQL thread
    std::optional<double> delay_seconds;
    std::optional<TimestampMs> observed;  ///< time of the newest sample behind this
    std::vector<analysis::Evidence> evidence;
};

/// What the newest samples, at most `max_age_ms` old, say of every replica that reports itself or is
/// declared. Unknown stays unknown: a lag is shown only where the replica told one. Sorted by replica and
/// channel.
Expected<std::vector<ReplicationEntry>> replicationState(const storage::Queryable& data,
                                                         const analysis::Site& site, TimestampMs now,
                                                         std::int64_t max_age_ms = 60'000);

}  // namespace lapwing::api
