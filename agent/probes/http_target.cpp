#include "agent/probes/http_target.h"

#include <utility>

#include "agent/probes/switch.h"
#include "common/config/reader.h"
#include "common/http/url.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent {

bool HttpTarget::isLocal() const {
    return host.empty() || isLoopback(host);
}

Expected<http::Request> HttpTarget::request() const {
    http::Request out;
    out.path = path;
    if (!server_name.empty()) {
        auto named = http::Url::parse(base).value_or(http::Url());
        named.host = server_name;
        out.headers.emplace_back("Host", named.authority());
    }
    if (!user.empty()) {
        const auto password = readSecret(password_file);
        if (!password) {
            return tl::unexpected(password.error());
        }
        out.headers.push_back(basicAuthorization(user, *password));
    }
    return out;
}

std::string unexpectedStatus(const http::Response& response) {
    std::string status = "HTTP " + std::to_string(response.status);
    const auto says = [&](std::string_view words) { return response.body.find(words) != std::string::npos; };
    switch (response.status) {
        case 400:
            // Nginx, Apache and Go, in this order.
            if (says("plain HTTP request was sent to HTTPS port") ||
                says("speaking plain HTTP to an SSL-enabled") || says("HTTP request to an HTTPS server")) {
                return status + ": the port speaks TLS: the URL needs https://";
            }
            if (says("SSL certificate")) {
                return status + ": the server requires a client certificate, or refuses this one";
            }
            return status;
        case 401:
            return status + ": user and password_file are needed, or wrong";
        case 407:
            return status + ": a proxy wants a password";
        case 421:
            return status + ": the server is not responsible for this name (server_name)";
        default:
            return status;
    }
}

ErrorKind kindOfStatus(int status) {
    switch (status) {
        case 401:
        case 403:
        case 407:
            return ErrorKind::denied;
        case 404:
            return ErrorKind::not_found;
        default:
            return ErrorKind::protocol;
    }
}

prometheus::MetricFamily refusalFamily(const std::string& words) {
    constexpr std::size_t most_words = 300;
    auto out = gauge(metric::kProbeRefusedInfo, "1 while the server answers and refuses the agent; why.");
    add(out, {{"detail", words.substr(0, most_words)}}, 1);
    return out;
}

bool provesServer(const Error& error) {
    return error.kind == ErrorKind::tls;
}

Expected<HttpTarget> parseTarget(const std::string& url) {
    HttpTarget out;
    out.url = url;
    out.path = "/";
    if (url.starts_with("unix:")) {
        const auto colon = url.find(":/", 5);
        out.base = url.substr(0, colon);
        if (colon != std::string::npos) {
            out.path = url.substr(colon + 1);
        }
    } else {
        const auto parsed = http::Url::parse(url);
        if (!parsed) {
            return tl::unexpected(parsed.error());
        }
        out.base = parsed->server();
        out.path = parsed->target;
        out.host = parsed->host;
        return out;
    }
    if (auto client = http::Client::create(out.base); !client) {
        return tl::unexpected(client.error());
    }
    return out;
}

Expected<HttpTarget> readTarget(const config::Node& node) {
    std::string url;
    const auto place = node["url"];
    place.read(url);
    if (!place.present()) {
        node.problem(node.path() + " needs a url");
        return fail(ErrorKind::invalid, "no url");
    }
    auto target = parseTarget(url);
    if (!target) {
        place.problem(place.path() + ": " + target.error().message);
        return target;
    }
    node["server_name"].read(target->server_name);
    if (target->server_name.find_first_of(" /:\r\n") != std::string::npos) {
        node["server_name"].problem(node["server_name"].path() + " must be a name without a port");
        return fail(ErrorKind::invalid, "server_name");
    }
    node["user"].read(target->user);
    node["password_file"].read(target->password_file);
    node["ca"].read(target->ca_file);
    if (target->user.empty() != target->password_file.empty()) {
        node.problem(node.path() + ": user and password_file go together");
        return fail(ErrorKind::invalid, "user without password_file");
    }
    return target;
}

void readHeaders(const config::Node& node, http::Headers& out) {
    node.forEachPair([&](const std::string& name, const config::Node& value) {
        std::string text;
        value.read(text);
        const bool plain = text.find_first_of("\r\n") == std::string::npos &&
                           name.find_first_of(" :\r\n") == std::string::npos && !name.empty();
        if (!plain) {
            value.problem(value.path() + " is no usable header");
            return;
        }
        out.emplace_back(name, std::move(text));
    });
}

}  // namespace lapwing::agent
