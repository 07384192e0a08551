#include "collector/api/acceptances.h"

#include "collector/analysis/acceptances.h"
#include "collector/analysis/analyst.h"
#include "collector/api/parameters.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

constexpr std::string_view kAcceptances = "/api/lapwing/v1/acceptances";
constexpr std::size_t kMostBytes = 64U << 10;

Expected<analysis::Acceptance> read(const std::string& body) {
    const auto document = json::read(body);
    if (!document) {
        return fail(document.error());
    }
    const auto until = parseTime(json::text(*document, "until"));
    if (!until) {
        return fail(ErrorKind::invalid, "until must be a time (RFC 3339)");
    }
    analysis::Acceptance out;
    out.id = json::text(*document, "finding");
    out.subject = json::text(*document, "subject");
    out.until = *until;
    out.reason = json::text(*document, "reason");
    out.by = json::text(*document, "by");
    return out;
}

}  // namespace

void writeAcceptance(JsonWriter& json, const analysis::Acceptance& acceptance, TimestampMs now) {
    json.StartObject();
    field(json, "finding", acceptance.id);
    field(json, "subject", acceptance.subject);
    field(json, "state", acceptance.state(now));
    field(json, "until", rfc3339(acceptance.until));
    field(json, "reason", acceptance.reason);
    field(json, "by", acceptance.by);
    field(json, "at", rfc3339(acceptance.at));
    field(json, "worse", acceptance.worse);
    json.EndObject();
}

void AcceptancesApi::list(Responder& responder) const {
    const auto now = nowMs();
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& acceptance : acceptances_.list(now)) {
            writeAcceptance(json, acceptance, now);
        }
        json.EndArray();
    });
}

void AcceptancesApi::accept(Request& request, Responder& responder) const {
    const auto body = request.body(kMostBytes);
    if (!body) {
        return failure(responder, body.error());
    }
    auto acceptance = read(*body);
    if (!acceptance) {
        return failure(responder, acceptance.error());
    }
    const auto now = nowMs();
    const auto id = acceptance->id;
    const auto subject = acceptance->subject;
    if (auto done = acceptances_.accept(std::move(*acceptance), analyst_.findings(), now); !done) {
        return failure(responder, done.error());
    }
    const auto made = acceptances_.of(id, subject, now);
    success(responder,
            [&](JsonWriter& json) { made ? writeAcceptance(json, *made, now) : (void)json.Null(); });
}

void AcceptancesApi::end(const Request& request, Responder& responder) const {
    const auto form = parseForm(request.query);
    const auto done = form.problem.empty() ? acceptances_.end(first(form.values, "finding"),
                                                              first(form.values, "subject"), nowMs())
                                           : fail(ErrorKind::invalid, form.problem);
    if (done) {
        responder.send(204, "", "");
    } else {
        failure(responder, done.error());
    }
}

bool AcceptancesApi::handle(Request& request, Responder& responder) const {
    if (request.path != kAcceptances) {
        return false;
    }
    if (request.method == "GET" || request.method == "HEAD") {
        list(responder);
    } else if (request.method == "POST") {
        accept(request, responder);
    } else if (request.method == "DELETE") {
        end(request, responder);
    } else {
        responder.header("Allow", "GET, POST, DELETE");
        failure(responder, 405, "bad_data", "method not allowed");
    }
    return true;
}

}  // namespace lapwing::api
