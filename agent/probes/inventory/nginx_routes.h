#pragma once

#include <compare>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::inventory {

/// Where the requests that come to one port of an Nginx go.
struct NginxRoute {
    int port = 0;                 ///< at which the `server` listens
    std::string server_names;     ///< its names, parted by blanks
    bool default_server = false;  ///< it takes the requests for names that no other at this port has
    std::string
        upstream;  ///< the group's name in small letters, or what the directive names instead of a group
    /// "127.0.0.1:8000", "[fd00::1]:8000", "app.internal:8000", "unix:/run/app.sock"; "" where Nginx answers
    /// by itself (`upstream` is "" too), and where `upstream` has a variable in it.
    std::string address;
    std::string role;  ///< "active", "backup", "down"; "" without an address
    auto operator<=>(const NginxRoute&) const = default;
};

struct NginxConfiguration {
    std::set<NginxRoute> routes;
    std::set<std::string> certificates;  ///< paths that `ssl_certificate` names
    std::string fault;                   ///< why not all of it is known; "" if it is
};

/// How files are read; elsewhere in tests.
struct NginxFiles {
    std::function<Expected<std::string>(const std::string& path)> read;
    std::function<std::vector<std::string>(const std::string& pattern)>
        matching;  ///< a shell pattern's files
};

/// Addresses of names.
using HostsFile = std::multimap<std::string, std::string>;

/// Of /etc/hosts. Pure.
HostsFile parseHosts(std::string_view text);

/// Follows `include` from the main file, and looks where each `server` within `http` passes requests
/// (proxy_pass, fastcgi_pass, uwsgi_pass, scgi_pass, grpc_pass). Of names only those in `hosts` are resolved.
NginxConfiguration readNginx(const std::string& main_file, const NginxFiles& files, const HostsFile& hosts);

}  // namespace lapwing::agent::inventory
