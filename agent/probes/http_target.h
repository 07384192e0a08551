#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "common/error.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::agent {

/// Where a probe sends its requests, from `url`, `user`, `password_file` and `ca` of one entry of the
/// configuration.
struct HttpTarget {
    std::string url;   ///< as configured; it never holds credentials
    std::string base;  ///< "http://host:8404" or "unix:/path", for http::Client
    std::string path;  ///< "/a?b", at least "/"
    std::string host;  ///< of the URL; "" for a unix socket
    std::string user;
    std::string password_file;
    std::string ca_file;

    /// This host observes itself: loopback or a unix socket.
    bool isLocal() const;
};

/// "http://host:8404/a?b", "https://...", "unix:/path/to/socket" or "unix:/path/to/socket:/a?b". Error
/// `invalid`, without the URL in it if there are credentials in the URL.
Expected<HttpTarget> parseTarget(const std::string& url);

/// Reads `url` (which must be there), `user`, `password_file`, `ca`; what is wrong becomes a problem of the
/// node, and the result is then empty.
Expected<HttpTarget> readTarget(const config::Node& node);

/// The first line of a file that holds a password. Error `denied` if anybody but its owner may read it, or we
/// may not. Read anew each time: a changed password needs no restart.
Expected<std::string> readSecret(const std::string& path);

/// The header of HTTP's basic authentication (RFC 7617).
std::pair<std::string, std::string> basicAuthorization(const std::string& user, const std::string& password);

}  // namespace lapwing::agent
