#include "collector/api/agents.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "collector/analysis/analyst.h"
#include "collector/api/join_desk.h"
#include "collector/api/parameters.h"
#include "collector/clock/site_clock.h"
#include "collector/ingest/receiver.h"
#include "collector/self/agent_book.h"
#include "collector/self/metrics.h"
#include "collector/trust/authority.h"
#include "collector/trust/identities.h"
#include "common/identity_headers.h"
#include "common/model/clock.h"
#include "common/model/documents.h"
#include "common/mutex.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr std::size_t kMaxWrite = 8U << 20;
constexpr std::size_t kMaxSigningRequest = 16U << 10;
constexpr auto kLongestPoll = std::chrono::seconds(30);
/// How often a long poll looks for news. A canary's lead is ten times as long.
constexpr auto kLook = std::chrono::milliseconds(500);
constexpr const char* kWritePath = "/api/v1/write";
constexpr const char* kDocumentsPath = "/api/lapwing/v1/documents";
constexpr const char* kRenewPath = "/api/lapwing/v1/renew";
constexpr unsigned kRetryClocksS = 5;

ingest::RequestHead headOf(const Request& request) {
    ingest::RequestHead head;
    head.agent = request.agent;
    head.content_type = request.header("Content-Type");
    head.content_encoding = request.header("Content-Encoding");
    head.version = request.header("X-Prometheus-Remote-Write-Version");
    const std::string length = request.header("Content-Length");
    std::uint64_t bytes = 0;
    const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (error == std::errc() && stop == length.data() + length.size()) {
        head.content_length = bytes;
    }
    head.unsized = request.unsized;
    return head;
}

void answer(Responder& responder, const ingest::Answer& what) {
    if (what.written) {
        const std::string prefix = "X-Prometheus-Remote-Write-";
        responder.header(prefix + "Samples-Written", std::to_string(what.written->samples));
        responder.header(prefix + "Histograms-Written", std::to_string(what.written->histograms));
        responder.header(prefix + "Exemplars-Written", std::to_string(what.written->exemplars));
    }
    if (what.retry_after_s != 0) {
        responder.header("Retry-After", std::to_string(what.retry_after_s));
    }
    responder.send(what.status, what.body.empty() ? "" : kPlain, what.body.empty() ? "" : what.body + "\n");
}

void plain(Responder& responder, int status, const std::string& text) {
    responder.send(status, kPlain, text + "\n");
}

/// The body, or nothing after an answer that explains the failure.
std::optional<std::string> bodyOf(Request& request, Responder& responder, std::size_t limit) {
    auto body = request.body(limit);
    if (body) {
        return std::move(*body);
    }
    plain(responder, body.error().kind == ErrorKind::exhausted ? 413 : 400, body.error().message);
    return std::nullopt;
}

/// Logs which agent is refused, or its samples, and why: for each agent at most once a minute. Thread-safe.
class RefusalLog {
  public:
    void note(const std::string& agent, std::string text) {
        {
            const MutexLock lock(mutex_);
            auto& last = last_[agent];
            const TimestampMs now = nowMs();
            if (now >= last && now - last < kPause) {
                return;
            }
            last = now;
        }
        // The sender chooses the names of labels.
        spdlog::warn("{}: {}", agent.empty() ? "local ingest" : agent, printable(std::move(text)));
    }

  private:
    static constexpr std::int64_t kPause = 60'000;
    Mutex mutex_;
    std::map<std::string, TimestampMs> last_ LAPWING_GUARDED_BY(mutex_);
};

void sendTimes(const AgentsParts& parts, const Request& request, Responder& responder) {
    if (!parts.trust.empty()) {
        responder.header(kTrustHeader, parts.trust);
    }
    responder.header("X-Lapwing-Time", std::to_string(request.received_us) + " " + std::to_string(nowUs()));
}

/// The agent's wall clock, as its request tells it.
std::optional<TimestampMs> clockOf(const Request& request) {
    const std::string text = request.header(kClockHeader);
    TimestampMs time = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), time);
    // Times beyond the year 9999 are nonsense, and sums of them could overflow.
    constexpr TimestampMs latest = 253'402'300'800'000;
    const bool valid = !text.empty() && error == std::errc() && stop == text.data() + text.size() &&
                       time >= 0 && time < latest;
    return valid ? std::optional(time) : std::nullopt;
}

/// Answers that the samples have to wait until it is known whose clock is wrong.
void sendAway(const AgentsParts& parts, RefusalLog& refusals, const Request& request, Responder& responder,
              TimestampMs agents_time) {
    ingest::Answer later;
    later.status = 503;
    later.retry_after_s = kRetryClocksS;
    later.body = "my clock may be wrong: yours is " + clockDifferenceText(agents_time - nowMs()) +
                 " of it; keep the samples until the clocks agree";
    refusals.note(request.agent, "its samples have to wait: " + later.body);
    parts.agents.wrote(request.agent, nowMs());
    sendTimes(parts, request, responder);
    answer(responder, later);
}

