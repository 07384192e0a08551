#include "collector/ingest/known_series.h"

#define XXH_INLINE_ALL  // the header alone: no library is needed at run time
#include <xxhash.h>

#include <random>

namespace lapwing::ingest {
namespace {

/// Chosen for memory, not for lookup speed.
constexpr float kLoadFactor = 0.8F;

std::uint64_t secretSeed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

KnownSeries::KnownSeries(std::size_t most) : most_(most), seed_(secretSeed()) {
    refs_.max_load_factor(kLoadFactor);
}

std::vector<KnownSeries::Known> KnownSeries::find(std::string_view agent,
                                                  std::span<const WrittenSeries> series) const {
    // The same labels from another agent are another series.
    const std::uint64_t seed = XXH3_64bits_withSeed(agent.data(), agent.size(), seed_);
    std::vector<Known> out;
    out.reserve(series.size());
    for (const auto& one : series) {
        const auto hash = XXH3_128bits_withSeed(one.labels.data(), one.labels.size(), seed);
        out.push_back({{hash.low64, hash.high64}, 0});
    }
    const MutexLock lock(mutex_);
    for (auto& one : out) {
        const auto known = refs_.find(one.key);
        if (known != refs_.end()) {
            one.ref = known->second;
        }
    }
    return out;
}

void KnownSeries::remember(std::span<const Known> series) {
    const MutexLock lock(mutex_);
    if (refs_.size() + series.size() > most_) {
        refs_.clear();
    }
    for (const auto& one : series) {
        if (one.ref != 0) {
            refs_[one.key] = one.ref;
        }
    }
}

}  // namespace lapwing::ingest
