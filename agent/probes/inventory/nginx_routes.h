#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "agent/nginx_conf/files.h"

namespace lapwing::agent::inventory {

/// The route of the requests to one port of an Nginx.
struct NginxRoute {
    int port = 0;                 ///< the port of a `listen`
    std::string server_names;     ///< separated by blanks
    bool default_server = false;  ///< takes the requests for unknown names at this port
    std::string
        upstream;  ///< the group's name in small letters, or the directive's argument if it names no group
    /// "127.0.0.1:8000", "[fd00::1]:8000", "app.internal:8000", "unix:/run/app.sock"; "" where Nginx answers
    /// by itself (`upstream` is "" too), and where `upstream` has a variable in it.
    std::string address;
    std::string role;  ///< "active", "backup", "down"; "" without an address
    /// The words of `proxy_next_upstream` or its like, which also say what counts as a failure of the server:
    /// "error timeout http_503". "" without an address.
    std::string next_upstream;
    std::string
        max_fails;  ///< failures after which Nginx pauses the server; "0": never. "" without an address
    auto operator<=>(const NginxRoute&) const = default;
};

struct NginxConfiguration {
    std::set<NginxRoute> routes;
    std::set<std::string> certificates;  ///< paths that `ssl_certificate` names
    std::string fault;                   ///< why a part of it is unknown; "" if nothing is missing
};

/// Names and their addresses.
using HostsFile = std::multimap<std::string, std::string>;

/// Reads the text of /etc/hosts. Pure.
HostsFile parseHosts(std::string_view text);

/// Follows `include` from the main file and finds the targets of each `server` within `http` (proxy_pass,
/// fastcgi_pass, uwsgi_pass, scgi_pass, grpc_pass). Resolves only the names in `hosts`.
NginxConfiguration readNginx(const std::string& main_file, const NginxFiles& files, const HostsFile& hosts);

}  // namespace lapwing::agent::inventory
