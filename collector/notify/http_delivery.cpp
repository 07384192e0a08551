#include "collector/notify/http_delivery.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/endpoint.h"
#include "common/http/client.h"
#include "common/http/credentials.h"
#include "common/http/retry.h"
#include "common/http/url.h"
#include "common/text.h"

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

using Kind = DeliveryFailure::Kind;
using Clock = std::chrono::steady_clock;

constexpr int kMostRedirects = 5;
constexpr const char* kAuthorization = "Authorization";

tl::unexpected<DeliveryFailure> failure(Kind kind, std::string message,
                                        std::optional<std::chrono::milliseconds> retry_after = {}) {
    return tl::unexpected(DeliveryFailure{kind, std::move(message), retry_after});
}

tl::unexpected<DeliveryFailure> failure(const Error& error) {
    const bool answers = error.kind == ErrorKind::timeout || error.kind == ErrorKind::protocol ||
                         error.kind == ErrorKind::exhausted;
    return failure(answers ? Kind::later : Kind::unreached, error.message);
}

/// Replaces parts of the URL's path and query, and the given secrets: a receiver may repeat them in its
/// answer.
std::string withoutSecrets(std::string words, const std::string& url, std::vector<std::string> secrets) {
    constexpr std::size_t least = 6;
    for (std::string_view rest = std::string_view(url).substr(originOf(url).size()); !rest.empty();) {
        const auto end = rest.find_first_of("/?&=#");
        secrets.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    // The longest first: a short one may be a part of it.
    std::sort(secrets.begin(), secrets.end(),
              [](const auto& one, const auto& other) { return one.size() > other.size(); });
    for (const auto& secret : secrets) {
        for (auto at = words.find(secret); secret.size() >= least && at != std::string::npos;
             at = words.find(secret, at)) {
            words.replace(at, secret.size(), "***");
        }
    }
    return words;
}

/// What a status other than 2xx says about the notification.
Kind kindOf(int status) {
    switch (status) {
        case 408:
        case 425:
        case 429:
            return Kind::later;
        case 400:
        case 413:
        case 415:
        case 422:
            return Kind::refused;
        default:
            return status >= 500 ? Kind::later : Kind::denied;
    }
}

Delivered judge(const http::Response& response, const std::string& url,
                const std::vector<std::string>& secrets) {
    if (response.status / 100 == 2) {
        return {};
    }
    auto message = "answered HTTP " + std::to_string(response.status);
    if (const auto words = http::firstLine(response.body); !words.empty()) {
        message += ": " + withoutSecrets(words, url, secrets);
    }
    std::optional<std::chrono::milliseconds> pause;
    if (kindOf(response.status) == Kind::later) {
        pause = http::retryAfter(response.header("Retry-After"), nowMs() / 1000);
    }
    return failure(kindOf(response.status), std::move(message), pause);
}

/// Where a redirect leads; nothing for any other answer.
Expected<std::optional<http::Url>> redirected(const http::Response& response, const std::string& from) {
    if (response.status != 307 && response.status != 308) {
        return std::nullopt;
    }
    const auto base = http::Url::parse(from);
    if (!base) {
        return fail(base.error());
    }
    const auto target = base->resolve(response.header("Location"));
    if (!target) {
        return fail(ErrorKind::protocol, "redirects to an address that is no http or https URL");
    }
    if (base->tls && !target->tls) {
        return fail(ErrorKind::tls, "redirects to http: use the receiver's own https URL");
    }
    return *target;
}

/// `own`: headers for the first server only; `secrets`: texts that no message repeats.
Delivered exchange(std::string url, http::Request request, const std::string& ca_file, http::Headers own,
                   const std::vector<std::string>& secrets, std::chrono::milliseconds deadline) {
    const auto common = request.headers;
    request.headers.insert(request.headers.end(), own.begin(), own.end());
    request.max_response_bytes = 64U << 10;
    http::ClientTls tls;
    tls.ca_file = ca_file;
    const auto until = Clock::now() + deadline;
    for (int redirects = 0;; ++redirects) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        const auto response = http::fetch(url, request, std::max(left, std::chrono::milliseconds(1)), tls);
        if (!response) {
            return failure(response.error());
        }
        const auto next = redirected(*response, url);
        if (!next) {
            return failure(Kind::denied, next.error().message);
        }
        if (!*next) {
            return judge(*response, url, secrets);
        }
        if (redirects == kMostRedirects) {
            return failure(Kind::denied, "redirects more than " + std::to_string(kMostRedirects) + " times");
        }
        const auto before = http::Url::parse(url);
        if (!before || !before->sameServer(**next)) {
            request.headers = common;
        }
        url = (*next)->toString();
    }
}

http::Headers usualHeaders() {
    return {{"User-Agent", "lapwing-collector"}};
}

}  // namespace

bool isContentType(const std::string& header) {
    return equalsIgnoreCase(header, "content-type");
}

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

Delivered postJson(const HttpTarget& target, std::string body, std::chrono::milliseconds deadline) {
    auto url = urlOf(target.url, target.url_file);
    if (!url) {
        return failure(url.error());
    }
    http::Request request;
    request.method = target.method;
    request.headers = usualHeaders();
    http::Headers own;
    std::vector<std::string> secrets;
    const auto add_secret = [&](const std::string& name, const std::string& file,
                                const std::string& before) -> Expected<void> {
        if (sendsInClear(*url)) {
            return fail(ErrorKind::tls, "the secret of " + file + " is not sent in clear: use https");
        }
        auto secret = readSecret(file);
        if (!secret) {
            return fail(secret.error());
        }
        secrets.push_back(*secret);
        own.emplace_back(name, before + *secret);
        return {};
    };
    if (!target.token_file.empty()) {
        if (auto added = add_secret(kAuthorization, target.token_file, "Bearer "); !added) {
            return failure(added.error());
        }
    }
    for (const auto& [name, file] : target.header_files) {
        if (auto added = add_secret(name, file, ""); !added) {
            return failure(added.error());
        }
    }
    bool typed = false;
    for (const auto& [name, value] : target.headers) {
        typed = typed || isContentType(name);
        (isContentType(name) ? request.headers : own).emplace_back(name, value);
        if (!isContentType(name)) {
            secrets.push_back(value);
            secrets.push_back(value.substr(value.rfind(' ') + 1));  // without the scheme before a token
        }
    }
    if (!typed) {
        request.headers.emplace_back("Content-Type", "application/json");
    }
    request.body = std::move(body);
    return exchange(*url + target.path, std::move(request), target.ca_file, std::move(own), secrets,
                    deadline);
}

Delivered sendHeartbeat(const HeartbeatConfig& config, std::chrono::milliseconds deadline) {
    const auto url = urlOf(config.url, config.url_file);
    if (!url) {
        return failure(url.error());
    }
    http::Request request;
    request.method = config.method;
    request.headers = usualHeaders();
    if (config.method == "POST") {
        request.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
        request.body = "Lapwing: store, rules and notifications work\n";
    }
    return exchange(*url, std::move(request), config.ca_file, {}, {}, deadline);
}

}  // namespace lapwing::notify
