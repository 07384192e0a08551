#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::agent {

class HostClock;

struct SpoolConfig {
    std::string path;                        ///< "/var/lib/lapwing-agent/spool.db"
    std::int64_t max_bytes = 1'000'000'000;  ///< beyond it the oldest samples are dropped
    std::chrono::milliseconds max_age{std::chrono::hours(7 * 24)};
    /// The most that is kept in memory while the file cannot be written.
    std::size_t memory_bytes = 4U << 20;
    /// Corrects the times of samples that were stamped before the agent's time jumped; null: no corrections.
    /// With it, `max_age` counts only time that the agent runs, and only while the clock is trusted: no clock
    /// that is set makes samples too old. Must outlive the spool.
    const HostClock* clock = nullptr;
};

/// Samples to send: one remote_write request.
struct Batch {
    std::int64_t last_id = 0;
    std::int64_t first_id = 0;
    /// No older batch waits: acknowledging this batch acknowledges every id up to last_id. Otherwise, only
    /// the ids from first_id on: older batches are in the file, which cannot be read now.
    bool in_order = true;
    std::size_t parts = 0;  ///< how many spooled batches were joined
    std::size_t samples = 0;
    std::string body;
};

struct SpooledDocument {
    std::string digest;  ///< SHA-256, hexadecimal; of a part, DocumentPart::name()
    std::string kind;
    std::string body;  ///< as pack() leaves it, or a part of that
};

struct SpoolState {
    std::int64_t samples = 0;  ///< waiting to be sent
    std::int64_t bytes = 0;
    std::int64_t documents = 0;
    std::int64_t aside = 0;  ///< samples that were set aside
    TimestampMs oldest = 0;  ///< when the oldest waiting sample was measured; 0 without one
    /// Dropped for good, by reason: "size", "age", "disk" (could not be written), "damaged", "refused".
    std::map<std::string, std::int64_t> dropped;
    std::string trouble;  ///< why the file cannot be written; "" if it can
};

/// Samples and documents that wait for the collector, in one SQLite file (WAL, synchronous NORMAL). Data
/// that flush() has written survives a kill at any moment, and a power cut but for the last moments. Data
/// that is not written yet, or cannot be because the disk is full, read-only or failing, stays in memory
/// within a bound and can be sent from there. The batches in a file that cannot be read wait until it can. A
/// damaged file is renamed to PATH.damaged, and everything readable of it copied into a new one. Safe from
/// any thread.
class Spool {
  public:
    /// Errors: `denied`, `unavailable` (another process has the file), `internal`. A disk that is full,
    /// read-only or failing is no error.
    static Expected<std::unique_ptr<Spool>> open(const SpoolConfig& config);
    /// Writes the batches in memory.
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    /// Adds samples in memory; never waits for the disk.
    void add(std::vector<TimeSeries> series);
    /// Accepts each document once by its digest, across restarts (the last 1000 are remembered). Documents
    /// larger than 1 MiB are refused.
    void addDocument(const std::string& kind, std::string body);
    /// Writes the batches in memory and removes sent batches, in one transaction. False if the file cannot
    /// be written.
    bool flush();
    /// True if flush() has work to do.
    bool dirty() const;

    /// The oldest samples, up to `most_parts` spooled batches and about a mebibyte in one request. Returns
    /// the same batch until sent() or refused().
    std::optional<Batch> next(std::size_t most_parts);
    void sent(const Batch& batch);
    /// Like sent(), but counts samples as dropped: `count` of them, or the whole batch.
    void refused(const Batch& batch, std::optional<std::size_t> count = std::nullopt);
    /// Keeps a batch that the collector refuses for its times. The next start offers it again; until then
    /// only `max_bytes` bounds it. False, and nothing is done, while the file cannot be written.
    bool setAside(const Batch& batch);

    std::optional<SpooledDocument> nextDocument();
    void documentDone(const std::string& digest);

    SpoolState state() const;

  private:
    struct State;
    explicit Spool(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace lapwing::agent
