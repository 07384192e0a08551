#include "collector/api/lapwing.h"

#include <cstdint>
#include <cstdlib>

#include "collector/analysis/acceptances.h"
#include "collector/analysis/analyst.h"
#include "collector/analysis/replication/watch.h"
#include "collector/api/acceptances.h"
#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/api/replication.h"
#include "collector/api/site.h"
#include "collector/api/topology.h"
#include "collector/clock/site_clock.h"
#include "collector/notify/dispatcher.h"
#include "collector/self/agent_book.h"
#include "collector/trust/identities.h"
#include "common/model/clock.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

/// Agents write at least every ten seconds; after this time without a write, an agent is silent.
constexpr std::int64_t kSilentAfter = 60'000;

void timeOrNull(JsonWriter& json, const char* name, std::optional<TimestampMs> time) {
    key(json, name);
    time ? text(json, rfc3339(*time)) : (void)json.Null();
}

void numberOrNull(JsonWriter& json, const char* name, std::optional<double> value) {
    key(json, name);
    value ? number(json, *value) : (void)json.Null();
}

void writeFinding(JsonWriter& json, const analysis::Finding& finding,
                  const std::optional<analysis::Acceptance>& acceptance, TimestampMs now) {
    json.StartObject();
    field(json, "id", finding.id);
    field(json, "subject", finding.subject);
    field(json, "severity", analysis::severityName(finding.severity));
    field(json, "confidence", analysis::confidenceName(finding.confidence));
    field(json, "since", rfc3339(finding.since));
    field(json, "title", finding.title);
    writeEvidence(json, finding.evidence);
    field(json, "remedy", finding.remedy);
    key(json, "not_assessed");
    json.StartArray();
    for (const auto& each : finding.not_assessed) {
        text(json, each);
    }
    json.EndArray();
    key(json, "acceptance");
    acceptance ? writeAcceptance(json, *acceptance, now) : (void)json.Null();
    json.EndObject();
}

const char* agentState(const self::AgentEntry& agent, TimestampMs now) {
    if (!agent.last_write) {
        return "never_reported";
    }
    return now - *agent.last_write > kSilentAfter ? "silent" : "ok";
}

const char* collectorClock(const clock::ClockReport& report) {
    if (report.unconfirmed_ms) {
        return "unconfirmed";
    }
    if (std::abs(report.collector_ahead_ms) > clock::SiteClock::kAgreeMs) {
        return "wrong";
    }
    return report.disputed ? "disputed" : "agrees";
}

}  // namespace

void LapwingApi::findings(Responder& responder) const {
    const auto all_findings = analyst_.findings();
    const auto now = nowMs();
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& finding : all_findings) {
            writeFinding(json, finding, acceptances_.of(finding.id, finding.subject, now), now);
        }
        json.EndArray();
    });
}

void LapwingApi::replication(Responder& responder) const {
    const auto verdicts = replication_.verdicts();
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& verdict : *verdicts) {
            writeVerdict(json, verdict);
        }
        json.EndArray();
    });
}

void LapwingApi::topology(Responder& responder) const {
    const auto moment = analyst_.moment();
    if (!moment) {
        failure(responder, Error{ErrorKind::unavailable, "the first analysis is not finished yet"});
        return;
    }
    success(responder, [&](JsonWriter& json) { writeTopology(json, moment->model); });
}

void LapwingApi::site(Responder& responder) const {
    const auto moment = analyst_.moment();
    if (!moment) {
        failure(responder, Error{ErrorKind::unavailable, "the first analysis is not finished yet"});
        return;
    }
    const auto assumptions = analysis::topology::assumptionsOf(*moment);
    success(responder, [&](JsonWriter& json) { writeAssumptions(json, assumptions); });
}

void LapwingApi::whatIf(const Request& request, Responder& responder) const {
    const auto moment = analyst_.moment();
    if (!moment) {
        failure(responder, Error{ErrorKind::unavailable, "the first analysis is not finished yet"});
        return;
    }
    const auto form = parseForm(request.query);
    std::vector<analysis::topology::Addition> additions;
    for (const auto& each : all(form.values, "add")) {
        auto addition = analysis::topology::parseAddition(each);
        if (!addition) {
            failure(responder, 400, "bad_data", addition.error().message);
            return;
        }
        additions.push_back(std::move(*addition));
    }
    const auto answer = analysis::topology::whatIf(*moment, all(form.values, "component"), additions);
    if (!answer) {
        failure(responder, 400, "bad_data", answer.error().message);
        return;
    }
    success(responder, [&](JsonWriter& json) { writeWhatIf(json, *answer); });
}

