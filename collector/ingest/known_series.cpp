#include "collector/ingest/known_series.h"

#define XXH_INLINE_ALL  // the header alone: no library is needed at run time
#include <xxhash.h>

#include <random>
#include <utility>

namespace lapwing::ingest {
namespace {

/// Chosen for memory, not for lookup speed.
constexpr float kLoadFactor = 0.8F;
constexpr std::int64_t kPeriodMs = 3'600'000;

std::uint64_t secretSeed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

KnownSeries::KnownSeries(std::size_t most, std::int64_t (*steady)())
    : most_(most), steady_(steady), seed_(secretSeed()), began_(steady()) {
    refs_.max_load_factor(kLoadFactor);
}

void KnownSeries::forgetOld() {
    const auto now = steady_();
    if (now - began_ < kPeriodMs) {
        return;
    }
    older_ = now - began_ < 2 * kPeriodMs ? std::move(refs_) : Refs();
    refs_ = Refs();
    refs_.max_load_factor(kLoadFactor);
    began_ = now;
}

std::size_t KnownSeries::size() const {
    const MutexLock lock(mutex_);
    return refs_.size() + older_.size();
}

std::vector<KnownSeries::Known> KnownSeries::find(std::string_view agent,
                                                  std::span<const WrittenSeries> series) {
    // The same labels from another agent are another series.
    const std::uint64_t seed = XXH3_64bits_withSeed(agent.data(), agent.size(), seed_);
    std::vector<Known> out;
    out.reserve(series.size());
    for (const auto& written : series) {
        const auto hash = XXH3_128bits_withSeed(written.labels.data(), written.labels.size(), seed);
        out.push_back({{hash.low64, hash.high64}, 0});
    }
    const MutexLock lock(mutex_);
    forgetOld();
    for (auto& entry : out) {
        if (const auto known = refs_.find(entry.key); known != refs_.end()) {
            entry.ref = known->second;
        } else if (const auto older = older_.find(entry.key); older != older_.end()) {
            entry.ref = older->second;
            refs_[entry.key] = entry.ref;
        }
    }
    return out;
}

void KnownSeries::remember(std::span<const Known> series) {
    const MutexLock lock(mutex_);
    if (refs_.size() + series.size() > most_) {
        refs_.clear();
        older_.clear();
    }
    for (const auto& entry : series) {
        if (entry.ref != 0) {
            refs_[entry.key] = entry.ref;
        }
    }
}

}  // namespace lapwing::ingest
