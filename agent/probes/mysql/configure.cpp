#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/probes/mysql/mysql.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"

namespace lapwing::agent {
namespace {

constexpr std::array<const char*, 3> kUsualSockets = {
    "/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"};

constexpr std::array<const char*, 3> kPrograms = {"/usr/sbin/mariadbd", "/usr/sbin/mysqld",
                                                  "/usr/libexec/mysqld"};
constexpr const char* kUsualData = "/var/lib/mysql";

bool isInstalled() {
    struct stat status = {};
    return ::stat(kUsualData, &status) == 0 &&
           std::any_of(kPrograms.begin(), kPrograms.end(),
                       [](const char* path) { return ::access(path, X_OK) == 0; });
}

/// Half a second after the beat, which every host makes at the second.
constexpr std::chrono::milliseconds kAfterTheBeat{500};

void addSpec(std::string instance, mysql::Settings settings, mysql::HeartbeatSettings heartbeat,
             std::vector<ProbeSpec>& out) {
    ProbeSpec spec;
    spec.job = "mysql";
    spec.instance = std::move(instance);
    spec.interval = std::chrono::seconds(1);
    spec.offset = kAfterTheBeat;
    spec.probe = std::make_unique<mysql::MysqlProbe>(std::move(settings), std::move(heartbeat));
    out.push_back(std::move(spec));
}

void readMode(const config::Node& node, mysql::HeartbeatMode& out) {
    using Mode = mysql::HeartbeatMode;
    constexpr auto modes = std::to_array<std::pair<std::string_view, Mode>>({
        {"auto", Mode::automatic},
        {"off", Mode::off},
        {"read", Mode::read},
        {"primary", Mode::primary},
        {"multi_primary", Mode::multi_primary},
    });
    if (!node.present()) {
        return;
    }
    const auto text = node.text();
    for (const auto& [name, mode] : modes) {
        if (text != name) {
            continue;
        }
        out = mode;
        return;
    }
    node.problem(node.path() + " must be auto, off, read, primary or multi_primary");
}

void readName(const config::Node& node, std::string& out) {
    constexpr std::size_t longest = 64;  // of an identifier, in every version
    node.read(out);
    const bool plain = std::all_of(out.begin(), out.end(), [](unsigned char c) { return c >= 0x20; });
    if (out.empty() || out.size() > longest || !plain) {
        node.problem(node.path() + " is no name");
    }
}

mysql::HeartbeatSettings readHeartbeat(const config::Node& node) {
    mysql::HeartbeatSettings out;
    if (!node.present()) {
        return out;
    }
    if (node.isScalar()) {
        readMode(node, out.mode);
        return out;
    }
    node.allow({"mode", "database", "table"});
    readMode(node["mode"], out.mode);
    readName(node["database"], out.database);
    readName(node["table"], out.table);
    return out;
}

void configureEntry(const config::Node& entry, const ProbeContext& context, std::vector<ProbeSpec>& out) {
    entry.allow({"instance", "socket", "host", "port", "user", "password_file", "defaults_file", "ca",
                 "server_key", "heartbeat"});
    if (!entry.isMap()) {
        return;
    }
    mysql::Settings settings;
    int port = 3306;
    entry["socket"].read(settings.socket);
    entry["host"].read(settings.host);
    entry["port"].read(port, 1, 65'535);
    entry["user"].read(settings.user);
    entry["password_file"].read(settings.password_file);
    entry["defaults_file"].read(settings.defaults_file);
    entry["ca"].read(settings.ca_file);
    entry["server_key"].read(settings.server_key_file);
    settings.port = static_cast<std::uint16_t>(port);
    if (settings.socket.empty() == settings.host.empty()) {
        entry.problem(entry.path() + " needs either a socket or a host");
        return;
    }
    if (!settings.socket.empty() && settings.socket[0] != '/') {
        entry["socket"].problem(entry["socket"].path() + " must be an absolute path");
        return;
    }
    if (auto instance = readInstance(entry, context, !settings.socket.empty() || isLoopback(settings.host))) {
        addSpec(std::move(*instance), std::move(settings), readHeartbeat(entry["heartbeat"]), out);
    }
}

std::string configureMysql(const config::Node& node, const ProbeContext& context,
                           std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (auto line = configureEntries(node, "mysql", context, out, wanted, configureEntry)) {
        return std::move(*line);
    }
    mysql::Settings settings;
    for (const char* path : kUsualSockets) {
        struct stat status = {};
        if (::stat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
            continue;
        }
        settings.socket = path;
        addSpec(context.host, settings, {}, out);
        return "mysql: on (" + std::string(path) + ")";
    }
    if (wanted == Switch::detect && !isInstalled()) {
        return "mysql: off (no socket at a usual place, and not installed)";
    }
    // The server may be down, or slower to boot than the agent.
    settings.socket = kUsualSockets.front();
    addSpec(context.host, settings, {}, out);
    return std::string("mysql: on (") + (wanted == Switch::on ? "configured" : "installed") +
           "; no socket yet at " + settings.socket + ")";
}

}  // namespace

ProbeKind mysqlProbe() {
    return {"mysql", "MySQL or MariaDB: replication, connections, InnoDB", &configureMysql};
}

}  // namespace lapwing::agent
