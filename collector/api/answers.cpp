#include "collector/api/answers.h"

#include <sstream>

namespace lapwing::api {
namespace {

void list(JsonWriter& json, const char* name, const std::vector<std::string>& texts) {
    if (texts.empty()) {
        return;
    }
    key(json, name);
    json.StartArray();
    for (const auto& each : texts) {
        text(json, each);
    }
    json.EndArray();
}

}  // namespace

void success(Responder& responder, const std::function<void(JsonWriter&)>& data,
             const std::vector<std::string>& warnings, const std::vector<std::string>& infos) {
    JsonSink sink(responder.stream(200, kJson));
    JsonWriter json(sink);
    json.StartObject();
    field(json, "status", "success");
    key(json, "data");
    data(json);
    list(json, "warnings", warnings);
    list(json, "infos", infos);
    json.EndObject();
    sink.Flush();
}

void failure(Responder& responder, int status, const std::string& type, const std::string& message) {
    std::ostringstream body;
    JsonSink sink(body);
    JsonWriter json(sink);
    json.StartObject();
    field(json, "status", "error");
    field(json, "errorType", type);
    field(json, "error", message);
    json.EndObject();
    sink.Flush();
    responder.send(status, kJson, body.str());
}

void failure(Responder& responder, const Error& error) {
    switch (error.kind) {
        case ErrorKind::invalid:
            return failure(responder, 400, "bad_data", error.message);
        case ErrorKind::execution:
        case ErrorKind::exhausted:
            return failure(responder, 422, "execution", error.message);
        case ErrorKind::timeout:
            return failure(responder, 503, "timeout", error.message);
        case ErrorKind::unavailable:
            return failure(responder, 503, "unavailable", error.message);
        case ErrorKind::not_found:
            return failure(responder, 404, "not_found", error.message);
        default:
            return failure(responder, 500, "internal", error.message);
    }
}

}  // namespace lapwing::api
