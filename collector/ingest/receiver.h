#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/documents.h"
#include "common/model/remote_write.h"
#include "common/model/sample.h"
#include "common/mutex.h"

namespace lapwing::storage {
class Store;
}

namespace lapwing::ingest {

class Claims;
class KnownSeries;
class MetadataBook;

struct Limits {
    RemoteWriteLimits write;
    std::size_t document_bytes = kMostDocumentBytes;
    double samples_per_second = 50'000;  ///< of one agent, on average
    double burst_seconds = 10;           ///< the largest burst, at that rate
    unsigned in_flight_per_agent = 4;
    unsigned in_flight = 16;
    /// Samples further in the future are refused. Keep it within the store's out-of-order window: otherwise a
    /// sender whose clock was ahead is refused after its clock is set right.
    TimestampMs ahead_ms = 3'600'000;
    std::size_t observed_per_agent = 64;  ///< other instances of which one agent may report
    std::size_t known_series = 1U << 20;  ///< series recognized by a hash of their labels; 40 bytes each
};

/// The head of a request, before its body is read.
struct RequestHead {
    std::string agent;  ///< the certificate's common name; "" for local ingest, which has no rate limit
    std::string content_type;
    std::string content_encoding;
    std::string version;                          ///< X-Prometheus-Remote-Write-Version
    std::optional<std::uint64_t> content_length;  ///< as declared
    bool unsized = false;                         ///< a body that needs no declared length
};

/// The counts that remote_write 2.0 wants in the headers of the answer.
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
    std::size_t refused_times = 0;   ///< of `refused`, for their times alone
    TimestampMs newest = 0;          ///< the latest time in the request; 0 without samples
    std::optional<Written> written;  ///< of a remote_write 2.0 request
};

struct Traffic {
    std::uint64_t requests = 0;
    std::uint64_t rejected_requests = 0;  ///< nothing in them was stored
    std::uint64_t stored = 0;             ///< samples
    std::uint64_t duplicates = 0;
    std::uint64_t refused = 0;
    std::uint64_t histograms = 0;  ///< native histograms, which are refused
    std::uint64_t exemplars = 0;   ///< ignored, with success
    std::uint64_t documents = 0;
};

/// Checks write requests (remote_write 1.0 and 2.0) and documents, and stores them for their agent. Knows no
/// sockets. Counts the requests of each agent that a limit refuses. Thread-safe. Content type and encoding
/// are mandatory (Prometheus guesses them), because a web page can make a browser send a body without them
/// across origins.
///
/// An agent speaks for its own host, and for servers that it observes (Claims). Local ingest may send
/// everything.
///
/// Statuses: 204 all samples are stored, now or before; 400 the body does not decode, or samples were refused
/// (the answer counts them and names the first; the valid samples are stored); 403 a series claims another
/// agent, nothing is stored; 411 the body has no end; 413 too large; 415 another type or encoding; 429 too
/// fast; 503 the store cannot write now; 500 the store is broken. After 429 and 503 the sender tries again
/// after `retry_after_s`.
class Receiver {
  public:
    /// `metadata` gets the metadata in requests; null: metadata is ignored. Both must outlive the receiver.
    explicit Receiver(storage::Store& store, Limits limits = {}, TimestampMs (*clock)() = nowMs,
                      MetadataBook* metadata = nullptr);
    ~Receiver();
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    /// Call before reading the body: an answer if the request is refused by its head, nothing if not.
    std::optional<Answer> checkWrite(const RequestHead& head);
    /// Sets the label `agent` on every series, unless `head.agent` is empty.
    Answer write(const RequestHead& head, std::string_view body);

    std::optional<Answer> checkDocument(const RequestHead& head, std::string_view kind);
    /// 200 with the digest: SHA-256, lower-case hexadecimal.
    Answer putDocument(const std::string& agent, std::string_view kind, std::string body);
    /// A part of a packed document, by DocumentPart::name(). With the last part the document is put together;
    /// it must have the digest that the name says.
    Answer putDocumentPart(const std::string& agent, std::string_view kind, std::string_view name,
                           std::string body);

    Traffic totals() const;
    /// The totals, as metrics (docs/metrics.md).
    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    struct Agent {
        double tokens = 0;
        std::chrono::steady_clock::time_point filled;
        unsigned in_flight = 0;
        bool started = false;
        std::uint64_t too_fast = 0;  ///< requests refused
        std::uint64_t too_many = 0;  ///< requests refused, because others are in flight
        std::uint64_t too_much = 0;  ///< documents refused
    };
    class Flight;

    Answer decodeAndStore(const std::string& agent, std::string_view body, RemoteWriteVersion version);
    Answer storeDocument(const std::string& agent, std::string_view kind, std::string body);
    Answer documentFailed(const std::string& agent, const Error& error);
    Answer storePart(const std::string& agent, std::string_view kind, const DocumentPart& part,
                     std::string body);
    Answer storeWhole(const std::string& agent, std::string_view kind, std::string packed,
                      const std::string& digest);
    /// Seconds until the agent may send again; 0 if it may now.
    unsigned delay(Agent& agent) const LAPWING_REQUIRES(mutex_);
    std::optional<Answer> tooFast(const std::string& agent);
    void pay(const std::string& agent, double samples);
    void count(const Answer& answer, std::uint64_t documents);

    storage::Store& store_;
    const Limits limits_;
    TimestampMs (*const clock_)();
    MetadataBook* const metadata_;
    const std::unique_ptr<KnownSeries> known_;
    const std::unique_ptr<Claims> claims_;

    mutable Mutex mutex_;
    std::map<std::string, Agent> agents_ LAPWING_GUARDED_BY(mutex_);
    Traffic totals_ LAPWING_GUARDED_BY(mutex_);
    std::map<std::string, std::uint64_t> foreign_ LAPWING_GUARDED_BY(mutex_);  ///< refused, by agent
    unsigned in_flight_ LAPWING_GUARDED_BY(mutex_) = 0;
};

}  // namespace lapwing::ingest
