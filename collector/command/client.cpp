#include "collector/command/client.h"

#include <algorithm>
#include <sstream>
#include <utility>

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

Expected<http::Response> Collector::administer(const std::string& path) const {
    if (admin_.empty()) {
        return fail(ErrorKind::unreachable, "the configuration has no admin.socket");
    }
    auto client = http::Client::create(admin_);
    if (!client) {
        return fail(client.error());
    }
    http::Request request;
    request.method = "POST";
    request.path = path;
    return client->request(request, kPatience);
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
