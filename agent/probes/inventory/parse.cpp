#include "agent/probes/inventory/parse.h"

#include <algorithm>
#include <array>
#include <map>

namespace lapwing::agent::inventory {

namespace {

/// Prefixes: "php" stands for php8.2-fpm too.
constexpr std::array<std::string_view, 23> kServing = {
    "nginx",   "haproxy",  "keepalived", "apache2",         "varnish",      "gunicorn",
    "uwsgi",   "php",      "python3",    "nodejs",          "ruby",         "openjdk",
    "puma",    "mariadb-", "mysql-",     "default-mysql",   "redis-server", "memcached",
    "openssl", "libssl",   "libc6",      "ca-certificates", "percona-",
};

/// Only an interpreter's own packages count: its modules are listed with the application's files.
bool serves(std::string_view name) {
    if (name.starts_with("python3") || name.starts_with("ruby")) {
        return name.find_first_not_of("0123456789.", name.starts_with("ruby") ? 4 : 7) ==
                   std::string_view::npos ||
               name.ends_with("-minimal");
    }
    return std::any_of(kServing.begin(), kServing.end(),
                       [&](const auto& known) { return name.starts_with(known); });
}

std::string_view valueOf(std::string_view line, std::string_view key) {
    return line.starts_with(key) ? line.substr(key.size()) : std::string_view();
}

}  // namespace

std::vector<std::string> servingPackages(std::string_view dpkg_status) {
    std::map<std::string, std::string> versions;
    std::string name;
    std::string version;
    bool installed = false;
    const auto end = [&] {
        if (installed && serves(name)) {
            versions[name] = version;
        }
        name.clear();
        version.clear();
        installed = false;
    };
    std::size_t at = 0;
    while (at < dpkg_status.size()) {
        const auto stop = std::min(dpkg_status.find('\n', at), dpkg_status.size());
        const auto line = dpkg_status.substr(at, stop - at);
        at = stop + 1;
        if (line.empty()) {
            end();
        } else if (const auto found = valueOf(line, "Package: "); !found.empty()) {
            name = found;
        } else if (const auto given = valueOf(line, "Version: "); !given.empty()) {
            version = given;
        } else if (const auto status = valueOf(line, "Status: "); !status.empty()) {
            installed = status.ends_with(" installed");
        }
    }
    end();
    std::vector<std::string> out;
    out.reserve(versions.size());
    for (const auto& [package, its_version] : versions) {
        out.push_back(its_version);
        out.back().append("  ").append(package);
    }
    return out;
}

}  // namespace lapwing::agent::inventory
