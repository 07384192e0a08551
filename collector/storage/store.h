#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/storage/arrival_log.h"
#include "collector/storage/queryable.h"
#include "common/model/documents.h"

namespace lapwing::storage {

/// Who appends a batch: the name of an agent's host, or one of these, which no host can have.
inline const std::string kLocalSender = "@local";
inline const std::string kCollectorSender = "@collector";

/// Limits on series. A series is active until no sample of it has arrived for an hour; then its labels leave
/// memory, and the series is kept in the file until its last sample expires. 0: no limit.
struct SeriesLimits {
    std::size_t series = 1'000'000;                   ///< active, of all agents and local ingest
    std::size_t label_bytes = 512'000'000;            ///< of the labels of these series
    std::size_t agent_series = 100'000;               ///< active, of one agent
    std::size_t agent_label_bytes = 64'000'000;       ///< of the labels of these series
    std::int64_t agent_document_bytes = 128'000'000;  ///< of the documents of one sender, as stored
    std::size_t own_series = 200'000;                 ///< active, of the collector itself
    std::size_t kept_series = 10'000'000;  ///< of everybody, active or not; about 500 bytes of disk each
};

/// Milliseconds of a clock that never goes back and does not follow the system's time.
inline std::int64_t steadyMs() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

struct StoreOptions {
    std::string path;                               ///< the SQLite file; created if it does not exist
    std::int64_t retention_ms = 90LL * 86'400'000;  ///< 0 keeps everything
    std::int64_t retention_bytes = 0;               ///< of the file and its WAL; 0: no limit
    /// How far a sample may be behind its series' newest. A newest sample from the future counts as of now.
    std::int64_t out_of_order_ms = 3'600'000;
    SeriesLimits limits;                        ///< beyond them, new series are refused
    TimestampMs (*clock)() = nowMs;             ///< for arrival times, and to tell impossible times
    std::function<TimestampMs()> expiry_clock;  ///< retention counts from it; empty: from `clock`
    std::int64_t (*steady)() = steadyMs;        ///< tells how long ago a series had a sample
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

/// Why a sample is refused.
enum class Refusal {
    none,
    wrong,          ///< its time or its labels can never be stored
    contradiction,  ///< another value is stored for its time; the first stays
    out_of_order,   ///< too far behind the newest sample of its series, or before the retention time
    limit,          ///< of a new series beyond a limit (SeriesLimits)
};

/// The result of a batch. Valid samples are stored even if others of the batch are refused.
struct AppendResult {
    std::size_t stored = 0;
    std::size_t duplicates = 0;  ///< the same series, time and bits are stored already: a success
    std::size_t refused = 0;
    std::size_t refused_times = 0;   ///< of `refused`, those too far out of order or older than retention_ms
    Refusal reason = Refusal::none;  ///< of the first refused sample
    std::string first_refusal;       ///< its series and the reason in words; "" if no sample was refused
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
    std::string body;  ///< for putDocument(): as pack() leaves it; document() unpacks it
};

/// The active series of one sender.
struct SenderSeries {
    std::size_t series = 0;
    std::size_t label_bytes = 0;
    std::uint64_t refused = 0;  ///< samples of new series beyond a limit, since the start
};

/// The documents of one sender.
struct SenderDocuments {
    std::int64_t bytes = 0;     ///< as stored
    std::uint64_t dropped = 0;  ///< older ones, for its newer ones beyond its budget, since the start
    std::uint64_t refused = 0;  ///< beyond its budget, since the start
};

/// What became of a damaged file: everything readable is in a new file, and the damaged one stands beside it.
struct Salvaged {
    TimestampMs at = 0;
    std::string file;                 ///< the damaged file
    std::vector<std::string> losses;  ///< what is lost, for people; empty if nothing is
};

struct StoreStats {
    std::size_t series = 0;                       ///< active or not
    std::size_t active_series = 0;                ///< in memory
    std::map<std::string, SenderSeries> senders;  ///< the active ones, by sender
    std::map<std::string, SenderDocuments> documents;
    std::uint64_t samples = 0;    ///< stored since the process started
    std::uint64_t last_seq = 0;   ///< newest entry of the arrival log
    std::int64_t file_bytes = 0;  ///< the database with its WAL
    std::int64_t wal_bytes = 0;   ///< the write-ahead log alone
    std::string
        trouble;  ///< why the last compaction, retention run, sync or append failed; "" after a success
    std::size_t damaged_blocks = 0;          ///< set aside; queries for their unreadable samples fail
    std::optional<Salvaged> salvaged;        ///< until the damaged file is removed
    bool found_damage = false;               ///< SQLite met damage: the next open() salvages the file
    std::uint64_t own_refused = 0;           ///< samples of the collector itself, since the start
    std::uint64_t age_dropped_samples = 0;   ///< deleted because of their age, since the start
    TimestampMs age_dropped_before = 0;      ///< samples before this time were deleted; 0: none
    std::uint64_t size_dropped_samples = 0;  ///< deleted because of retention_bytes, since the start
    TimestampMs size_dropped_before = 0;     ///< samples before this time were deleted; 0: none
};

/// Samples, documents and small named states in one SQLite file. Thread-safe. A foreign or damaged file is an
/// Error, and stays untouched. openOrSalvage() (salvage.h) copies everything readable of a damaged file into
/// a new one. On a full disk writes are Errors `unavailable`; reads go on.
class Store : public Queryable, public ArrivalLog {
  public:
    static Expected<std::unique_ptr<Store>> open(StoreOptions options);

    /// Returns once the batch is durable: it survives kill -9, and from a second later a loss of power. Sets
    /// the `ref` of series that were stored. New series count for `sender`.
    virtual Expected<AppendResult> append(std::span<BatchSeries> batch, const std::string& sender) = 0;
    Expected<AppendResult> append(const std::vector<TimeSeries>& batch,
                                  const std::string& sender = kLocalSender);
    /// Appends samples of the collector itself: its metrics, findings, verdicts and the results of rules.
    Expected<AppendResult> appendOwn(const std::vector<TimeSeries>& batch) {
        return append(batch, kCollectorSender);
    }

    /// Deletes the samples in [from, to] of every series that meets any of the sets of matchers, and series
    /// without any sample left. When it returns the deletion is durable, and no query sees the samples;
    /// before, a query may see a part of them. Samples that arrive during the call may stay. The same times
    /// may be written again. Error `invalid` without matchers.
    virtual Expected<void> deleteSeries(const std::vector<Matchers>& any, TimestampMs from,
                                        TimestampMs to) = 0;

    /// `exhausted`: the documents of this sender have no room (SeriesLimits::agent_document_bytes).
    virtual Expected<void> putDocument(const Document& document) = 0;
    /// Error `exhausted` for a document of more than `most` bytes.
    virtual Expected<std::optional<Document>> document(const std::string& digest,
                                                       std::size_t most = kMostUnpackedBytes) const = 0;
    virtual Expected<void> dropDocument(const std::string& digest) = 0;

    /// Stores a small named state that must survive a restart (alert states, silences). Durable when it
    /// returns.
    virtual Expected<void> putState(const std::string& name, const std::string& value) = 0;
    virtual Expected<std::optional<std::string>> state(const std::string& name) const = 0;
    /// All states whose names begin with `prefix` and whose values are not empty, by name.
    virtual Expected<std::map<std::string, std::string>> states(const std::string& prefix) const = 0;

    virtual StoreStats stats() const = 0;
};

}  // namespace lapwing::storage
