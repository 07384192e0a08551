#pragma once

#include <span>
#include <string>

#include "collector/analysis/evidence/databases.h"
#include "collector/storage/store.h"

namespace lapwing::analysis::evidence {

/// The newest sample of one series, with its time on the collector's clock.
struct Report {
    const storage::Store& store;
    const Labels& labels;
    double value = 0;
    TimestampMs at = 0;

    std::string get(const char* label) const { return std::string(labels.get(label)); }
    bool isOn() const { return value == 1; }
};

/// A metric of a server (job mysql), and how its reports enter the evidence.
struct ServerMetric {
    const char* name;
    void (*take)(const Report&, Database&);
};

/// In the order of reading: a later metric corrects an earlier one.
std::span<const ServerMetric> serverMetrics();

/// A metric of a replica's channel (job mysql), and how its reports enter the evidence.
struct ChannelMetric {
    const char* name;
    void (*take)(const Report&, ReplicaChannel&);
};

std::span<const ChannelMetric> channelMetrics();

}  // namespace lapwing::analysis::evidence
