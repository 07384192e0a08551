#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"
#include "common/mutex.h"

namespace lapwing::storage {
class Queryable;
}
namespace lapwing::trust {
class Authority;
}

namespace lapwing::self {

/// The collector's knowledge about one agent.
struct AgentEntry {
    std::string host;
    std::optional<TimestampMs> enrolled;  ///< when its newest certificate was made; absent without a record
    std::optional<TimestampMs> certificate_ends;
    std::optional<TimestampMs> last_write;  ///< absent if the store remembers no write
    std::optional<TimestampMs> last_poll;   ///< its last request for assignments since the collector's start
};

/// All agents and their last writes. Thread-safe.
class AgentBook {
  public:
    /// `authority` may be null (agents switched off): then the book knows only agents that write. Both must
    /// outlive the book.
    /// `retention_ms`: how far back the store may remember a write; 0: it keeps everything.
    AgentBook(const trust::Authority* authority, const storage::Queryable& data,
              std::int64_t retention_ms = 0)
        : authority_(authority), data_(data), retention_ms_(retention_ms) {}

    /// Records that the collector accepted data from an agent, or let it wait because of a clock.
    void wrote(const std::string& host, TimestampMs now);
    /// Records that an agent asked for its assignments.
    void polled(const std::string& host, TimestampMs now);
    /// Until it writes again.
    void forget(const std::string& host);
    /// All hosts that are enrolled or have written, by name. Enrolled hosts are read from the directory, so
    /// that an `enrol` beside the service is noticed. When a host first appears, its last write is read
    /// from the store (the newest sample of `up`), so that a restart does not make it look new.
    std::vector<AgentEntry> list(TimestampMs now);

  private:
    /// Nothing if the store remembers no write. Errors: those of Queryable::select.
    Expected<std::optional<TimestampMs>> newestSample(const std::string& host, TimestampMs now) const;

    const trust::Authority* authority_;
    const storage::Queryable& data_;
    const std::int64_t retention_ms_;
    Mutex mutex_;
    std::map<std::string, AgentEntry> entries_ LAPWING_GUARDED_BY(mutex_);
    std::set<std::string> looked_up_ LAPWING_GUARDED_BY(mutex_);  ///< hosts whose last write was asked for
};

}  // namespace lapwing::self
