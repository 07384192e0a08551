#include "collector/ingest/metadata_book.h"

#include <algorithm>

#include "collector/storage/store.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::ingest {
namespace {

constexpr const char* kState = "metric_metadata";
constexpr std::size_t kStatements = 4;
constexpr std::size_t kMostBytes = 4U << 20;

std::size_t sizeOf(const MetricMetadata& metadata) {
    return sizeof metadata + metadata.metric.size() + metadata.help.size() + metadata.unit.size();
}

}  // namespace

Expected<void> MetadataBook::load() {
    const auto saved = store_.state(kState);
    if (!saved) {
        return tl::unexpected(saved.error());
    }
    if (!*saved) {
        return {};
    }
    RemoteWriteLimits limits;
    limits.metadata = SIZE_MAX;
    limits.memory_bytes = 16 * kMostBytes;  // its own words
    const auto decoded = decodeRemoteWrite(**saved, limits);
    if (!decoded) {
        return fail(ErrorKind::invalid, "the saved metadata of metrics: " + decoded.error().message);
    }
    note(decoded->metadata);
    const MutexLock lock(mutex_);
    changed_ = false;
    return {};
}

void MetadataBook::note(const std::vector<MetricMetadata>& metadata) {
    if (metadata.empty()) {
        return;
    }
    const MutexLock lock(mutex_);
    for (const auto& statement : metadata) {
        noteStatement(statement);
    }
}

void MetadataBook::noteStatement(const MetricMetadata& metadata) {
    if (!isValidUtf8(metadata.metric) || !isValidUtf8(metadata.help) || !isValidUtf8(metadata.unit)) {
        return;
    }
    const auto known = families_.find(metadata.metric);
    if (known != families_.end()) {
        auto& statements = known->second;
        if (std::find(statements.begin(), statements.end(), metadata) != statements.end()) {
            return;
        }
        if (statements.size() == kStatements) {
            bytes_ -= sizeOf(statements.front());
            statements.erase(statements.begin());
            changed_ = true;
        }
    }
    if (bytes_ + sizeOf(metadata) > kMostBytes) {
        ++dropped_;
        return;
    }
    bytes_ += sizeOf(metadata);
    families_[metadata.metric].push_back(metadata);
    changed_ = true;
}

Expected<void> MetadataBook::save() {
    std::vector<MetricMetadata> all;
    {
        const MutexLock lock(mutex_);
        if (!changed_) {
            return {};
        }
        for (const auto& [name, statements] : families_) {
            all.insert(all.end(), statements.begin(), statements.end());
        }
        changed_ = false;
    }
    auto saved = store_.putState(kState, encodeRemoteWrite({}, all));
    if (!saved) {
        const MutexLock lock(mutex_);
        changed_ = true;
    }
    return saved;
}

std::map<std::string, std::vector<MetricMetadata>> MetadataBook::list(const std::string& metric) const {
    const MutexLock lock(mutex_);
    if (metric.empty()) {
        return families_;
    }
    const auto known = families_.find(metric);
    if (known == families_.end()) {
        return {};
    }
    return {*known};
}

void MetadataBook::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    const MutexLock lock(mutex_);
    auto known = gauge(metric::kCollectorMetadataFamilies, "Metrics whose type and help are known.");
    add(known, {}, static_cast<double>(families_.size()));
    out.push_back(std::move(known));
    auto dropped = counter(metric::kCollectorMetadataDroppedTotal, "Metadata that there was no room for.");
    add(dropped, {}, static_cast<double>(dropped_));
    out.push_back(std::move(dropped));
}

}  // namespace lapwing::ingest
