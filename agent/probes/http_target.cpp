#include "agent/probes/http_target.h"

#include <algorithm>

#include "agent/probes/switch.h"
#include "common/config/reader.h"
#include "common/endpoint.h"
#include "common/http/client.h"

namespace lapwing::agent {

bool HttpTarget::isLocal() const {
    return host.empty() || isLoopback(host);
}

Expected<HttpTarget> parseTarget(const std::string& url) {
    HttpTarget out;
    out.url = url;
    out.path = "/";
    const bool is_unix = url.starts_with("unix:");
    if (is_unix) {
        const auto colon = url.find(":/", 5);
        out.base = url.substr(0, colon);
        if (colon != std::string::npos) {
            out.path = url.substr(colon + 1);
        }
    } else {
        const auto start = url.find("://");
        if (start == std::string::npos) {
            return fail(ErrorKind::invalid, "not an absolute URL (http://HOST/...)");
        }
        const auto end = std::min(url.find_first_of("/?#", start + 3), url.size());
        const auto authority = url.substr(start + 3, end - start - 3);
        if (authority.find('@') != std::string::npos) {
            return fail(ErrorKind::invalid,
                        "credentials do not belong into a URL: use user and password_file instead");
        }
        out.base = url.substr(0, end);
        if (end < url.size() && url[end] != '#') {
            out.path = url.substr(end, url.find('#', end) - end);
            if (out.path[0] == '?') {
                out.path.insert(0, "/");
            }
        }
    }
    // Checks the rest of the URL; it opens no connection.
    if (auto client = http::Client::create(out.base); !client) {
        return tl::unexpected(client.error());
    }
    if (!is_unix) {
        const auto endpoint = Endpoint::ofUrl(out.base);
        if (!endpoint) {
            return fail(ErrorKind::invalid, "the URL names no usable host");
        }
        out.host = endpoint->host;
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
    node["user"].read(target->user);
    node["password_file"].read(target->password_file);
    node["ca"].read(target->ca_file);
    if (target->user.empty() != target->password_file.empty()) {
        node.problem(node.path() + ": user and password_file go together");
        return fail(ErrorKind::invalid, "user without password_file");
    }
    return target;
}

}  // namespace lapwing::agent
