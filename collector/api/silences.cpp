#include "collector/api/silences.h"

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/notify/matchers.h"
#include "collector/notify/silences.h"
#include "common/json.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

constexpr std::string_view kSilences = "/api/v2/silences";
constexpr std::string_view kSilence = "/api/v2/silence/";
constexpr std::size_t kMostBytes = 64U << 10;

void write(JsonWriter& json, const notify::Silence& silence, TimestampMs now) {
    json.StartObject();
    field(json, "id", silence.id);
    key(json, "status");
    json.StartObject();
    field(json, "state", silence.state(now));
    json.EndObject();
    field(json, "startsAt", rfc3339(silence.starts_at));
    field(json, "endsAt", rfc3339(silence.ends_at));
    field(json, "updatedAt", rfc3339(silence.updated_at));
    field(json, "createdBy", silence.created_by);
    field(json, "comment", silence.comment);
    key(json, "matchers");
    notify::writeMatchers(json, silence.matchers);
    json.EndObject();
}

void refuse(Responder& responder, int status, const std::string& message) {
    JsonSink sink(responder.stream(status, kJson));
    JsonWriter json(sink);
    text(json, message);
    sink.Flush();
}

void refuse(Responder& responder, const Error& error) {
    int status = 503;
    if (error.kind == ErrorKind::invalid || error.kind == ErrorKind::exhausted) {
        status = 400;
    }
    if (error.kind == ErrorKind::not_found) {
        status = 404;
    }
    refuse(responder, status, error.message);
}

void refuseMethod(Responder& responder, const char* allowed) {
    responder.header("Allow", allowed);
    refuse(responder, 405, "method not allowed");
}

Expected<notify::Silence> read(const std::string& body) {
    const auto document = json::parse(body);
    if (!document.IsObject() || !document.HasMember("matchers")) {
        return fail(ErrorKind::invalid, "a silence is an object with matchers, startsAt and endsAt");
    }
    auto matchers = notify::readMatchers(document["matchers"]);
    if (!matchers) {
        return fail(matchers.error());
    }
    const auto begins = parseTime(json::text(document, "startsAt"));
    const auto ends = parseTime(json::text(document, "endsAt"));
    if (!begins || !ends) {
        return fail(ErrorKind::invalid, "startsAt and endsAt must be times (RFC 3339)");
    }
    notify::Silence silence;
    silence.id = json::text(document, "id");
    silence.matchers = std::move(*matchers);
    silence.starts_at = *begins;
    silence.ends_at = *ends;
    silence.created_by = json::text(document, "createdBy");
    silence.comment = json::text(document, "comment");
    return silence;
}

}  // namespace

void SilencesApi::answerList(Responder& responder) const {
    const TimestampMs now = nowMs();
    JsonSink sink(responder.stream(200, kJson));
    JsonWriter json(sink);
    json.StartArray();
    for (const auto& silence : silences_.list(now)) {
        write(json, silence, now);
    }
    json.EndArray();
    sink.Flush();
}

void SilencesApi::set(Request& request, Responder& responder) const {
    const auto body = request.body(kMostBytes);
    if (!body) {
        return refuse(responder, 400, body.error().message);
    }
    auto silence = read(*body);
    if (!silence) {
        return refuse(responder, silence.error());
    }
    const auto id = silences_.set(std::move(*silence), nowMs());
    if (!id) {
        return refuse(responder, id.error());
    }
    JsonSink sink(responder.stream(200, kJson));
    JsonWriter json(sink);
    json.StartObject();
    field(json, "silenceID", *id);
    json.EndObject();
    sink.Flush();
}

void SilencesApi::answerSilence(const std::string& id, const Request& request, Responder& responder) const {
    const TimestampMs now = nowMs();
    if (request.method == "DELETE") {
        const auto expired = silences_.expire(id, now);
        if (!expired) {
            return refuse(responder, expired.error());
        }
        responder.send(200, kJson, "{}");
        return;
    }
    for (const auto& silence : silences_.list(now)) {
        if (silence.id != id) {
            continue;
        }
        JsonSink sink(responder.stream(200, kJson));
        JsonWriter json(sink);
        write(json, silence, now);
        sink.Flush();
        return;
    }
    refuse(responder, 404, "no silence has that id");
}

bool SilencesApi::handle(Request& request, Responder& responder) const {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (request.path == kSilences) {
        if (reads) {
            answerList(responder);
        } else if (request.method == "POST") {
            set(request, responder);
        } else {
            refuseMethod(responder, "GET, POST");
        }
        return true;
    }
    if (!request.path.starts_with(kSilence)) {
        return false;
    }
    if (reads || request.method == "DELETE") {
        answerSilence(request.path.substr(kSilence.size()), request, responder);
    } else {
        refuseMethod(responder, "GET, DELETE");
    }
    return true;
}

}  // namespace lapwing::api
