#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "collector/storage/database.h"
#include "collector/storage/store.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The tables of documents and of named states. Thread-safe.
///
/// Each sender has a budget of bytes, so that its documents do not make retention delete the samples of
/// others: SeriesLimits::agent_document_bytes, and with StoreOptions::retention_bytes at most its share of a
/// quarter of them. Beyond it, the sender's oldest documents go that no active series names. If that is not
/// enough, the new one is refused.
class Documents {
  public:
    using Digests = std::unordered_set<std::string>;

    /// `active`: the digests that active series name.
    Documents(const StoreOptions& options, Database& database,
              std::function<Digests(const WriteAccess&)> active)
        : options_(options), database_(database), active_(std::move(active)) {}

    /// Counts the bytes of each sender. Call it before the first put().
    Expected<void> load(const WriteAccess& access);

    // As in Store.
    Expected<void> put(const Document& document);
    Expected<std::optional<Document>> get(const std::string& digest, std::size_t most) const;
    Expected<void> drop(const std::string& digest);
    Expected<void> putState(const std::string& name, const std::string& value);
    Expected<std::optional<std::string>> state(const std::string& name) const;
    Expected<std::map<std::string, std::string>> states(const std::string& prefix) const;

    /// Deletes documents that were received before a time, but for those whose digest is in `used`.
    Expected<void> expire(TimestampMs before, const Digests& used);

    std::map<std::string, SenderDocuments> senders() const;

  private:
    std::int64_t budget() const LAPWING_REQUIRES(mutex_);
    Expected<void> makeRoom(const WriteAccess& access, const std::string& host, std::int64_t bytes);
    Expected<void> erase(const WriteAccess& access, const std::vector<std::string>& digests);

    const StoreOptions& options_;
    Database& database_;
    const std::function<Digests(const WriteAccess&)> active_;
    mutable Mutex mutex_;  // held for moments; writers hold a WriteAccess, too
    std::map<std::string, SenderDocuments> senders_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::storage
