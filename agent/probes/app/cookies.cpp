#include "agent/probes/app/cookies.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <utility>

#include "agent/probes/text.h"
#include "common/text.h"

namespace lapwing::agent::app {
namespace {

/// Browsers keep at least this many a host, and 4 KiB of each.
constexpr std::size_t kMostCookies = 50;
constexpr std::size_t kMostBytes = 4096;

bool isAddress(std::string_view host) {
    return host.find(':') != std::string_view::npos ||
           host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool domainMatches(std::string_view host, std::string_view domain) {
    if (host == domain) {
        return true;
    }
    return !isAddress(host) && host.size() > domain.size() && host.ends_with(domain) &&
           host[host.size() - domain.size() - 1] == '.';
}

std::string_view pathOf(const http::Url& url) {
    return std::string_view(url.target).substr(0, url.target.find('?'));
}

bool pathMatches(std::string_view request, std::string_view path) {
    return request.starts_with(path) &&
           (request.size() == path.size() || path.back() == '/' || request[path.size()] == '/');
}

/// The forms of RFC 6265, 5.1.1 that servers send.
bool isPast(const std::string& date) {
    for (const char* form : {"%a, %d %b %Y %H:%M:%S", "%a, %d-%b-%Y %H:%M:%S", "%A, %d-%b-%y %H:%M:%S",
                             "%a, %d-%b-%y %H:%M:%S", "%a %b %d %H:%M:%S %Y"}) {
        std::tm time = {};
        if (::strptime(date.c_str(), form, &time) != nullptr) {
            return ::timegm(&time) <= std::time(nullptr);
        }
    }
    return false;
}

bool isZeroOrLess(std::string_view text) {
    std::int64_t seconds = 1;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return seconds <= 0;
}

/// "name=value" of one part of the header.
std::pair<std::string_view, std::string_view> pairOf(std::string_view part) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) {
        return {trimmed(part), {}};
    }
    return {trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1))};
}

}  // namespace

void CookieJar::take(const http::Url& from, std::string_view set_cookie) {
    const auto end = std::min(set_cookie.find(';'), set_cookie.size());
    const auto [name, value] = pairOf(set_cookie.substr(0, end));
    if (name.empty() || set_cookie.size() > kMostBytes) {
        return;
    }
    Cookie cookie{std::string(name), std::string(value), from.host, "", true, false};
    bool expired = false;
    bool has_max_age = false;
    for (auto rest = set_cookie.substr(end); !rest.empty();) {
        rest.remove_prefix(1);
        const auto length = std::min(rest.find(';'), rest.size());
        const auto [attribute, text] = pairOf(rest.substr(0, length));
        rest.remove_prefix(length);
        if (equalsIgnoreCase(attribute, "Domain")) {
            auto domain = lower(text.starts_with('.') ? text.substr(1) : text);
            // A domain without a dot is a whole top level.
            if (!domainMatches(from.host, domain) ||
                (domain != from.host && domain.find('.') == std::string::npos)) {
                return;
            }
            cookie.host_only = isAddress(domain);
            cookie.domain = std::move(domain);
        } else if (equalsIgnoreCase(attribute, "Path")) {
            cookie.path = text;
        } else if (equalsIgnoreCase(attribute, "Secure")) {
            cookie.secure = true;
        } else if (equalsIgnoreCase(attribute, "Max-Age")) {
            has_max_age = true;
            expired = isZeroOrLess(text);
        } else if (equalsIgnoreCase(attribute, "Expires") && !has_max_age) {
            expired = isPast(std::string(text));
        }
    }
    if (cookie.secure && !from.tls) {
        return;
    }
    if (cookie.path.empty() || cookie.path[0] != '/') {
        const auto path = pathOf(from);
        cookie.path = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
    }
    std::erase_if(cookies_, [&](const Cookie& old) {
        return old.name == cookie.name && old.domain == cookie.domain && old.path == cookie.path;
    });
    if (!expired && cookies_.size() < kMostCookies) {
        cookies_.push_back(std::move(cookie));
    }
}

std::string CookieJar::headerFor(const http::Url& to) const {
    std::vector<const Cookie*> chosen;
    for (const auto& cookie : cookies_) {
        const bool host = cookie.host_only ? to.host == cookie.domain : domainMatches(to.host, cookie.domain);
        if (host && pathMatches(pathOf(to), cookie.path) && (to.tls || !cookie.secure)) {
            chosen.push_back(&cookie);
        }
    }
    // RFC 6265, 5.4: longer paths first.
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const Cookie* a, const Cookie* b) { return a->path.size() > b->path.size(); });
    std::string out;
    for (const auto* cookie : chosen) {
        out.append(out.empty() ? "" : "; ").append(cookie->name).append("=").append(cookie->value);
    }
    return out;
}

}  // namespace lapwing::agent::app
