#include "agent/delivery/sender.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>
#include <vector>

#include "common/http/tls.h"
#include "common/identity_headers.h"
#include "common/model/clock.h"
#include "common/model/documents.h"
#include "common/time_text.h"

namespace lapwing::agent {
namespace {

constexpr std::size_t kMostParts = 64;
constexpr std::chrono::seconds kKeepPause{15};
constexpr std::chrono::minutes kSayAgain{10};
constexpr std::chrono::minutes kRenewAgain{10};  ///< after a failure
constexpr std::chrono::seconds kRenewNext{10};   ///< after a success: the CAs may change again
constexpr std::chrono::minutes kTooSoon{1};
/// A collector of an older version renews no certificates.
constexpr std::chrono::hours kOlderCollector{6};

http::Request writeRequest(std::string body) {
    http::Request request;
    request.path = "/api/v1/write";
    request.headers = {{"Content-Type", "application/x-protobuf"},
                       {"Content-Encoding", "snappy"},
                       {"X-Prometheus-Remote-Write-Version", "0.1.0"}};
    request.body = std::move(body);
    return request;
}

/// The samples that the collector refused after it had stored the others; nothing where it refused the whole
/// request.
std::optional<std::size_t> refusedSamples(const http::Response& answer) {
    const auto text = answer.header("X-Lapwing-Refused");
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (answer.status != 400 || text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return count;
}

std::size_t refusedTimes(const http::Response& answer) {
    const auto text = answer.header(kRefusedTimesHeader);
    std::size_t count = 0;
    std::from_chars(text.data(), text.data() + text.size(), count);
    return answer.status == 400 ? count : 0;
}

ClockJudgement judgementOf(std::string_view header) {
    return header == "agrees"     ? ClockJudgement::agrees
           : header == "wrong"    ? ClockJudgement::wrong
           : header == "disputed" ? ClockJudgement::disputed
                                  : ClockJudgement::none;
}

}  // namespace

Sender::Sender(const DeliveryConfig& config, Spool& spool, ClockOffset& clock, HostClock& host_clock,
               Descriptions& descriptions)
    : config_(config),
      spool_(spool),
      clock_(clock),
      host_clock_(host_clock),
      descriptions_(descriptions),
      most_parts_(kMostParts) {}

/// Measures the offset from the collector's clock, and tells the host's clock the collector's judgement.
void Sender::compareClocks(const http::Response& answer, std::int64_t t0, std::int64_t t3) {
    const auto times = parseLapwingTime(answer.header("X-Lapwing-Time"));
    if (!times) {
        return;
    }
    clock_.add(t0, times->received, times->sent, t3, Clock::now());
    const auto offset_us = ((times->received - t0) + (times->sent - t3)) / 2;
    host_clock_.judged(judgementOf(answer.header(kClockHeader)), offset_us / 1000, readClocks());
}

Expected<http::Response> Sender::post(http::Request request) {
    if (!client_) {
        // A new client after each failure: the certificate may have been renewed or mended.
        const auto tls = config_.certificate ? config_.certificate->tls() : http::ClientTls();
        auto made = http::Client::create(config_.collector_url, tls);
        if (!made) {
            return tl::unexpected(made.error());
        }
        // Another host's bundle may have been installed since the start.
        const auto name = http::certificateName(tls.cert_file);
        if (name && !config_.host.empty() && *name != config_.host) {
            return fail(ErrorKind::invalid, "the certificate " + tls.cert_file + " belongs to \"" + *name +
                                                "\" and not to \"" + config_.host + "\"");
        }
        client_ = std::move(*made);
        descriptions_.begin();
    }
    request.method = "POST";
    request.headers.emplace_back("User-Agent", config_.user_agent);
    request.headers.insert(request.headers.end(), config_.identity.begin(), config_.identity.end());
    request.headers.emplace_back(kClockHeader, std::to_string(readClocks().wall));
    request.max_response_bytes = 65536;
    const std::int64_t t0 = nowUs();
    auto answer = client_->request(request, config_.request_deadline);
    const std::int64_t t3 = nowUs();
    if (answer) {
        compareClocks(*answer, t0, t3);
        if (const auto trust = answer->header(kTrustHeader); !trust.empty()) {
            trust_ = trust;
        }
    }
    return answer;
}

/// Only while the collector takes data. A failure delays nothing: there is half of the validity left.
void Sender::renewCertificate() {
    const auto now = Clock::now();
    if (!client_ || !config_.certificate || !trouble_.empty() || now < renew_not_before_ ||
        !config_.certificate->isDue(nowMs() / 1000, trust_)) {
        return;
    }
    renew_not_before_ = now + kRenewAgain;
    auto body = config_.certificate->request();
    if (!body) {
        spdlog::error("renew the certificate: {}", body.error().message);
        return;
    }
    http::Request request;
    request.path = "/api/lapwing/v1/renew";
    request.headers = {{"Content-Type", "application/x-pem-file"}};
    request.body = std::move(*body);
    const auto answer = post(std::move(request));
    if (!answer || answer->status != 200) {
        spdlog::warn("the certificate is not renewed yet: {}",
                     answer ? "the collector answered " + std::to_string(answer->status) + " " +
                                  http::firstLine(answer->body)
                            : answer.error().message);
        if (answer && answer->status == 404) {
            renew_not_before_ = now + kOlderCollector;
        } else if (answer && answer->status == 429) {
            renew_not_before_ = now + kTooSoon;
        }
        return;
    }
    if (const auto accepted = config_.certificate->accept(answer->body); !accepted) {
        spdlog::error("renew the certificate: {}", accepted.error().message);
        return;
    }
    renew_not_before_ = now + kRenewNext;
    spdlog::info("the certificate was renewed; it is valid until {}",
                 rfc3339(config_.certificate->ends() * 1000));
    client_.reset();
}

void Sender::well() {
    if (!trouble_.empty()) {
        spdlog::info("the collector takes data again");
    }
    trouble_.clear();
    said_at_ = {};
    backoff_.reset();
    not_before_ = {};
}

std::chrono::milliseconds Sender::explain(const Expected<http::Response>& answer, Verdict verdict) {
    std::string reason;
    std::chrono::milliseconds pause{};
    const double random = std::uniform_real_distribution<double>(0, 1)(random_);
    pause = backoff_.next(random);
    if (!answer) {
        reason = answer.error().message;
    } else {
        reason =
            "the collector answered " + std::to_string(answer->status) + " " + http::firstLine(answer->body);
        const auto wanted = http::retryAfter(answer->header("Retry-After"), nowMs() / 1000);
        if (wanted) {
            pause = std::max(pause, *wanted);
        }
    }
    if (verdict == Verdict::keep) {
        pause = std::max<std::chrono::milliseconds>(pause, kKeepPause);
    }
    client_.reset();
    const auto now = Clock::now();
    if (reason != trouble_ || now - said_at_ > kSayAgain) {
        if (verdict == Verdict::keep) {
            spdlog::error("not delivered: {}; everything is kept in the spool until this is mended", reason);
        } else {
            spdlog::warn("not delivered yet: {}; the data stays in the spool and is sent again", reason);
        }
        said_at_ = now;
    }
    trouble_ = reason;
    return pause;
}

Sender::Outcome Sender::sendDescriptions(const std::vector<MetricMetadata>& metadata) {
    const auto answer = post(writeRequest(encodeRemoteWrite({}, metadata)));
    const Verdict verdict = answer ? verdictOf(answer->status, 1) : Verdict::again;
    if (verdict == Verdict::stored || verdict == Verdict::refused) {
        // Descriptions explain the samples and are not needed for them, so a refusal settles them.
        descriptions_.sent(metadata);
        well();
        return Outcome::sent;
    }
    not_before_ = Clock::now() + explain(answer, verdict);
    return Outcome::failed;
}

/// The collector refuses samples for their times alone. A clock's word drops nothing.
Sender::Outcome Sender::setAside(const Batch& batch, const http::Response& answer) {
    if (!spool_.setAside(batch)) {
        not_before_ = Clock::now() + explain(answer, Verdict::keep);
        return Outcome::failed;
    }
    spdlog::error(
        "the collector refused {} of {} samples for their times ({}); these are set aside in the spool",
        refusedTimes(answer), batch.samples, http::firstLine(answer.body));
    well();
    return Outcome::sent;
}

Sender::Outcome Sender::sendBatch(const Batch& batch) {
    const auto answer = post(writeRequest(batch.body));
    // Another attempt cannot help against these: only a change of the files or the configuration can.
    const bool wrong =
        !answer && (answer.error().kind == ErrorKind::tls || answer.error().kind == ErrorKind::invalid ||
                    answer.error().kind == ErrorKind::denied);
    Verdict verdict =
        answer ? verdictOf(answer->status, batch.parts) : (wrong ? Verdict::keep : Verdict::again);
    const auto refused = answer ? refusedSamples(*answer) : std::nullopt;
    if (answer && refusedTimes(*answer) > 0) {
        return setAside(batch, *answer);
    }
    if (refused) {
        verdict = Verdict::refused;  // the collector has judged each sample: smaller requests change nothing
    }
    switch (verdict) {
        case Verdict::stored:
            spool_.sent(batch);
            samples_sent_ += static_cast<std::int64_t>(batch.samples);
            well();
            return Outcome::sent;
        case Verdict::refused: {
            const auto lost = std::min(refused.value_or(batch.samples), batch.samples);
            spdlog::error("the collector refused {} of {} samples ({} {}); these are dropped", lost,
                          batch.samples, answer->status, http::firstLine(answer->body));
            spool_.refused(batch, lost);
            samples_sent_ += static_cast<std::int64_t>(batch.samples - lost);
            well();
            return Outcome::sent;
        }
        case Verdict::split:
            single_until_ = batch.last_id;
            return Outcome::sent;
        case Verdict::again:
        case Verdict::keep:
            break;
    }
    not_before_ = Clock::now() + explain(answer, verdict);
    return Outcome::failed;
}

Sender::Outcome Sender::sendDocument(const SpooledDocument& document) {
    http::Request request;
    request.path = "/api/lapwing/v1/documents?kind=" + document.kind;
    if (DocumentPart::parse(document.digest)) {
        request.path += "&part=" + document.digest;
    }
    request.headers = {{"Content-Type", "application/octet-stream"}};
    request.body = document.body;
    const auto answer = post(std::move(request));
    const Verdict verdict = answer ? verdictOf(answer->status, 1) : Verdict::again;
    if (verdict == Verdict::stored) {
        spool_.documentDone(document.digest);
        well();
        return Outcome::sent;
    }
    if (verdict == Verdict::refused) {
        spdlog::error("the collector refused a document of kind {} ({} {}); it is dropped", document.kind,
                      answer->status, http::firstLine(answer->body));
        spool_.documentDone(document.digest);
        return Outcome::sent;
    }
    const auto again_at = Clock::now() + explain(answer, verdict);
    (answer ? documents_not_before_ : not_before_) = again_at;
    return Outcome::failed;
}

Sender::Outcome Sender::step() {
    if (config_.collector_url.empty() || Clock::now() < not_before_) {
        return Outcome::nothing;
    }
    renewCertificate();
    // Documents first: there are few, and samples cite them.
    if (Clock::now() >= documents_not_before_) {
        if (const auto document = spool_.nextDocument()) {
            return sendDocument(*document);
        }
    }
    if (const auto unsent = descriptions_.unsent(); !unsent.empty()) {
        return sendDescriptions(unsent);
    }
    auto batch = spool_.next(most_parts_);
    if (!batch) {
        return Outcome::nothing;
    }
    if (batch->parts > 1 && single_until_ > 0) {
        auto single = spool_.next(1);
        if (single && single->last_id <= single_until_) {
            batch = std::move(single);
        }
    }
    return sendBatch(*batch);
}

}  // namespace lapwing::agent