/// Whether the sender's certificate has not ended by the site's time; answers if it has. While nothing
/// confirms that time, the agent's clock is heard, and nothing else of it.
bool isInTime(const AgentsParts& parts, RefusalLog& refusals, const Request& request, Responder& responder) {
    const auto ended = [&] {
        return request.certificate_ends != 0 && request.certificate_ends * 1000 <= nowMs();
    };
    if (!ended()) {
        return true;
    }
    if (const auto time = clockOf(request); time && !parts.clock.confirmed()) {
        const auto judgement = parts.clock.heard(request.agent, *time, readClocks());
        if (!ended()) {
            return true;
        }
        if (!parts.clock.confirmed()) {
            responder.header(kClockHeader, clock::agentClockName(judgement));
            sendAway(parts, refusals, request, responder, *time);
            return false;
        }
    }
    const std::string text = "the certificate has expired: lapwing-collector invite " + request.agent;
    refusals.note(request.agent, request.address + " is refused: " + text);
    plain(responder, 403, text);
    return false;
}

/// Whether the sender may use the name of its certificate; answers 403 if not.
bool isItself(const AgentsParts& parts, RefusalLog& refusals, const Request& request, Responder& responder) {
    if (!isInTime(parts, refusals, request, responder)) {
        return false;
    }
    if (parts.identities == nullptr) {
        return true;
    }
    trust::Claim claim;
    claim.host = request.agent;
    claim.certificate = request.certificate;
    claim.issued = request.certificate_issued;
    claim.ends = request.certificate_ends;
    claim.machine = request.header(kMachineIdHeader);
    claim.session = request.header(kSessionHeader);
    claim.address = request.address;
    const auto checked = parts.identities->check(claim, trust::Identities::Clock::now());
    if (!checked) {
        refusals.note(request.agent, request.address + " is refused: " + checked.error().message);
        plain(responder, 403, checked.error().message);
    }
    return checked.has_value();
}

/// Signs the agent's request for its next certificate, over the connection that its present one proves.
void renew(const AgentsParts& parts, Request& request, Responder& responder) {
    if (parts.authority == nullptr || parts.identities == nullptr) {
        return plain(responder, 404, "certificates are not renewed here");
    }
    const auto body = bodyOf(request, responder, kMaxSigningRequest);
    if (!body) {
        return;
    }
    if (!parts.identities->mayRenew(request.agent, trust::Identities::Clock::now())) {
        responder.header("Retry-After", "60");
        return plain(responder, 429, "one certificate a minute");
    }
    const auto made = parts.authority->sign(request.agent, *body);
    if (!made) {
        spdlog::warn("renew the certificate of {}: {}", request.agent, made.error().message);
        return plain(responder, made.error().kind == ErrorKind::invalid ? 400 : 503, made.error().message);
    }
    spdlog::info("renewed the certificate of {}", request.agent);
    responder.send(200, "application/x-pem-file", *made);
}

/// Compares the agent's clock with the site's and answers with the judgement. True, after an answer 503, if
/// the samples have to wait until it is known whose clock is wrong.
bool waitsForClock(const AgentsParts& parts, RefusalLog& refusals, const Request& request,
                   Responder& responder) {
    const auto time = request.agent.empty() ? std::nullopt : clockOf(request);
    if (!time) {
        return false;
    }
    const auto now = readClocks();
    const auto judgement = parts.clock.heard(request.agent, *time, now);
    responder.header(kClockHeader, clock::agentClockName(judgement));
    if (!parts.clock.mustWait(request.agent, now)) {
        return false;
    }
    sendAway(parts, refusals, request, responder, *time);
    return true;
}

/// A sender that tells no clock, and whose samples all are from the future: nothing has confirmed the
/// collector's clock, so they may be right.
bool mayBeRight(const AgentsParts& parts, const ingest::Answer& result) {
    return result.refused > 0 && result.refused == result.refused_times &&
           result.stored + result.duplicates == 0 && result.newest > nowMs() && !parts.clock.confirmed();
}

