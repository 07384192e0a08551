#pragma once

#include <span>

#include "collector/analysis/evidence/databases.h"
#include "collector/analysis/evidence/reader.h"

namespace lapwing::analysis::evidence {

/// A metric of a server (job mysql), and how its samples enter the evidence.
struct ServerMetric {
    const char* name;
    void (*take)(const Observation&, Database&);
};

/// A sample of lapwing_mysql_waiting_seconds.
CommitWait commitWaitOf(const Observation& seen);

/// In the order of reading: a later metric corrects an earlier one.
std::span<const ServerMetric> serverMetrics();

/// A metric of a replica's channel (job mysql), and how its samples enter the evidence. The texts of errors
/// and blockers stay empty: their documents are not read here.
struct ChannelMetric {
    const char* name;
    void (*take)(const Observation&, ReplicaChannel&);
};

std::span<const ChannelMetric> channelMetrics();

}  // namespace lapwing::analysis::evidence
