#include "common/endpoint.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>

#include <algorithm>
#include <charconv>

#include "common/text.h"

namespace lapwing {

namespace {

std::string_view withoutZone(std::string_view host) {
    return host.substr(0, host.find('%'));
}

bool isIpv6(std::string_view host) {
    const auto address = reach::Address::parse(withoutZone(host));
    return address && address->family == reach::Family::ipv6;
}

/// Underscores occur in names of containers and of HAProxy's servers.
bool isName(std::string_view host) {
    return std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
    });
}

bool isHost(std::string_view host) {
    return host.empty() || host == "*" || isName(host) || isIpv6(host);
}

std::optional<Endpoint> bracketed(std::string_view text) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !isIpv6(text.substr(1, end - 1))) {
        return std::nullopt;
    }
    Endpoint out{std::string(text.substr(1, end - 1)), 0};
    const auto rest = text.substr(end + 1);
    if (rest.empty()) {
        return out;
    }
    const auto port = rest.front() == ':' ? parsePort(rest.substr(1)) : std::nullopt;
    if (!port) {
        return std::nullopt;
    }
    out.port = *port;
    return out;
}

}  // namespace

std::optional<std::uint16_t> parsePort(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        return std::nullopt;
    }
    return port;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    if (text.empty()) {
        return std::nullopt;
    }
    if (text.front() == '[') {
        return bracketed(text);
    }
    if (isIpv6(text)) {
        return Endpoint{std::string(text), 0};
    }
    const auto colon = text.rfind(':');
    const auto host = text.substr(0, colon);
    if (!isHost(host)) {
        return std::nullopt;
    }
    if (colon == std::string_view::npos) {
        return Endpoint{std::string(host), 0};
    }
    const auto port = parsePort(text.substr(colon + 1));
    return port ? std::optional(Endpoint{std::string(host), *port}) : std::nullopt;
}

std::optional<Endpoint> Endpoint::beforeLastColon(std::string_view text) {
    const auto colon = text.rfind(':');
    const auto port = colon == std::string_view::npos ? std::nullopt : parsePort(text.substr(colon + 1));
    if (!port) {
        return std::nullopt;
    }
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    return Endpoint{std::string(host), *port};
}

std::optional<Endpoint> Endpoint::ofUrl(std::string_view url) {
    try {
        const bool has_scheme = url.find("://") != std::string_view::npos;
        const Poco::URI parsed(has_scheme ? std::string(url) : "http://" + std::string(url));
        auto host = parsed.getHost();
        if (host.starts_with('[') && host.ends_with(']')) {
            host = host.substr(1, host.size() - 2);
        }
        if (host.empty() || !isHost(host)) {
            return std::nullopt;
        }
        return Endpoint{std::move(host), parsed.getPort()};
    } catch (const Poco::Exception&) {
        return std::nullopt;
    }
}

std::optional<reach::Address> Endpoint::address() const {
    return reach::Address::parse(withoutZone(host));
}

bool Endpoint::loopback() const {
    const auto parsed = address();
    return parsed ? parsed->isLoopback() : equalsIgnoreCase(host, "localhost");
}

std::string Endpoint::toString() const {
    if (port == 0) {
        return host;
    }
    return (isIpv6(host) ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace lapwing
