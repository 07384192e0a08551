#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "collector/storage/store.h"
#include "common/model/remote_write.h"

namespace lapwing::ingest {

/// Remembers which series the encoded labels of a sender stand for, so that they need not be taken apart,
/// checked and looked up each time that they come. Labels are told apart by 128 bits of a hash (XXH3) with a
/// secret seed: among ten thousand million the chance that any two meet is below 10^-18. Thread-safe.
class KnownSeries {
  public:
    /// At most about so many are remembered; beyond that all are forgotten and learnt again.
    explicit KnownSeries(std::size_t most);

    struct Key {
        std::uint64_t low = 0;
        std::uint64_t high = 0;
        bool operator==(const Key&) const = default;
    };
    struct Known {
        Key key;
        storage::SeriesRef ref = 0;  ///< 0: not known
    };
    /// For each of `series`, in order, as `agent` sends them.
    std::vector<Known> find(std::string_view agent, std::span<const WrittenSeries> series) const;
    /// Remembers those that have a `ref`.
    void remember(std::span<const Known> series);

  private:
    struct KeyHash {
        std::size_t operator()(const Key& key) const { return key.low; }
    };

    const std::size_t most_;
    const std::uint64_t seed_;
    mutable std::mutex mutex_;
    tsl::robin_map<Key, storage::SeriesRef, KeyHash> refs_;
};

}  // namespace lapwing::ingest
