#include <fmt/core.h>
#include <pwd.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/notify/matchers.h"
#include "collector/notify/payload.h"
#include "common/http/client.h"

namespace lapwing::collector {
namespace {

using rapidjson::Document;
using rapidjson::Value;

constexpr auto kPatience = std::chrono::seconds(10);

/// Asks at the administrators' socket. Complains and sets the exit code if the answer is not 200.
std::optional<std::string> ask(const Config& config, const std::string& method, const std::string& path,
                               const std::string& body, int& code) {
    code = kUnreachable;
    if (config.admin.socket.empty()) {
        fmt::print(stderr,
                   "silences are kept by the running collector, and its configuration has no admin.socket\n");
        return std::nullopt;
    }
    http::Request request;
    request.method = method;
    request.path = path;
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body;
    auto client = http::Client::create("unix:" + config.admin.socket);
    const auto response = client ? client->request(request, kPatience)
                                 : Expected<http::Response>(tl::unexpected(client.error()));
    if (!response) {
        fmt::print(stderr, "cannot reach the collector: {}\n", response.error().message);
        return std::nullopt;
    }
    if (response->status == 200) {
        code = kFine;
        return response->body;
    }
    Document answer;
    answer.Parse(response->body.data(), response->body.size());
    const bool said = !answer.HasParseError() && answer.IsString();
    fmt::print(stderr, "the collector refuses: {}\n",
               said ? answer.GetString() : "HTTP " + std::to_string(response->status));
    if (response->status == 400 || response->status == 404) {
        code = kWrongUsage;
    }
    return std::nullopt;
}

std::string userName() {
    if (const char* user = std::getenv("SUDO_USER"); user != nullptr && *user != '\0') {
        return user;
    }
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
        return found->pw_name;
    }
    return "uid " + std::to_string(::getuid());
}

std::string member(const Value& object, const char* name) {
    const auto found = object.FindMember(name);
    if (found == object.MemberEnd() || !found->value.IsString()) {
        return {};
    }
    std::string text(found->value.GetString(), found->value.GetStringLength());
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return text;
}

/// The matchers and the length of what is to be silent. Error `invalid`, in words for a person.
Expected<std::pair<storage::Matchers, std::int64_t>> understand(const SilenceRequest& request) {
    storage::Matchers matchers;
    const bool host = request.words.size() == 2;
    if (!host && (request.words.empty() || request.matchers.empty())) {
        return fail(ErrorKind::invalid,
                    "whom, and for how long? silence HOST 30m, or silence 30m --matcher NAME=VALUE");
    }
    if (host) {
        auto matcher =
            storage::Matcher::create(storage::Matcher::Type::equal, "instance", request.words.front());
        if (!matcher) {
            return tl::unexpected(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    for (const auto& text : request.matchers) {
        auto matcher = notify::parseMatcher(text);
        if (!matcher) {
            return tl::unexpected(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    const auto length = config::parseDuration(request.words.back());
    if (!length) {
        return tl::unexpected(length.error());
    }
    if (*length <= 0) {
        return fail(ErrorKind::invalid, "for how long? as in silence HOST 30m");
    }
    return std::pair{std::move(matchers), *length};
}

}  // namespace

int silence(const std::string& config_file, const SilenceRequest& request) {
    const auto what = understand(request);
    if (!what) {
        fmt::print(stderr, "{}\n", what.error().message);
        return kWrongUsage;
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const TimestampMs now = nowMs();
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
    json.StartObject();
    const auto field = [&](const char* name, const std::string& value) {
        json.Key(name);
        json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    };
    json.Key("matchers");
    notify::writeMatchers(json, what->first);
    field("startsAt", notify::formatTime(now));
    field("endsAt", notify::formatTime(now + what->second));
    field("createdBy", userName());
    field("comment", request.comment);
    json.EndObject();
    int code = kFine;
    const auto answer = ask(*config, "POST", "/api/v2/silences", buffer.GetString(), code);
    if (!answer) {
        return code;
    }
    Document document;
    document.Parse(answer->data(), answer->size());
    std::string matchers;
    for (const auto& matcher : what->first) {
        matchers += (matchers.empty() ? "" : ", ") + notify::toString(matcher);
    }
    fmt::print("{}: silent until {}: {}\n", document.IsObject() ? member(document, "silenceID") : "",
               notify::formatTime(now + what->second), matchers);
    if (!config->notify.alertmanager.empty()) {
        fmt::print("Alertmanager is told as before: it has silences of its own.\n");
    }
    return kFine;
}

int listSilences(const std::string& config_file, bool json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = ask(*config, "GET", "/api/v2/silences", "", code);
    if (!answer) {
        return code;
    }
    if (json) {
        fmt::print("{}\n", *answer);
        return kFine;
    }
    Document document;
    document.Parse(answer->data(), answer->size());
    if (document.HasParseError() || !document.IsArray()) {
        fmt::print(stderr, "the collector's answer is not understood\n");
        return kUnreachable;
    }
    for (const auto& entry : document.GetArray()) {
        std::string matchers;
        if (const auto read = notify::readMatchers(entry["matchers"])) {
            for (const auto& matcher : *read) {
                matchers += (matchers.empty() ? "" : ", ") + notify::toString(matcher);
            }
        }
        const std::string comment = member(entry, "comment");
        fmt::print("{}  {}  until {}  {}  by {}{}\n", member(entry, "id"), member(entry["status"], "state"),
                   member(entry, "endsAt"), matchers, member(entry, "createdBy"),
                   comment.empty() ? "" : ": " + comment);
    }
    if (document.Empty()) {
        fmt::print("no silences\n");
    }
    return kFine;
}

int expireSilence(const std::string& config_file, const std::string& id) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const bool plain =
        std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
    if (id.empty() || !plain) {
        fmt::print(stderr, "that is no silence's id; lapwing-collector silence list shows them\n");
        return kWrongUsage;
    }
    if (ask(*config, "DELETE", "/api/v2/silence/" + id, "", code)) {
        fmt::print("{}: ended\n", id);
    }
    return code;
}

}  // namespace lapwing::collector
