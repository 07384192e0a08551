#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::storage {
class Queryable;
}
namespace lapwing::trust {
class Authority;
}

namespace lapwing::self {

/// What is known of one agent.
struct AgentEntry {
    std::string host;
    std::optional<TimestampMs>
        enrolled;  ///< when its newest certificate was made; absent if none is recorded
    std::optional<TimestampMs> certificate_ends;
    std::optional<TimestampMs> last_write;  ///< absent if it never wrote, as far as the store remembers
    std::optional<TimestampMs> last_poll;   ///< since the collector's start: it asked for assignments

    /// Since when nothing has been heard: since its last write, else since it was enrolled.
    TimestampMs silentSince() const { return last_write.value_or(enrolled.value_or(0)); }
};

/// Which agents there are, and when each last wrote. Thread-safe.
class AgentBook {
  public:
    /// `authority` may be null (agents switched off): then only who writes is known. Both must outlive the
    /// book.
    AgentBook(const trust::Authority* authority, const storage::Queryable& data)
        : authority_(authority), data_(data) {}

    /// An agent wrote, and the collector accepted something of it.
    void wrote(const std::string& host, TimestampMs now);
    /// An agent asked for its assignments.
    void polled(const std::string& host, TimestampMs now);
    /// Everyone enrolled and everyone who wrote, by name. Who was enrolled is read from the directory, so
    /// that `enrol` run beside the service is noticed. The first time that a host appears, its last write is
    /// sought in the store (the newest sample of `up`), so a restart does not make it seem new.
    std::vector<AgentEntry> list(TimestampMs now);

  private:
    std::optional<TimestampMs> newestSample(const std::string& host, TimestampMs now) const;

    const trust::Authority* authority_;
    const storage::Queryable& data_;
    std::mutex mutex_;
    std::map<std::string, AgentEntry> entries_;
};

}  // namespace lapwing::self
