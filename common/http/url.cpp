#include "common/http/url.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "common/characters.h"
#include "common/text.h"

namespace lapwing::http {
namespace {

/// The URL standard drops blanks and control characters at both ends, and tabs and ends of lines anywhere.
std::string cleaned(std::string_view text) {
    const auto blank = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
    while (!text.empty() && blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && blank(text.back())) {
        text.remove_suffix(1);
    }
    std::string out(text);
    std::erase_if(out, [](char c) { return c == '\t' || c == '\r' || c == '\n'; });
    return out;
}

/// The length of "scheme" in "scheme:..."; 0 where the text has none.
std::size_t schemeLength(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || !isLetter(text[0])) {
        return 0;
    }
    const bool good =
        std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                    [](char c) { return isLetter(c) || isDigit(c) || c == '+' || c == '-' || c == '.'; });
    return good ? colon : 0;
}

/// The characters that the URL standard escapes in a path; in a query the last three stay.
bool mustEscape(char c, bool in_query) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '"' || c == '<' || c == '>') {
        return true;
    }
    return !in_query && (c == '`' || c == '{' || c == '}');
}

std::string escaped(std::string_view text, bool in_query) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (mustEscape(c, in_query)) {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 0xf];
        } else {
            out += c == '\\' && !in_query ? '/' : c;
        }
    }
    return out;
}

/// RFC 3986, 5.2.4. The path begins with a slash.
std::string withoutDots(std::string_view path) {
    std::vector<std::string_view> segments;
    bool folder = true;  // the path ends with a slash
    while (!path.empty()) {
        path.remove_prefix(1);
        const auto end = std::min(path.find('/'), path.size());
        const auto segment = path.substr(0, end);
        path.remove_prefix(end);
        folder = path.empty() && (segment == "." || segment == "..");
        if (segment == "..") {
            if (!segments.empty()) {
                segments.pop_back();
            }
        } else if (segment != ".") {
            segments.push_back(segment);
        }
    }
    std::string out;
    for (const auto segment : segments) {
        out += '/';
        out += segment;
    }
    if (folder) {
        out += '/';
    }
    return out;
}

/// "/path?query#fragment" -> path and query as a request line carries them.
std::string targetOf(std::string_view text) {
    text = text.substr(0, text.find('#'));
    const auto query = std::min(text.find('?'), text.size());
    const std::string path = escaped(text.substr(0, query), false);
    return withoutDots(path.empty() ? "/" : path) + escaped(text.substr(query), true);
}

/// "host:port" -> out. False if it is malformed.
bool readAuthority(std::string_view text, Url& out) {
    std::string_view port;
    if (!text.empty() && text[0] == '[') {
        const auto end = text.find(']');
        if (end == std::string_view::npos) {
            return false;
        }
        out.host = lower(text.substr(1, end - 1));
        const bool address =
            !out.host.empty() && out.host.find_first_not_of("0123456789abcdef:.%") == std::string::npos;
        if (!address && out.host.find('%') == std::string::npos) {
            return false;
        }
        port = text.substr(end + 1);
        if (!port.empty() && port[0] != ':') {
            return false;
        }
    } else {
        const auto colon = std::min(text.find(':'), text.size());
        out.host = lower(text.substr(0, colon));
        port = text.substr(colon);
        const bool plain = std::all_of(out.host.begin(), out.host.end(), [](char c) {
            return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_';
        });
        if (!plain) {
            return false;
        }
    }
    if (out.host.empty()) {
        return false;
    }
    out.port = out.tls ? 443 : 80;
    if (port.size() <= 1) {
        return true;
    }
    port.remove_prefix(1);
    if (port.size() > 5 || !std::all_of(port.begin(), port.end(), isDigit)) {
        return false;
    }
    std::uint32_t number = 0;
    for (const char c : port) {
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
    }
    out.port = static_cast<std::uint16_t>(number);
    return number > 0 && number <= 65535;
}

}  // namespace

Expected<Url> Url::parse(std::string_view text) {
    const auto unusable = [] {
        return fail(ErrorKind::invalid, "not a usable URL (http://HOST:PORT/PATH or https://...)");
    };
    const std::string whole = cleaned(text);
    std::string_view rest(whole);
    const auto length = schemeLength(rest);
    const std::string scheme = lower(rest.substr(0, length));
    if (scheme != "http" && scheme != "https") {
        return unusable();
    }
    Url out;
    out.tls = scheme == "https";
    rest.remove_prefix(length + 1);
    if (!rest.starts_with("//")) {
        return unusable();
    }
    rest.remove_prefix(2);
    const auto end = std::min(rest.find_first_of("/?#\\"), rest.size());
    const auto authority = rest.substr(0, end);
    if (authority.find('@') != std::string_view::npos) {
        return fail(ErrorKind::invalid, "not a usable URL: credentials do not belong into a URL");
    }
    if (!readAuthority(authority, out)) {
        return unusable();
    }
    out.target = targetOf(rest.substr(end));
    return out;
}

Expected<Url> Url::resolve(std::string_view reference) const {
    const std::string text = cleaned(reference);
    if (schemeLength(text) > 0) {
        return parse(text);
    }
    if (text.starts_with("//") || text.starts_with("\\\\")) {
        return parse((tls ? "https:" : "http:") + text);
    }
    Url out = *this;
    const std::string path = target.substr(0, target.find('?'));
    if (text.empty() || text[0] == '#') {
        return out;
    }
    if (text[0] == '?') {
        out.target = targetOf(path + text);
    } else if (text[0] == '/' || text[0] == '\\') {
        out.target = targetOf(text);
    } else {
        out.target = targetOf(path.substr(0, path.rfind('/') + 1) + text);
    }
    return out;
}

std::string Url::authority() const {
    std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
    if (port != (tls ? 443 : 80)) {
        out += ":" + std::to_string(port);
    }
    return out;
}

std::string Url::server() const {
    return (tls ? "https://" : "http://") + (host.find(':') == std::string::npos ? host : "[" + host + "]") +
           ":" + std::to_string(port);
}

std::string Url::toString() const {
    return (tls ? "https://" : "http://") + authority() + target;
}

}  // namespace lapwing::http
