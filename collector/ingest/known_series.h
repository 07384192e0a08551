#pragma once

#include <tsl/robin_map.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "collector/storage/store.h"
#include "common/model/remote_write.h"
#include "common/mutex.h"

namespace lapwing::ingest {

/// Maps the encoded labels of a sender to series of the store, so that labels that came before are not
/// decoded, checked and looked up again. The key is a 128-bit hash (XXH3) of the labels with a secret seed:
/// among 10^10 label sets the probability of any collision is below 10^-18. Series that do not come for two
/// hours are forgotten. Thread-safe.
class KnownSeries {
  public:
    /// Remembers about `most` series of the last hour. Beyond that it forgets all of them and starts again.
    explicit KnownSeries(std::size_t most, std::int64_t (*steady)() = storage::steadyMs);

    struct Key {
        std::uint64_t low = 0;
        std::uint64_t high = 0;
        bool operator==(const Key&) const = default;
    };
    struct Known {
        Key key;
        storage::SeriesRef ref = 0;  ///< 0: not known
    };
    /// One entry for each of `series`, in order, as `agent` sends them.
    std::vector<Known> find(std::string_view agent, std::span<const WrittenSeries> series);
    /// The number of remembered series; some may count twice.
    std::size_t size() const;
    /// Remembers the series that have a `ref`.
    void remember(std::span<const Known> series);

  private:
    struct KeyHash {
        std::size_t operator()(const Key& key) const { return key.low; }
    };

    using Refs = tsl::robin_map<Key, storage::SeriesRef, KeyHash>;
    void forgetOld() LAPWING_REQUIRES(mutex_);

    const std::size_t most_;
    std::int64_t (*const steady_)();
    const std::uint64_t seed_;
    mutable Mutex mutex_;
    Refs refs_ LAPWING_GUARDED_BY(mutex_);   ///< that came since began_
    Refs older_ LAPWING_GUARDED_BY(mutex_);  ///< that came in the hour before
    std::int64_t began_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::ingest
