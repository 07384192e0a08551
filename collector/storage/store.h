#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/storage/arrival_log.h"
#include "collector/storage/queryable.h"

namespace lapwing::storage {

struct StoreOptions {
    std::string path;                               ///< the SQLite file; made if it does not exist
    std::int64_t retention_ms = 90LL * 86'400'000;  ///< 0 keeps everything
    std::int64_t retention_bytes = 0;               ///< of file and log together; 0: as much as there is room
    std::int64_t out_of_order_ms = 3'600'000;       ///< how far behind its series' newest sample one may be
    std::size_t max_series = 1'000'000;             ///< new series beyond that are refused; 0: no limit
    TimestampMs (*clock)() = nowMs;                 ///< what retention goes by
};

/// Names a series in one Store as long as that is open, also when the series is deleted: no other gets its
/// number. 0 names none.
using SeriesRef = std::uint32_t;

/// One series of a batch.
struct BatchSeries {
    SeriesRef ref = 0;  ///< if it is known: the labels are not looked at then, and may be null
    const Labels* labels = nullptr;
    std::span<const Sample> samples;  ///< in any order
};

/// What became of a batch. Valid samples are stored even when others of the batch are refused.
struct AppendResult {
    std::size_t stored = 0;
    std::size_t duplicates = 0;  ///< the same series, time and bits were there already: success
    std::size_t refused = 0;     ///< conflict at one timestamp (the first stays), too far out of order, or of
                                 ///< a new series where there are max_series already
    std::string first_refusal;   ///< names the series and says why; "" if none
    /// Positions of series that have been deleted and came without labels: neither stored nor refused.
    std::vector<std::size_t> gone;
};

/// A text without a bounded set of labels: a ruleset, a configuration, an error message. Kept once by digest.
struct Document {
    std::string digest;  ///< SHA-256 of the body, lower-case hexadecimal
    std::string kind;    ///< "ruleset", "mysql_error", ...
    std::string host;    ///< who sent it last
    TimestampMs received = 0;
    std::string body;
};

struct StoreStats {
    std::size_t series = 0;
    std::uint64_t samples = 0;            ///< stored since the process started
    std::uint64_t last_seq = 0;           ///< newest entry of the arrival log
    std::int64_t file_bytes = 0;          ///< the database with its WAL
    std::string trouble;                  ///< why the last compaction or retention failed; "" if it did not
    std::size_t damaged_blocks = 0;       ///< found damaged and set aside; queries that need one fail
    std::uint64_t over_series_limit = 0;  ///< samples refused because of max_series, since the start
    std::uint64_t size_dropped_samples = 0;  ///< deleted because of retention_bytes, since the start
    TimestampMs size_dropped_before = 0;     ///< samples before that were; 0: none
};

/// Samples, documents and small named states in one SQLite file. Thread-safe. A foreign or damaged file is an
/// Error that says so, and stays untouched. A full disk is Error `unavailable` from the writes; reads go on.
class Store : public Queryable, public ArrivalLog {
  public:
    static Expected<std::unique_ptr<Store>> open(StoreOptions options);

    /// Returns once the batch is durable (it survives kill -9 then, and loss of power to within a second).
    /// Fills in the `ref` of series that were stored.
    virtual Expected<AppendResult> append(std::span<BatchSeries> batch) = 0;
    Expected<AppendResult> append(const std::vector<TimeSeries>& batch);

    /// Deletes the samples in [from, to] of every series that meets any of the sets of matchers, and series
    /// that have none left. Once it returns that is durable and no query sees them; until then a query may
    /// see some gone and others not. Samples that arrive meanwhile may stay. The same times may be written
    /// again. Error `invalid` without matchers.
    virtual Expected<void> deleteSeries(const std::vector<Matchers>& any, TimestampMs from,
                                        TimestampMs to) = 0;

    virtual Expected<void> putDocument(const Document& document) = 0;
    virtual Expected<std::optional<Document>> document(const std::string& digest) const = 0;

    /// Small named states that must survive a restart (alert states, who is silenced). Durable when it
    /// returns.
    virtual Expected<void> putState(const std::string& name, const std::string& value) = 0;
    virtual Expected<std::optional<std::string>> state(const std::string& name) const = 0;

    virtual StoreStats stats() const = 0;
};

}  // namespace lapwing::storage