void LapwingApi::agents(Responder& responder) const {
    const TimestampMs now = nowMs();
    const auto entries = agents_.list(now);
    const auto warnings_of = [&](const std::string& host) {
        return identities_ == nullptr ? std::vector<trust::IdentityWarning>{}
                                      : identities_->warnings(host, trust::Identities::Clock::now());
    };
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& agent : entries) {
            json.StartObject();
            field(json, "host", agent.host);
            field(json, "state", agentState(agent, now));
            timeOrNull(json, "enrolled", agent.enrolled);
            timeOrNull(json, "certificate_ends", agent.certificate_ends);
            timeOrNull(json, "last_seen", agent.last_write);
            numberOrNull(json, "last_seen_seconds",
                         agent.last_write ? std::optional(static_cast<double>(now - *agent.last_write) / 1000)
                                          : std::nullopt);
            key(json, "warnings");
            json.StartArray();
            for (const auto& warning : warnings_of(agent.host)) {
                json.StartObject();
                field(json, "kind", nameOf(trust::kIdentityWarningNames, warning.kind));
                field(json, "text", warning.text);
                json.EndObject();
            }
            json.EndArray();
            json.EndObject();
        }
        json.EndArray();
    });
}

void LapwingApi::clocks(Responder& responder) const {
    const auto report = clock_.report(readClocks());
    const auto ahead = [](JsonWriter& json, std::int64_t ms) {
        key(json, "ahead_seconds");
        number(json, static_cast<double>(ms) / 1000);
        field(json, "text", clockDifferenceText(ms));
    };
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        field(json, "time", rfc3339(nowMs()));
        key(json, "collector");
        json.StartObject();
        field(json, "judgement", collectorClock(report));
        ahead(json, report.unconfirmed_ms.value_or(report.collector_ahead_ms));
        json.EndObject();
        key(json, "agents");
        json.StartArray();
        for (const auto& agent : report.agents) {
            json.StartObject();
            field(json, "host", agent.host);
            field(json, "judgement", clock::agentClockName(agent.judgement));
            ahead(json, agent.ahead_ms);
            json.EndObject();
        }
        json.EndArray();
        json.EndObject();
    });
}

void LapwingApi::notifications(const Request& request, Responder& responder) const {
    const auto form = parseForm(request.query);
    const auto told = dispatcher_.told(first(form.values, "fingerprint"));
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& each : told) {
            json.StartObject();
            field(json, "receiver", each.receiver);
            field(json, "role", notify::nameOf(each.role));
            key(json, "known");
            json.Bool(each.told.has_value());
            const auto alert = each.told.value_or(notify::Told{});
            field(json, "told", !alert.at ? "nothing" : alert.firing ? "firing" : "resolved");
            timeOrNull(json, "at", alert.at);
            key(json, "waiting");
            json.Bool(alert.waiting);
            key(json, "muted");
            json.Bool(alert.muted);
            key(json, "given_up");
            json.Bool(alert.given_up);
            key(json, "trouble");
            if (each.trouble) {
                json.StartObject();
                timeOrNull(json, "since", each.trouble->since);
                field(json, "reason", each.trouble->reason);
                json.EndObject();
            } else {
                json.Null();
            }
            json.EndObject();
        }
        json.EndArray();
    });
}

bool LapwingApi::handle(Request& request, Responder& responder) const {
    constexpr std::string_view prefix = "/api/lapwing/v1/";
    if (!request.path.starts_with(prefix)) {
        return false;
    }
    const std::string name = request.path.substr(prefix.size());
    const bool known = name == "findings" || name == "replication" || name == "agents" ||
                       name == "topology" || name == "site" || name == "whatif" || name == "clocks" ||
                       name == "notifications";
    if (!known) {
        return false;
    }
    if (request.method != "GET" && request.method != "HEAD") {
        responder.header("Allow", "GET");
        responder.send(405, "text/plain; charset=utf-8", "Method Not Allowed\n");
        return true;
    }
    if (name == "findings") {
        findings(responder);
    } else if (name == "replication") {
        replication(responder);
    } else if (name == "topology") {
        topology(responder);
    } else if (name == "site") {
        site(responder);
    } else if (name == "whatif") {
        whatIf(request, responder);
    } else if (name == "clocks") {
        clocks(responder);
    } else if (name == "notifications") {
        notifications(request, responder);
    } else {
        agents(responder);
    }
    return true;
}

}  // namespace lapwing::api
