#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/http/client.h"
#include "common/http/credentials.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::agent {

/// The server and path that a probe requests, from `url`, `server_name`, `user`, `password_file` and `ca` of
/// one entry of the configuration.
struct HttpTarget {
    std::string url;          ///< as configured; it never holds credentials
    std::string base;         ///< "http://host:8404" or "unix:/path", for http::Client
    std::string path;         ///< "/a?b", at least "/"
    std::string host;         ///< of the URL; "" for a unix socket
    std::string server_name;  ///< the virtual host, where it is not `host`; "": `host`
    std::string user;
    std::string password_file;
    std::string ca_file;

    /// True for a server of this host: loopback or a unix socket.
    bool isLocal() const;
    /// The files and names for http::Client.
    http::ClientTls tls() const { return {ca_file, {}, {}, server_name}; }
    /// A GET of `path`, with the header Host and the password where they are configured. Error: the password
    /// cannot be read.
    Expected<http::Request> request() const;
};

/// "http://host:8404/a?b", "https://...", "unix:/path/to/socket" or "unix:/path/to/socket:/a?b". Error
/// `invalid`, without the URL in it if there are credentials in the URL.
Expected<HttpTarget> parseTarget(const std::string& url);

/// Reads `url` (mandatory), `server_name`, `user`, `password_file`, `ca`. A problem is reported to the node
/// and makes the result an Error.
Expected<HttpTarget> readTarget(const config::Node& node);

/// Reads a map of names and values of headers. One that cannot be sent is a problem of the node.
void readHeaders(const config::Node& node, http::Headers& out);

/// The status of an answer that was not the expected one, in words: "HTTP 401: the server wants a user and a
/// password, or refuses these".
std::string unexpectedStatus(const http::Response& response);
/// The kind of failure that such a status is: `denied` where the server refuses us.
ErrorKind kindOfStatus(int status);
/// lapwing_probe_refused_info: the server runs, and refuses the agent (or the agent its certificate). `words`
/// say why; they must not differ from run to run.
prometheus::MetricFamily refusalFamily(const std::string& words);
/// Whether a failed request proves that a server runs: it answered in TLS, and refused us or we refused it.
bool provesServer(const Error& error);

using http::basicAuthorization;
using http::readSecret;

}  // namespace lapwing::agent
