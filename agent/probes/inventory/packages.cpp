#include "agent/probes/inventory/packages.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

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

void forEachPackage(std::istream& in, const std::function<void(const Package&)>& take) {
    Package package;
    const auto end = [&] {
        if (!package.name.empty()) {
            take(package);
        }
        package = {};
    };
    for (std::string line; std::getline(in, line);) {
        if (line.empty()) {
            end();
        } else if (const auto name = valueOf(line, "Package: "); !name.empty()) {
            package.name = name;
        } else if (const auto version = valueOf(line, "Version: "); !version.empty()) {
            package.version = version;
        } else if (const auto architecture = valueOf(line, "Architecture: "); !architecture.empty()) {
            package.architecture = architecture;
        } else if (const auto status = valueOf(line, "Status: "); !status.empty()) {
            package.installed = status.ends_with(" installed");
        }
    }
    end();
}

std::vector<std::string> servingPackages(std::istream& dpkg_status) {
    std::map<std::string, std::string> versions;
    forEachPackage(dpkg_status, [&](const Package& package) {
        if (package.installed && serves(package.name)) {
            versions[package.name] = package.version;
        }
    });
    std::vector<std::string> out;
    out.reserve(versions.size());
    for (const auto& [package, its_version] : versions) {
        out.push_back(its_version);
        out.back().append("  ").append(package);
    }
    return out;
}

}  // namespace lapwing::agent::inventory
