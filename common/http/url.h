#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::http {

/// An absolute http or https URL (RFC 3986). A value type.
///
/// Percent-escapes keep their bytes: "%2F" is no slash, and "%7e" stays "%7e". Characters that a request line
/// cannot carry (blanks, control characters, bytes beyond ASCII, quotes) are escaped as browsers escape them.
struct Url {
    bool tls = false;
    std::string host;  ///< lower case; an IPv6 address without brackets
    std::uint16_t port = 80;
    std::string target = "/";  ///< path and query, as on the request line; the fragment is left out

    /// Error `invalid` for every text that is no absolute http or https URL, and for a URL with credentials.
    /// The message does not repeat the URL.
    static Expected<Url> parse(std::string_view text);
    /// The URL that a reference in a document at this URL means, such as the value of Location.
    Expected<Url> resolve(std::string_view reference) const;

    /// "host:port" for the header Host; the scheme's default port is left out.
    std::string authority() const;
    /// "https://host:port", always with the port.
    std::string server() const;
    std::string toString() const;
    bool sameServer(const Url& other) const {
        return tls == other.tls && port == other.port && host == other.host;
    }
};

}  // namespace lapwing::http
