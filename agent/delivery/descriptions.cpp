#include "agent/delivery/descriptions.h"

#include "common/model/families.h"

namespace lapwing::agent {

bool Descriptions::add(const std::vector<prometheus::MetricFamily>& families) {
    bool any = false;
    const MutexLock lock(mutex_);
    for (const auto& family : families) {
        // Parts of a scraped histogram: the family itself is described.
        if (family.type == prometheus::MetricType::Untyped && family.help.empty()) {
            continue;
        }
        if (known_.size() >= kMost || known_.find(family.name) != known_.end()) {
            continue;
        }
        known_.emplace(family.name, Entry{family.type, &*helps_.insert(family.help).first});
        any = true;
    }
    return any;
}

std::vector<MetricMetadata> Descriptions::unsent() const {
    std::vector<MetricMetadata> out;
    const MutexLock lock(mutex_);
    for (const auto& [name, entry] : known_) {
        if (!entry.sent) {
            out.push_back(describe({name, *entry.help, entry.type, {}}));
        }
    }
    return out;
}

void Descriptions::sent(const std::vector<MetricMetadata>& these) {
    const MutexLock lock(mutex_);
    for (const auto& metadata : these) {
        if (const auto found = known_.find(metadata.metric); found != known_.end()) {
            found->second.sent = true;
        }
    }
}

void Descriptions::begin() {
    const MutexLock lock(mutex_);
    for (auto& [name, entry] : known_) {
        entry.sent = false;
    }
}

}  // namespace lapwing::agent
