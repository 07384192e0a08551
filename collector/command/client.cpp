#include "collector/command/client.h"

#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

}  // namespace

Collector::Collector(const Config& config) {
    if (!config.admin.socket.empty()) {
        admin_ = "unix:" + config.admin.socket;
        bases_.push_back(admin_);
    }
    for (const auto& endpoint : config.http.listen) {
        if (endpoint.loopback()) {
            bases_.push_back("http://" + endpoint.toString());
        }
    }
}

Expected<http::Response> Collector::get(const std::string& path) const {
    Error last{ErrorKind::unreachable,
               "the configuration names neither an admin socket nor a loopback listener"};
    for (const auto& base : bases_) {
        auto client = http::Client::create(base);
        if (!client) {
            last = client.error();
            continue;
        }
        http::Request request;
        request.path = path;
        request.max_response_bytes = 64U << 20;
        auto response = client->request(request, kPatience);
        if (response) {
            return *response;
        }
        last = response.error();
    }
    return fail(last);
}

Expected<http::Response> Collector::administer(const std::string& path, const std::string& method,
                                               const std::string& body) const {
    if (admin_.empty()) {
        return fail(ErrorKind::unreachable, "the configuration has no admin.socket");
    }
    auto client = http::Client::create(admin_);
    if (!client) {
        return fail(client.error());
    }
    http::Request request;
    request.method = method;
    request.path = path;
    if (!body.empty()) {
        request.headers.emplace_back("Content-Type", "application/json");
        request.body = body;
    }
    return client->request(request, kPatience);
}

bool isAnswered(const Expected<http::Response>& answer, int status, int& code) {
    if (answer && answer->status == status) {
        code = kFine;
        return true;
    }
    code = answer && answer->status < 500 ? kWrongUsage : kUnreachable;
    if (!answer) {
        fmt::print(stderr, "cannot reach the collector: {}\n", answer.error().message);
        return false;
    }
    const auto document = json::parse(answer->body);
    const auto said = document.IsString() ? json::text(document) : json::text(document, "error");
    fmt::print(stderr, "the collector refuses: {}\n",
               said.empty() ? "HTTP " + std::to_string(answer->status) : printable(said));
    return false;
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

std::string member(const json::Value& object, const char* name) {
    const auto number = json::number(object, name);
    return number ? fmt::format("{}", *number) : json::text(object, name);
}

std::string shown(const json::Value& object, const char* name) {
    return printable(member(object, name));
}

std::optional<Answer> ask(const Collector& collector, const std::string& path, int& code) {
    const auto response = collector.get(path);
    if (!response) {
        fmt::print(stderr, "cannot reach the collector: {}\n", response.error().message);
        code = kUnreachable;
        return std::nullopt;
    }
    Answer answer{response->body, json::parse(response->body)};
    if (response->status != 200 || !answer.document.IsObject() || !answer.document.HasMember("data")) {
        fmt::print(stderr, "the collector answered {} to {}\n", response->status, path);
        code = kUnreachable;
        return std::nullopt;
    }
    return answer;
}

int show(const std::string& config_file, bool as_json, const std::string& path,
         const std::function<int(const json::Value&, bool quiet)>& print) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = ask(Collector(*config), path, code);
    if (!answer) {
        return code;
    }
    if (as_json) {
        fmt::print("{}\n", answer->body);
    }
    return print(answer->document["data"], as_json);
}

bool isAccepted(const json::Value& finding) {
    return json::text(json::member(finding, "acceptance"), "state") == "accepted";
}

std::string plainLines(const std::string& text) {
    std::string out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::replace(line.begin(), line.end(), '\t', ' ');
        out += printable(std::move(line)) + "\n";
    }
    return out;
}

}  // namespace lapwing::collector
