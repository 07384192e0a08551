#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/notify/matchers.h"
#include "collector/notify/payload.h"
#include "common/http/client.h"
#include "common/json.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::collector {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

/// Sends a request to the administrators' socket. If the answer is not 200, prints the reason and sets the
/// exit code.
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
    const auto response =
        client ? client->request(request, kPatience) : Expected<http::Response>(fail(client.error()));
    if (!response) {
        fmt::print(stderr, "cannot reach the collector: {}\n", response.error().message);
        return std::nullopt;
    }
    if (response->status == 200) {
        code = kFine;
        return response->body;
    }
    const auto reason = json::text(json::parse(response->body));
    fmt::print(stderr, "the collector refuses: {}\n",
               reason.empty() ? "HTTP " + std::to_string(response->status) : reason);
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

std::string shown(const json::Value& object, const char* name) {
    return printable(json::text(object, name));
}

/// The matchers and the duration of a new silence. Error `invalid`, in words for a person.
Expected<std::pair<storage::Matchers, std::int64_t>> parseRequest(const SilenceRequest& request) {
    storage::Matchers matchers;
    const bool host = request.target_and_duration.size() == 2;
    if (!host && (request.target_and_duration.empty() || request.matchers.empty())) {
        return fail(ErrorKind::invalid,
                    "a silence needs a host or a matcher, and a duration: silence HOST 30m, or silence 30m "
                    "--matcher NAME=VALUE");
    }
    if (host) {
        auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "instance",
                                                request.target_and_duration.front());
        if (!matcher) {
            return fail(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    for (const auto& text : request.matchers) {
        auto matcher = notify::parseMatcher(text);
        if (!matcher) {
            return fail(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    const auto length = config::parseDuration(request.target_and_duration.back());
    if (!length) {
        return fail(length.error());
    }
    if (*length <= 0) {
        return fail(ErrorKind::invalid, "the duration must be positive, as in silence HOST 30m");
    }
    return std::pair{std::move(matchers), *length};
}

}  // namespace

int silence(const std::string& config_file, const SilenceRequest& request) {
    const auto parsed = parseRequest(request);
    if (!parsed) {
        fmt::print(stderr, "{}\n", parsed.error().message);
        return kWrongUsage;
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const TimestampMs now = nowMs();
    json::Writer body;
    body.StartObject();
    json::key(body, "matchers");
    notify::writeMatchers(body, parsed->first);
    json::put(body, "startsAt", rfc3339Milliseconds(now));
    json::put(body, "endsAt", rfc3339Milliseconds(now + parsed->second));
    json::put(body, "createdBy", userName());
    json::put(body, "comment", request.comment);
    body.EndObject();
    int code = kFine;
    const auto answer = ask(*config, "POST", "/api/v2/silences", body.text(), code);
    if (!answer) {
        return code;
    }
    std::string matchers;
    for (const auto& matcher : parsed->first) {
        matchers += (matchers.empty() ? "" : ", ") + notify::toString(matcher);
    }
    fmt::print("{}: silent until {}: {}\n", shown(json::parse(*answer), "silenceID"),
               rfc3339Milliseconds(now + parsed->second), matchers);
    if (!config->notify.alertmanager.empty()) {
        fmt::print("Alertmanager still gets these alerts: it has silences of its own.\n");
    }
    return kFine;
}

int listSilences(const std::string& config_file, bool as_json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = ask(*config, "GET", "/api/v2/silences", "", code);
    if (!answer) {
        return code;
    }
    if (as_json) {
        fmt::print("{}\n", *answer);
        return kFine;
    }
    const auto document = json::parse(*answer);
    if (!document.IsArray()) {
        fmt::print(stderr, "the collector's answer cannot be read\n");
        return kUnreachable;
    }
    for (const auto& entry : document.GetArray()) {
        std::string matchers;
        if (const auto read = notify::readMatchers(json::member(entry, "matchers"))) {
            for (const auto& matcher : *read) {
                matchers += (matchers.empty() ? "" : ", ") + notify::toString(matcher);
            }
        }
        const std::string comment = shown(entry, "comment");
        fmt::print("{}  {}  until {}  {}  by {}{}\n", shown(entry, "id"),
                   shown(json::member(entry, "status"), "state"), shown(entry, "endsAt"), matchers,
                   shown(entry, "createdBy"), comment.empty() ? "" : ": " + comment);
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
        fmt::print(stderr, "not the id of a silence; lapwing-collector silence list shows the ids\n");
        return kWrongUsage;
    }
    if (ask(*config, "DELETE", "/api/v2/silence/" + id, "", code)) {
        fmt::print("{}: ended\n", id);
    }
    return code;
}

}  // namespace lapwing::collector
