#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/storage/arrival_log.h"
#include "collector/storage/queryable.h"

namespace lapwing::storage {

struct StoreOptions {
    std::string path;                               ///< the SQLite file; created if it does not exist
    std::int64_t retention_ms = 90LL * 86'400'000;  ///< 0 keeps everything
    std::int64_t retention_bytes = 0;               ///< of the file and its WAL; 0: no limit
    /// How far a sample may be behind its series' newest. A newest sample from the future counts as of now.
    std::int64_t out_of_order_ms = 3'600'000;
    std::size_t max_series = 1'000'000;         ///< new series beyond that are refused; 0: no limit
    TimestampMs (*clock)() = nowMs;             ///< for arrival times, and to tell impossible times
    std::function<TimestampMs()> expiry_clock;  ///< retention counts from it; empty: from `clock`
};

/// The number of a series in one Store while it is open. It is not used again after the series is deleted. 0:
/// no series.
using SeriesRef = std::uint32_t;

/// One series of a batch.
struct BatchSeries {
    SeriesRef ref = 0;  ///< if known, the labels are ignored and may be null; else 0
    const Labels* labels = nullptr;
    std::span<const Sample> samples;  ///< in any order
};

/// The result of a batch. Valid samples are stored even if others of the batch are refused.
struct AppendResult {
    std::size_t stored = 0;
    std::size_t duplicates = 0;  ///< the same series, time and bits are stored already: a success
    std::size_t refused = 0;  ///< another value at a stored time (the first stays), too far out of order, or
                              ///< of a new series beyond max_series
    std::size_t refused_times = 0;  ///< of `refused`, those too far out of order
    std::string first_refusal;      ///< the series and the reason; "" if no sample was refused
    /// Positions of deleted series that came without labels. They were neither stored nor refused.
    std::vector<std::size_t> gone;
};

/// A text: a ruleset, a configuration, an error message. Samples carry its digest as a label. Stored once a
/// digest.
struct Document {
    std::string digest;  ///< SHA-256 of the body, lower-case hexadecimal
    std::string kind;    ///< "ruleset", "mysql_error", ...
    std::string host;    ///< the last sender
    TimestampMs received = 0;
    std::string body;
};

struct StoreStats {
    std::size_t series = 0;
    std::uint64_t samples = 0;       ///< stored since the process started
    std::uint64_t last_seq = 0;      ///< newest entry of the arrival log
    std::int64_t file_bytes = 0;     ///< the database with its WAL
    std::string trouble;             ///< why the last compaction or retention run failed; "" after a success
    std::size_t damaged_blocks = 0;  ///< set aside; queries for their unreadable samples fail
    std::uint64_t over_series_limit = 0;     ///< samples refused because of max_series, since the start
    std::uint64_t age_dropped_samples = 0;   ///< deleted because of their age, since the start
    TimestampMs age_dropped_before = 0;      ///< samples before this time were deleted; 0: none
    std::uint64_t size_dropped_samples = 0;  ///< deleted because of retention_bytes, since the start
    TimestampMs size_dropped_before = 0;     ///< samples before this time were deleted; 0: none
};

/// Samples, documents and small named states in one SQLite file. Thread-safe. A foreign or damaged file is an
/// Error, and stays untouched. On a full disk writes are Errors `unavailable`; reads go on.
class Store : public Queryable, public ArrivalLog {
  public:
    static Expected<std::unique_ptr<Store>> open(StoreOptions options);

    /// Returns once the batch is durable: it survives kill -9, and from a second later a loss of power. Sets
    /// the `ref` of series that were stored.
    virtual Expected<AppendResult> append(std::span<BatchSeries> batch) = 0;
    Expected<AppendResult> append(const std::vector<TimeSeries>& batch);

    /// Deletes the samples in [from, to] of every series that meets any of the sets of matchers, and series
    /// without any sample left. When it returns the deletion is durable, and no query sees the samples;
    /// before, a query may see a part of them. Samples that arrive during the call may stay. The same times
    /// may be written again. Error `invalid` without matchers.
    virtual Expected<void> deleteSeries(const std::vector<Matchers>& any, TimestampMs from,
                                        TimestampMs to) = 0;

    virtual Expected<void> putDocument(const Document& document) = 0;
    virtual Expected<std::optional<Document>> document(const std::string& digest) const = 0;
    virtual Expected<void> dropDocument(const std::string& digest) = 0;

    /// Stores a small named state that must survive a restart (alert states, silences). Durable when it
    /// returns.
    virtual Expected<void> putState(const std::string& name, const std::string& value) = 0;
    virtual Expected<std::optional<std::string>> state(const std::string& name) const = 0;

    virtual StoreStats stats() const = 0;
};

}  // namespace lapwing::storage
