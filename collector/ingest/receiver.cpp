#include "collector/ingest/receiver.h"

#include <algorithm>
#include <cmath>

#include "collector/ingest/batch.h"
#include "collector/ingest/claims.h"
#include "collector/ingest/known_series.h"
#include "collector/ingest/metadata_book.h"
#include "collector/storage/store.h"
#include "common/digest.h"
#include "common/metric_names.h"
#include "common/model/documents.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::ingest {
namespace {

constexpr unsigned kRetryFullDisk = 5;
/// A document without room waits until other documents of its sender have expired.
constexpr unsigned kRetryNoRoom = 300;
constexpr std::size_t kKindLength = 32;
/// A document counts against an agent's rate like samples of the same size.
constexpr double kBytesPerSample = 64;

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

Answer answer(int status, std::string body, unsigned retry_after_s = 0) {
    Answer out;
    out.status = status;
    out.body = std::move(body);
    out.retry_after_s = retry_after_s;
    return out;
}

Answer tooLarge(std::uint64_t declared, std::size_t limit) {
    return answer(413,
                  "the body has " + std::to_string(declared) + " bytes, more than " + std::to_string(limit));
}

/// The version of remote_write that the content type names; an Error for any other type.
Expected<RemoteWriteVersion> versionOf(std::string_view content_type) {
    const std::string type = lower(content_type);
    std::string_view rest(type);
    const auto part = [&rest] {
        const auto end = rest.find(';');
        const auto first = trim(rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        return first;
    };
    auto version = RemoteWriteVersion::v1;
    bool known = part() == "application/x-protobuf";
    while (known && !rest.empty()) {
        const auto parameter = part();
        if (!parameter.starts_with("proto=")) {
            continue;
        }
        if (parameter == "proto=io.prometheus.write.v2.request") {
            version = RemoteWriteVersion::v2;
        }
        known = version == RemoteWriteVersion::v2 || parameter == "proto=prometheus.writerequest";
    }
    if (known) {
        return version;
    }
    return fail(
        ErrorKind::invalid,
        "the content type must be application/x-protobuf, with proto=prometheus.WriteRequest (remote_write "
        "1.0) or proto=io.prometheus.write.v2.Request (2.0)");
}

bool validKind(std::string_view kind) {
    if (kind.empty() || kind.size() > kKindLength || kind[0] < 'a' || kind[0] > 'z') {
        return false;
    }
    return std::all_of(kind.begin(), kind.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

TimestampMs newestOf(const WriteRequest& request) {
    TimestampMs newest = 0;
    for (const auto& series : request.series) {
        for (const auto& sample : series.samples) {
            newest = std::max(newest, sample.timestamp);
        }
    }
    return newest;
}

Answer storeFailed(const Error& error) {
    if (error.kind == ErrorKind::exhausted) {
        return answer(429, error.message, kRetryNoRoom);
    }
    if (error.kind == ErrorKind::unavailable) {
        return answer(503, error.message, kRetryFullDisk);
    }
    return answer(500, error.message);
}

}  // namespace

/// A request in flight.
class Receiver::Flight {
  public:
    Flight(Receiver& receiver, const std::string& agent) : receiver_(receiver), agent_(agent) {
        const MutexLock lock(receiver_.mutex_);
        Agent& agent_state = receiver_.agents_[agent_];
        // Local senders share one empty agent name, so they are bounded only together.
        if (!agent_.empty() && agent_state.in_flight >= receiver_.limits_.in_flight_per_agent) {
            ++agent_state.too_many;
            refusal_ = answer(429, "too many requests of this agent at once", 1);
        } else if (receiver_.in_flight_ >= receiver_.limits_.in_flight) {
            refusal_ = answer(503, "too many requests at once", 1);
        } else {
            ++agent_state.in_flight;
            ++receiver_.in_flight_;
        }
    }
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;
    ~Flight() {
        if (refusal_) {
            return;
        }
        const MutexLock lock(receiver_.mutex_);
        --receiver_.agents_[agent_].in_flight;
        --receiver_.in_flight_;
    }
    const std::optional<Answer>& refusal() const { return refusal_; }

  private:
    Receiver& receiver_;
    const std::string& agent_;
    std::optional<Answer> refusal_;
};

Receiver::Receiver(storage::Store& store, Limits limits, TimestampMs (*clock)(), MetadataBook* metadata)
    : store_(store),
      limits_(limits),
      clock_(clock),
      metadata_(metadata),
      known_(std::make_unique<KnownSeries>(limits.known_series)),
      claims_(std::make_unique<Claims>(limits.observed_per_agent)) {}

Receiver::~Receiver() = default;

unsigned Receiver::delay(Agent& agent) const {
    const auto now = std::chrono::steady_clock::now();
    const double capacity = limits_.samples_per_second * limits_.burst_seconds;
    if (!agent.started) {
        agent.started = true;
        agent.tokens = capacity;
    } else {
        const double seconds = std::chrono::duration<double>(now - agent.filled).count();
        agent.tokens = std::min(capacity, agent.tokens + seconds * limits_.samples_per_second);
    }
    agent.filled = now;
    if (agent.tokens > 0) {
        return 0;
    }
    return std::max(1U, static_cast<unsigned>(std::ceil(-agent.tokens / limits_.samples_per_second)));
}

std::optional<Answer> Receiver::tooFast(const std::string& agent) {
    if (agent.empty()) {
        return std::nullopt;
    }
    const MutexLock lock(mutex_);
    const unsigned seconds = delay(agents_[agent]);
    if (seconds == 0) {
        return std::nullopt;
    }
    ++agents_[agent].too_fast;
    return answer(429,
                  "more than " + std::to_string(std::llround(limits_.samples_per_second)) +
                      " samples a second from " + agent,
                  seconds);
}

/// May leave a debt: the number of samples is known only after decoding, and a batch is never cut.
void Receiver::pay(const std::string& agent, double samples) {
    const MutexLock lock(mutex_);
    agents_[agent].tokens -= samples;
}

std::optional<Answer> Receiver::checkWrite(const RequestHead& head) {
    auto refusal = [&]() -> std::optional<Answer> {
        if (const auto version = versionOf(head.content_type); !version) {
            return answer(415, version.error().message);
        }
        if (lower(trim(head.content_encoding)) != "snappy") {
            return answer(415, "the content encoding must be snappy");
        }
        if (!head.version.empty() && !head.version.starts_with("0.1.") && !head.version.starts_with("2.0.")) {
            return answer(415, "remote_write versions 0.1.0 and 2.0.0 are spoken here");
        }
        if (!head.content_length && !head.unsized) {
            return answer(411, "the body needs a Content-Length or the chunked encoding");
        }
        if (head.content_length.value_or(0) > limits_.write.compressed_bytes) {
            return tooLarge(*head.content_length, limits_.write.compressed_bytes);
        }
        return tooFast(head.agent);
    }();
    if (refusal) {
        count(*refusal, 0);
    }
    return refusal;
}

Answer Receiver::write(const RequestHead& head, std::string_view body) {
    const Flight flight(*this, head.agent);
    const auto version = versionOf(head.content_type).value_or(RemoteWriteVersion::v1);
    Answer out = flight.refusal() ? *flight.refusal() : decodeAndStore(head.agent, body, version);
    if (version == RemoteWriteVersion::v2) {
        out.written = Written{out.stored + out.duplicates, 0, 0};
    }
    count(out, 0);
    return out;
}

Answer Receiver::decodeAndStore(const std::string& agent, std::string_view body, RemoteWriteVersion version) {
    auto request = decodeRemoteWrite(body, limits_.write, version);
    if (!request) {
        return answer(request.error().kind == ErrorKind::exhausted ? 413 : 400, request.error().message);
    }
    pay(agent, static_cast<double>(request->samples));
    const auto known = known_->find(agent, request->series);
    const auto batches = batchesOf(request->series, known);
    const auto latest = clock_() + limits_.ahead_ms;
    const auto known_of = [&](std::span<const WrittenSeries> written) {
        const auto first = static_cast<std::size_t>(written.data() - request->series.data());
        return std::span(known).subspan(first, written.size());
    };
    // A series of another agent in the last batch must keep out the first one, too.
    for (std::size_t i = 0; batches.size() > 1 && i < batches.size(); ++i) {
        Batch batch(agent, batches[i], limits_.write, *claims_, latest);
        batch.recognize(known_of(batches[i]));
        if (!batch.forbidden().empty()) {
            return answer(403, batch.forbidden());
        }
    }
    Answer out;
    Refusals refusals;
    for (const auto& written : batches) {
        Batch batch(agent, written, limits_.write, *claims_, latest);
        batch.recognize(known_of(written));
        if (!batch.forbidden().empty()) {
            return answer(403, batch.forbidden());
        }
        const auto stored = batch.store(store_);
        if (!stored) {
            return storeFailed(stored.error());
        }
        known_->remember(batch.learnt());
        refusals.add(batch.refusals());
        refusals.add(stored->refused, stored->first_refusal);
        out.stored += stored->stored;
        out.duplicates += stored->duplicates;
        out.refused_times += batch.refusals().times() + stored->refused_times;
    }
    const std::size_t asked = request->samples + request->histograms;
    if (metadata_ != nullptr) {
        metadata_->note(request->metadata);
    }
    refusals.add(request->histograms, "native histograms are not supported");
    {
        const MutexLock lock(mutex_);
        totals_.histograms += request->histograms;
        totals_.exemplars += request->exemplars;
        // From the first request on: an increase from nothing would not show.
        if (!agent.empty()) {
            foreign_[agent] += refusals.foreign();
        }
    }
    out.refused = refusals.count();
    out.newest = newestOf(*request);
    if (refusals.count() > 0) {
        out.status = 400;
        out.body = std::to_string(refusals.count()) + " of " + std::to_string(asked) +
                   " samples refused, the others are stored; the first: " + refusals.first();
    }
    return out;
}

std::optional<Answer> Receiver::checkDocument(const RequestHead& head, std::string_view kind) {
    auto refusal = [&]() -> std::optional<Answer> {
        if (!validKind(kind)) {
            return answer(400, "the kind of a document is [a-z][a-z0-9_]*, at most 32 characters");
        }
        if (!head.content_length) {
            return answer(411, "the length of the body must be declared");
        }
        if (*head.content_length > limits_.document_bytes) {
            return tooLarge(*head.content_length, limits_.document_bytes);
        }
        return tooFast(head.agent);
    }();
    if (refusal) {
        count(*refusal, 0);
    }
    return refusal;
}

Answer Receiver::putDocument(const std::string& agent, std::string_view kind, std::string body) {
    const Flight flight(*this, agent);
    Answer out = flight.refusal() ? *flight.refusal() : storeDocument(agent, kind, std::move(body));
    count(out, out.status == 200 ? 1 : 0);
    return out;
}

Answer Receiver::documentFailed(const std::string& agent, const Error& error) {
    if (error.kind == ErrorKind::exhausted) {
        const MutexLock lock(mutex_);
        ++agents_[agent].too_much;
    }
    return storeFailed(error);
}

Answer Receiver::storeDocument(const std::string& agent, std::string_view kind, std::string body) {
    if (!validKind(kind)) {
        return answer(400, "the kind of a document is [a-z][a-z0-9_]*, at most 32 characters");
    }
    if (body.size() > limits_.document_bytes) {
        return tooLarge(body.size(), limits_.document_bytes);
    }
    pay(agent, 1 + static_cast<double>(body.size()) / kBytesPerSample);
    return storeWhole(agent, kind, std::move(body), "");
}

Answer Receiver::storeWhole(const std::string& agent, std::string_view kind, std::string packed,
                            const std::string& digest) {
    auto computed = digestOfPacked(packed);
    if (!computed) {
        const auto failure = computed.error().kind;
        return answer(failure == ErrorKind::exhausted ? 413
                      : failure == ErrorKind::invalid ? 400
                                                      : 500,
                      computed.error().message);
    }
    storage::Document document;
    document.digest = std::move(*computed);
    if (!digest.empty() && document.digest != digest) {
        return answer(400, "the parts make a document with another digest");
    }
    document.kind = kind;
    document.host = agent;
    document.received = clock_();
    document.body = std::move(packed);
    const auto stored = store_.putDocument(document);
    if (!stored) {
        return documentFailed(agent, stored.error());
    }
    return answer(200, document.digest);
}

Answer Receiver::putDocumentPart(const std::string& agent, std::string_view kind, std::string_view name,
                                 std::string body) {
    const Flight flight(*this, agent);
    const auto part = DocumentPart::parse(name);
    Answer out = flight.refusal() ? *flight.refusal()
                 : !part ? answer(400, "the name of a part is DIGEST/NUMBER/COUNT, with at most 64 parts")
                         : storePart(agent, kind, *part, std::move(body));
    count(out, out.status == 200 && part && out.body == part->digest ? 1 : 0);
    return out;
}

Answer Receiver::storePart(const std::string& agent, std::string_view kind, const DocumentPart& part,
                           std::string body) {
    if (!validKind(kind)) {
        return answer(400, "the kind of a document is [a-z][a-z0-9_]*, at most 32 characters");
    }
    if (body.size() > limits_.document_bytes) {
        return tooLarge(body.size(), limits_.document_bytes);
    }
    pay(agent, 1 + static_cast<double>(body.size()) / kBytesPerSample);
    // Parts of one agent never mix with those of another.
    const auto name_of = [&](std::size_t number) {
        return DocumentPart{part.digest, number, part.count}.name() + " of " + agent;
    };
    const auto stored =
        store_.putDocument({name_of(part.number), "part", agent, clock_(), pack(std::move(body))});
    if (!stored) {
        return documentFailed(agent, stored.error());
    }
    // Read none before all are there: one part that comes again must not cost the memory of the others.
    for (std::size_t i = 1; i <= part.count; ++i) {
        const auto piece = store_.document(name_of(i), 0);  // `exhausted`: it is there
        if (!piece && piece.error().kind != ErrorKind::exhausted) {
            return storeFailed(piece.error());
        }
        if (piece && !*piece) {
            return answer(200, name_of(part.number));  // the others are on their way
        }
    }
    std::string packed;
    for (std::size_t i = 1; i <= part.count; ++i) {
        const auto piece = store_.document(name_of(i));
        if (!piece) {
            return storeFailed(piece.error());
        }
        packed += *piece ? (*piece)->body : "";
    }
    auto out = storeWhole(agent, kind, std::move(packed), part.digest);
    if (out.status == 200 || out.status == 400 || out.status == 413) {
        for (std::size_t i = 1; i <= part.count; ++i) {
            static_cast<void>(store_.dropDocument(name_of(i)));
        }
    }
    return out;
}

void Receiver::count(const Answer& out, std::uint64_t documents) {
    const bool accepted = out.status < 300 || out.stored + out.duplicates > 0;
    const MutexLock lock(mutex_);
    ++totals_.requests;
    if (!accepted) {
        ++totals_.rejected_requests;
    }
    totals_.stored += out.stored;
    totals_.duplicates += out.duplicates;
    totals_.refused += out.refused;
    totals_.documents += documents;
}

Traffic Receiver::totals() const {
    const MutexLock lock(mutex_);
    return totals_;
}

void Receiver::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    const Traffic sum = totals();
    const auto total = [&out](const char* name, const char* help, std::uint64_t value) {
        auto family = counter(name, help);
        add(family, {}, static_cast<double>(value));
        out.push_back(std::move(family));
    };
    total(metric::kCollectorWriteRequestsTotal, "Requests of agents and other senders.", sum.requests);
    total(metric::kCollectorWriteRequestsRejectedTotal, "Write requests in which nothing was stored.",
          sum.rejected_requests);
    total(metric::kCollectorSamplesDuplicateTotal, "Samples that were stored already.", sum.duplicates);
    total(metric::kCollectorHistogramsRefusedTotal, "Native histograms, which are not supported.",
          sum.histograms);
    total(metric::kCollectorExemplarsIgnoredTotal, "Exemplars, which are not stored.", sum.exemplars);
    auto limited = counter(metric::kCollectorIngestLimitedTotal,
                           "Requests of agents that were refused, to be sent again later, by the limit.");
    {
        const MutexLock lock(mutex_);
        for (const auto& [sender, agent] : agents_) {
            if (!sender.empty()) {
                add(limited, {{"sender", sender}, {"limit", "samples"}}, static_cast<double>(agent.too_fast));
                add(limited, {{"sender", sender}, {"limit", "requests"}},
                    static_cast<double>(agent.too_many));
                add(limited, {{"sender", sender}, {"limit", "documents"}},
                    static_cast<double>(agent.too_much));
            }
        }
    }
    if (!limited.metric.empty()) {
        out.push_back(std::move(limited));
    }
    auto foreign = counter(metric::kCollectorForeignSamplesRefusedTotal,
                           "Samples of agents about other hosts, which only those can know.");
    const MutexLock lock(mutex_);
    for (const auto& [agent, samples] : foreign_) {
        add(foreign, {{"sender", agent}}, static_cast<double>(samples));
    }
    out.push_back(std::move(foreign));
}

}  // namespace lapwing::ingest
