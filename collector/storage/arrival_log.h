#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::storage {

/// The samples of one series in one batch.
struct LoggedSeries {
    std::uint32_t id = 0;                  ///< the series' number for the life of the process
    std::shared_ptr<const Labels> labels;  ///< null: the series has been deleted
    std::vector<Sample> samples;           ///< ascending
};

/// One entry of the arrival log: a batch as it was accepted.
struct LoggedBatch {
    std::uint64_t seq = 0;
    TimestampMs received = 0;
    std::size_t bytes = 0;  ///< in the database
    std::vector<LoggedSeries> series;
};

/// The present end of the arrival log.
struct LogEnd {
    std::uint64_t seq = 0;    ///< of the newest entry
    std::uint64_t bytes = 0;  ///< written since the process started
};

/// Every accepted batch in order of arrival, for readers that must see every batch. A reader has a name and a
/// durable cursor: the last entry that it has finished. Entries after the hindmost cursor are kept; without a
/// cursor, entries are deleted once they are in blocks. Thread-safe.
class ArrivalLog {
  public:
    virtual ~ArrivalLog() = default;

    /// Whole entries after `after`, in order, until they hold `max_samples` or more; empty at the end.
    virtual Expected<std::vector<LoggedBatch>> readLog(std::uint64_t after,
                                                       std::size_t max_samples) const = 0;
    virtual LogEnd logEnd() const = 0;
    /// The size of the entries in (after, last]. Reads all of them.
    virtual Expected<std::uint64_t> logBytes(std::uint64_t after, std::uint64_t last) const = 0;

    virtual std::map<std::string, std::uint64_t> logCursors() const = 0;
    /// Durable when it returns. The first call for a name registers the reader.
    virtual Expected<void> putLogCursor(const std::string& reader, std::uint64_t seq) = 0;
    /// Removes a reader for good: no entries are kept for it any longer.
    virtual Expected<void> dropLogCursor(const std::string& reader) = 0;
};

}  // namespace lapwing::storage
