#include "agent/delivery/descriptions.h"

#include "common/model/families.h"

namespace lapwing::agent {

bool Descriptions::add(const std::vector<prometheus::MetricFamily>& families) {
    bool any = false;
    const MutexLock lock(mutex_);
    for (const auto& family : families) {
        if (known_.find(family.name) != known_.end()) {
            continue;
        }
        known_.emplace(family.name, Entry{describe(family)});
        any = true;
    }
    return any;
}

std::vector<MetricMetadata> Descriptions::unsent() const {
    std::vector<MetricMetadata> out;
    const MutexLock lock(mutex_);
    for (const auto& [name, entry] : known_) {
        if (!entry.sent) {
            out.push_back(entry.metadata);
        }
    }
    return out;
}

void Descriptions::sent(const std::vector<MetricMetadata>& these) {
    const MutexLock lock(mutex_);
    for (const auto& metadata : these) {
        known_[metadata.metric].sent = true;
    }
}

void Descriptions::begin() {
    const MutexLock lock(mutex_);
    for (auto& [name, entry] : known_) {
        entry.sent = false;
    }
}

}  // namespace lapwing::agent
