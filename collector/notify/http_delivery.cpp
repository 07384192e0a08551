#include "collector/notify/http_delivery.h"

#include <algorithm>

#include "common/http/client.h"
#include "common/http/credentials.h"

namespace lapwing::notify {
namespace {

std::string authorityOf(const std::string& url) {
    const auto start = url.find("://") + 3;
    return url.substr(start, url.find_first_of("/?#", start) - start);
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
        return fail(ErrorKind::invalid, url_file + ": what it holds " + usable.error().message);
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
        return tl::unexpected<Error>(response.error());
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
    const bool scheme = url.rfind("http://", 0) == 0 || url.rfind("https://", 0) == 0;
    const auto authority = scheme ? authorityOf(url) : std::string();
    if (authority.empty()) {
        return fail(ErrorKind::invalid, "must be an http:// or https:// URL");
    }
    if (authority.find('@') != std::string::npos) {
        return fail(ErrorKind::invalid, "must not hold credentials; use bearer_token_file");
    }
    // It opens no connection; its own message may repeat the URL.
    if (!http::Client::create(url.substr(0, url.find(authority) + authority.size()))) {
        return fail(ErrorKind::invalid, "must be an http:// or https:// URL");
    }
    return {};
}

bool sendsInClear(const std::string& url) {
    if (url.rfind("http://", 0) != 0) {
        return false;
    }
    const auto authority = authorityOf(url);
    if (authority.rfind("[::1]", 0) == 0) {
        return false;
    }
    const auto host = authority.substr(0, authority.find(':'));
    const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
    return !(host == "localhost" || (numeric && host.rfind("127.", 0) == 0));
}

Expected<void> postJson(const HttpTarget& target, std::string body, std::chrono::milliseconds deadline) {
    auto url = urlOf(target.url, target.url_file);
    if (!url) {
        return tl::unexpected<Error>(url.error());
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
            return tl::unexpected<Error>(token.error());
        }
        request.headers.emplace_back("Authorization", "Bearer " + *token);
    }
    request.body = std::move(body);
    return exchange(*url + target.path, std::move(request), target.ca_file, deadline);
}

Expected<void> sendHeartbeat(const HeartbeatConfig& config, std::chrono::milliseconds deadline) {
    const auto url = urlOf(config.url, config.url_file);
    if (!url) {
        return tl::unexpected<Error>(url.error());
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
