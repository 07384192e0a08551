#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/remote_write.h"
#include "common/model/sample.h"

namespace lapwing::storage {
class Store;
}

namespace lapwing::ingest {

class KnownSeries;
class MetadataBook;

struct Limits {
    RemoteWriteLimits write;
    std::size_t document_bytes = 1U << 20;
    double samples_per_second = 50'000;  ///< of one agent, in the long run
    double burst_seconds = 10;           ///< so much of it at once
    unsigned in_flight_per_agent = 4;
    unsigned in_flight = 16;
    /// Samples further in the future are refused. With a clock that far ahead a series would accept nothing
    /// any more once the clock is right again: keep it at most the store's out-of-order window.
    TimestampMs ahead_ms = 3'600'000;
    std::size_t known_series = 1U << 20;  ///< whose labels are recognized without being read; 40 bytes each
};

/// What is known of a request before its body is read.
struct RequestHead {
    std::string agent;  ///< the certificate's common name; empty for local ingest, which has no rate
    std::string content_type;
    std::string content_encoding;
    std::string version;                          ///< X-Prometheus-Remote-Write-Version
    std::optional<std::uint64_t> content_length;  ///< as declared
};

/// What remote_write 2.0 wants in the headers of the answer.
struct Written {
    std::size_t samples = 0;
    std::size_t histograms = 0;
    std::size_t exemplars = 0;
};

/// An HTTP answer. `body` is plain text, one line.
struct Answer {
    int status = 204;
    std::string body;
    unsigned retry_after_s = 0;  ///< 0: no such header
    std::size_t stored = 0;
    std::size_t duplicates = 0;
    std::size_t refused = 0;
    std::optional<Written> written;  ///< of a remote_write 2.0 request
};

struct Traffic {
    std::uint64_t requests = 0;
    std::uint64_t rejected_requests = 0;  ///< nothing of them was stored
    std::uint64_t stored = 0;             ///< samples
    std::uint64_t duplicates = 0;
    std::uint64_t refused = 0;
    std::uint64_t histograms = 0;  ///< native histograms, which are refused
    std::uint64_t exemplars = 0;   ///< ignored, with success
    std::uint64_t documents = 0;
    TimestampMs last_write = 0;  ///< the last request that was accepted at least in part; 0: none yet
};

/// What a write request and a document must be, and whose they are. Knows nothing of sockets. Thread-safe.
/// remote_write 1.0 and 2.0. Type and encoding must be named (Prometheus guesses): a browser can be made to
/// send a body without them, across origins.
///
/// Statuses: 204 all stored (or there already); 400 what does not decode, or samples that were refused,
/// counted and the first named, while the valid ones are stored; 403 a series claims another agent, nothing
/// is stored; 411 no declared length; 413 too large; 415 another type or encoding; 429 too fast; 503 the
/// store cannot write now; 500 the store is broken. After 429 and 503 the sender shall try again after
/// `retry_after_s`.
class Receiver {
  public:
    /// `metadata` gets what requests say of their metrics; null forgets it. Both must outlive the receiver.
    explicit Receiver(storage::Store& store, Limits limits = {}, TimestampMs (*clock)() = nowMs,
                      MetadataBook* metadata = nullptr);
    ~Receiver();
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    /// Call before reading the body: the answer to what is wrong already, nothing if it may be read.
    std::optional<Answer> checkWrite(const RequestHead& head);
    /// Sets the label `agent` on every series when there is an agent.
    Answer write(const RequestHead& head, std::string_view body);

    std::optional<Answer> checkDocument(const RequestHead& head, std::string_view kind);
    /// 200 with the digest: SHA-256, lower-case hexadecimal.
    Answer putDocument(const std::string& agent, std::string_view kind, std::string body);

    /// When an agent last wrote (see Traffic::last_write).
    std::optional<TimestampMs> lastSeen(const std::string& agent) const;
    Traffic totals() const;
    std::map<std::string, Traffic> agents() const;
    /// The totals, as metrics (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    struct Agent {
        Traffic traffic;
        double tokens = 0;
        std::chrono::steady_clock::time_point filled;
        unsigned in_flight = 0;
        bool started = false;
    };
    class Flight;

    Answer decodeAndStore(const std::string& agent, std::string_view body, RemoteWriteVersion version);
    Answer storeDocument(const std::string& agent, std::string_view kind, std::string body);
    /// Seconds until the agent may send again; 0 if it may now. Needs mutex_.
    unsigned delay(Agent& agent) const;
    std::optional<Answer> tooFast(const std::string& agent);
    void pay(const std::string& agent, double samples);
    void count(const std::string& agent, const Answer& answer, std::uint64_t documents);

    storage::Store& store_;
    const Limits limits_;
    TimestampMs (*const clock_)();
    MetadataBook* const metadata_;
    const std::unique_ptr<KnownSeries> known_;

    mutable std::mutex mutex_;
    std::map<std::string, Agent> agents_;
    unsigned in_flight_ = 0;
};

}  // namespace lapwing::ingest
