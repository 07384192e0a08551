#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/reach/address.h"

namespace lapwing {

/// Where a server listens: an address or a name, and a port. A value type; safe to copy between threads.
struct Endpoint {
    /// An address without brackets ("10.0.0.1", "2001:db8::1", "fe80::1%eth0"), a name, or "" or "*" where
    /// the text names no host (":80", "*:80").
    std::string host;
    /// 1 to 65535; 0 where the text names no port.
    std::uint16_t port = 0;

    bool operator==(const Endpoint&) const = default;

    /// Reads "10.0.0.1:80", "[2001:db8::1]:80", "web-01:80", and each of them without a port, IPv6 in
    /// brackets or bare. A bare IPv6 address is read as an address alone, as RFC 5952 (section 6) advises;
    /// only where that is impossible is its last group a port ("1:2:3:4:5:6:7:8:80"). Nothing for paths of
    /// Unix sockets and for malformed text.
    static std::optional<Endpoint> parse(std::string_view text);

    /// Reads HOST:PORT as HAProxy does: the last colon is the one before the port, also after a bare IPv6
    /// address ("2001:db8::1:80"), and the host may be missing. Brackets are left out. Nothing without a
    /// port; the host is not checked.
    static std::optional<Endpoint> beforeLastColon(std::string_view text);

    /// The host and port of a URL; the port is the scheme's default where the URL names none (http: 80,
    /// https: 443; 0 for other schemes). A text without a scheme is read as `http`. Nothing for malformed
    /// URLs.
    static std::optional<Endpoint> ofUrl(std::string_view url);

    /// The host as an address, its zone left out; nothing for a name.
    std::optional<reach::Address> address() const;

    /// Whether the host is this machine's loopback: "localhost", 127.0.0.0/8 or ::1.
    bool loopback() const;

    /// The text that parse() reads: IPv6 in brackets where a port follows, bare where none does.
    std::string toString() const;
};

/// The port of a decimal number from 1 to 65535; nothing for any other text.
std::optional<std::uint16_t> parsePort(std::string_view text);

}  // namespace lapwing