void write(const AgentsParts& parts, RefusalLog& refusals, Request& request, Responder& responder) {
    if (waitsForClock(parts, refusals, request, responder)) {
        return;
    }
    const auto head = headOf(request);
    if (const auto refusal = parts.receiver.checkWrite(head)) {
        return answer(responder, *refusal);
    }
    const auto body = bodyOf(request, responder, kMaxWrite);
    if (!body) {
        return;
    }
    auto result = parts.receiver.write(head, *body);
    if (!clockOf(request) && result.newest > 0) {
        parts.clock.heardSamples(result.newest, readClocks());
        if (mayBeRight(parts, result)) {
            result.status = 503;
            result.retry_after_s = kRetryClocksS;
            result.body = "my clock may be wrong: " + result.body;
            result.refused = result.refused_times = 0;
        }
    }
    if (result.refused_times != 0) {
        responder.header(kRefusedTimesHeader, std::to_string(result.refused_times));
    }
    if (result.refused != 0) {
        parts.metrics.refused(result.refused);
        refusals.note(request.agent, result.body);
        responder.header("X-Lapwing-Refused", std::to_string(result.refused));
    }
    const bool accepted = result.status / 100 == 2 || result.stored + result.duplicates > 0;
    if (accepted && !request.agent.empty()) {
        parts.agents.wrote(request.agent, nowMs());
    }
    sendTimes(parts, request, responder);
    answer(responder, result);
}

void document(const AgentsParts& parts, Request& request, Responder& responder) {
    const auto form = parseForm(request.query);
    if (!form.problem.empty()) {
        return plain(responder, 400, form.problem);
    }
    const std::string kind = first(form.values, "kind");
    if (const auto refusal = parts.receiver.checkDocument(headOf(request), kind)) {
        return answer(responder, *refusal);
    }
    auto body = bodyOf(request, responder, kMostDocumentBytes);
    if (!body) {
        return;
    }
    const std::string part = first(form.values, "part");
    answer(responder, part.empty()
                          ? parts.receiver.putDocument(request.agent, kind, std::move(*body))
                          : parts.receiver.putDocumentPart(request.agent, kind, part, std::move(*body)));
}

void assignments(const AgentsParts& parts, RefusalLog& refusals, Request& request, Responder& responder) {
    const auto form = parseForm(request.query);
    if (!form.problem.empty()) {
        return plain(responder, 400, form.problem);
    }
    // While it waits, its certificate may be revoked.
    if (!isItself(parts, refusals, request, responder)) {
        return;
    }
    const std::string known = first(form.values, "version");
    parts.agents.polled(request.agent, nowMs());
    const auto assignment = parts.analyst.assignment(request.agent);
    if (assignment.version == known) {
        const bool waits =
            std::chrono::steady_clock::now() - request.started < kLongestPoll && !request.gone();
        return waits ? responder.later(kLook) : responder.send(304, "", "");
    }
    responder.send(200, "application/json", assignment.json);
}

}  // namespace

Gate agentsGate(const AgentsParts& parts) {
    return [parts, refusals = std::make_shared<RefusalLog>()](Request& request, Responder& responder) {
        if (parts.join != nullptr && request.path == kJoinPath) {
            return parts.join->admits(request, responder);
        }
        if (request.certificate.empty()) {
            plain(responder, 403,
                  "a client certificate is needed: run `lapwing-collector invite HOST` on the collector");
            return false;
        }
        if (!trust::isValidHostName(request.agent)) {
            plain(responder, 403, "the certificate names no host that could be an agent");
            return false;
        }
        return isItself(parts, *refusals, request, responder);
    };
}

bool isSlowForAgents(const Request& request) {
    return request.path == kWritePath || request.path == kDocumentsPath || request.path == kRenewPath ||
           request.path == kJoinPath;
}

Handler agentsHandler(const AgentsParts& parts) {
    return [parts, refusals = std::make_shared<RefusalLog>()](Request& request, Responder& responder) {
        const auto only = [&](const char* method) {
            if (request.method == method) {
                return true;
            }
            responder.header("Allow", method);
            plain(responder, 405, "only " + std::string(method) + " is answered here");
            return false;
        };
        if (parts.join != nullptr && request.path == kJoinPath) {
            parts.join->handle(request, responder);
        } else if (request.path == kWritePath) {
            if (only("POST")) {
                write(parts, *refusals, request, responder);
            }
        } else if (request.path == kDocumentsPath) {
            if (only("POST")) {
                document(parts, request, responder);
            }
        } else if (request.path == kRenewPath) {
            if (only("POST")) {
                renew(parts, request, responder);
            }
        } else if (request.path == "/api/lapwing/v1/assignments") {
            if (only("GET")) {
                assignments(parts, *refusals, request, responder);
            }
        } else {
            plain(responder, 404, "404 page not found");
        }
    };
}

Handler localWriteHandler(const AgentsParts& parts) {
    return [parts, refusals = std::make_shared<RefusalLog>()](Request& request, Responder& responder) {
        write(parts, *refusals, request, responder);
    };
}

}  // namespace lapwing::api
