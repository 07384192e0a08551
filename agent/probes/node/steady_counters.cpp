#include "agent/probes/node/steady_counters.h"

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace lapwing::agent::node {
namespace {

constexpr double kIdleRestartSeconds = 3;
constexpr std::string_view kCpuSeconds = "node_cpu_seconds_total";
/// A level, though node_exporter calls it a counter.
constexpr std::string_view kActiveNodes = "node_xfs_vnode_active_total";

std::uint64_t keyOf(const std::string& name, const prometheus::ClientMetric& metric) {
    const std::hash<std::string> hash;
    std::uint64_t key = hash(name);
    for (const auto& label : metric.label) {
        key = (key ^ hash(label.name)) * 0x100000001b3U;
        key = (key ^ hash(label.value)) * 0x100000001b3U;
    }
    return key;
}

std::string labelOf(const prometheus::ClientMetric& metric, std::string_view name) {
    for (const auto& label : metric.label) {
        if (label.name == name) {
            return label.value;
        }
    }
    return {};
}

}  // namespace

void SteadyCounters::apply(Families& families, bool whole) {
    std::unordered_map<std::uint64_t, double> next;
    next.reserve(last_.size());
    for (auto& family : families) {
        if (family.type != prometheus::MetricType::Counter || family.name == kActiveNodes) {
            continue;
        }
        const bool of_cpus = family.name == kCpuSeconds;
        std::set<std::string> restarted;
        for (const auto& metric : family.metric) {
            const auto last = last_.find(keyOf(family.name, metric));
            if (of_cpus && last != last_.end() && labelOf(metric, "mode") == "idle" &&
                last->second - metric.counter.value >= kIdleRestartSeconds) {
                restarted.insert(labelOf(metric, "cpu"));
            }
        }
        for (auto& metric : family.metric) {
            const auto key = keyOf(family.name, metric);
            const auto last = last_.find(key);
            auto& value = metric.counter.value;
            if (last != last_.end() && value < last->second) {
                const bool restart =
                    of_cpus ? restarted.count(labelOf(metric, "cpu")) > 0 : value < last->second / 2;
                value = restart ? value : last->second;
            }
            next.emplace(key, value);
        }
    }
    if (!whole) {
        next.merge(last_);  // adds those that this run has not read
    }
    last_ = std::move(next);
}

}  // namespace lapwing::agent::node
