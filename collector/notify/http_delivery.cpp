#include "collector/notify/http_delivery.h"

#include <algorithm>

#include "common/endpoint.h"
#include "common/http/client.h"
#include "common/http/credentials.h"

namespace lapwing::notify {
namespace {

/// Scheme, host and port: the URL before its path.
std::string originOf(const std::string& url) {
    return url.substr(0, url.find_first_of("/?#", url.find("://") + 3));
}

Expected<std::string> urlOf(const std::string& url, const std::string& url_file) {
    if (url_file.empty()) {
        return url;
    }
    auto read = readSecret(url_file);
    if (!read) {
        return read;
    }
    if (const auto usable = checkUrl(*read); !usable) {
        return fail(ErrorKind::invalid, url_file + ": its URL " + usable.error().message);
    }
    return read;
}

Expected<void> exchange(const std::string& url, http::Request request, const std::string& ca_file,
                        std::chrono::milliseconds deadline) {
    request.headers.emplace_back("User-Agent", "lapwing-collector");
    request.max_response_bytes = 64U << 10;
    http::ClientTls tls;
    tls.ca_file = ca_file;
    const auto response = http::fetch(url, std::move(request), deadline, tls);
    if (!response) {
        return fail(response.error());
    }
    if (response->status / 100 == 2) {
        return {};
    }
    return fail(ErrorKind::protocol, "answered HTTP " + std::to_string(response->status));
}

}  // namespace

Expected<std::string> readSecret(const std::string& path) {
    auto secret = http::readSecret(path);
    if (!secret) {
        return fail(secret.error().kind, "reading " + secret.error().message);
    }
    while (!secret->empty() && secret->back() == ' ') {
        secret->pop_back();
    }
    if (secret->empty()) {
        return fail(ErrorKind::invalid, "reading " + path + ": its first line is empty");
    }
    return secret;
}

Expected<void> checkUrl(const std::string& url) {
    const bool has_scheme = url.starts_with("http://") || url.starts_with("https://");
    const auto origin = has_scheme ? originOf(url) : std::string();
    if (origin.find('@') != std::string::npos) {
        return fail(ErrorKind::invalid, "must not hold credentials; use bearer_token_file");
    }
    // The client's own message may repeat the URL. Creating a client opens no connection.
    if (!has_scheme || !http::Client::create(origin)) {
        return fail(ErrorKind::invalid, "must be an http:// or https:// URL");
    }
    return {};
}

bool sendsInClear(const std::string& url) {
    if (!url.starts_with("http://")) {
        return false;
    }
    const auto server = Endpoint::ofUrl(url);
    return !server || !server->loopback();
}

Expected<void> postJson(const HttpTarget& target, std::string body, std::chrono::milliseconds deadline) {
    auto url = urlOf(target.url, target.url_file);
    if (!url) {
        return fail(url.error());
    }
    http::Request request;
    request.method = "POST";
    request.headers.emplace_back("Content-Type", "application/json");
    if (!target.token_file.empty()) {
        if (sendsInClear(*url)) {
            return fail(ErrorKind::denied,
                        "the token of " + target.token_file + " is not sent in clear: use https");
        }
        const auto token = readSecret(target.token_file);
        if (!token) {
            return fail(token.error());
        }
        request.headers.emplace_back("Authorization", "Bearer " + *token);
    }
    request.body = std::move(body);
    return exchange(*url + target.path, std::move(request), target.ca_file, deadline);
}

Expected<void> sendHeartbeat(const HeartbeatConfig& config, std::chrono::milliseconds deadline) {
    const auto url = urlOf(config.url, config.url_file);
    if (!url) {
        return fail(url.error());
    }
    http::Request request;
    request.method = config.method;
    if (config.method == "POST") {
        request.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
        request.body = "Lapwing: store, rules and notifications work\n";
    }
    return exchange(*url, std::move(request), config.ca_file, deadline);
}

}  // namespace lapwing::notify
