#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/http/credentials.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::agent {

/// The server and path that a probe requests, from `url`, `user`, `password_file` and `ca` of one entry of
/// the configuration.
struct HttpTarget {
    std::string url;   ///< as configured; it never holds credentials
    std::string base;  ///< "http://host:8404" or "unix:/path", for http::Client
    std::string path;  ///< "/a?b", at least "/"
    std::string host;  ///< of the URL; "" for a unix socket
    std::string user;
    std::string password_file;
    std::string ca_file;

    /// True for a server of this host: loopback or a unix socket.
    bool isLocal() const;
};

/// "http://host:8404/a?b", "https://...", "unix:/path/to/socket" or "unix:/path/to/socket:/a?b". Error
/// `invalid`, without the URL in it if there are credentials in the URL.
Expected<HttpTarget> parseTarget(const std::string& url);

/// Reads `url` (mandatory), `user`, `password_file`, `ca`. A problem is reported to the node and makes the
/// result an Error.
Expected<HttpTarget> readTarget(const config::Node& node);

using http::basicAuthorization;
using http::readSecret;

}  // namespace lapwing::agent
