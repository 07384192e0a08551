#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::storage {

/// What one series got from one batch.
struct LoggedSeries {
    std::uint32_t id = 0;                  ///< the same series has the same as long as the process lives
    std::shared_ptr<const Labels> labels;  ///< null: the series has been deleted since
    std::vector<Sample> samples;           ///< ascending
};

/// One entry of the arrival log: a batch as it was accepted.
struct LoggedBatch {
    std::uint64_t seq = 0;
    TimestampMs received = 0;
    std::size_t bytes = 0;  ///< in the database
    std::vector<LoggedSeries> series;
};

/// Where the arrival log ends at the moment.
struct LogEnd {
    std::uint64_t seq = 0;    ///< of the newest entry
    std::uint64_t bytes = 0;  ///< written since the process started
};

/// Every accepted batch in order of arrival, for readers that must miss none. A reader has a name and a
/// durable cursor: the last entry that it has done with. What lies beyond the hindmost cursor is kept;
/// without any cursor, entries go once they are in blocks. Thread-safe.
class ArrivalLog {
  public:
    virtual ~ArrivalLog() = default;

    /// Whole entries after `after`, in order, until they hold `max_samples` or more; empty at the end.
    virtual Expected<std::vector<LoggedBatch>> readLog(std::uint64_t after,
                                                       std::size_t max_samples) const = 0;
    virtual LogEnd logEnd() const = 0;
    /// How large the entries in (after, last] are. Visits all of them.
    virtual Expected<std::uint64_t> logBytes(std::uint64_t after, std::uint64_t last) const = 0;

    virtual std::map<std::string, std::uint64_t> logCursors() const = 0;
    /// Durable when it returns. The first call for a name makes the reader known.
    virtual Expected<void> putLogCursor(const std::string& reader, std::uint64_t seq) = 0;
    /// The reader is gone for good, and holds nothing up any more.
    virtual Expected<void> dropLogCursor(const std::string& reader) = 0;
};

}  // namespace lapwing::storage
