#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/haproxy/haproxy.h"
#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"

namespace lapwing::agent {
namespace {

// Debian's package, then what other distributions and HAProxy's own examples use.
constexpr std::array<const char*, 3> kUsualSockets = {"/run/haproxy/admin.sock", "/run/haproxy.sock",
                                                      "/var/lib/haproxy/stats"};

bool isSocket(const char* path) {
    struct stat status = {};
    return ::stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

ProbeSpec specOf(std::string instance, const char* via, std::unique_ptr<Probe> probe) {
    ProbeSpec spec;
    spec.job = "haproxy";
    spec.instance = std::move(instance);
    spec.labels = {{"via", via}};
    // What visitors feel shows here first; a question costs HAProxy and the agent less than a millisecond.
    spec.interval = std::chrono::seconds(5);
    spec.probe = std::move(probe);
    return spec;
}

void configureEntry(const config::Node& entry, const ProbeContext& context, std::vector<ProbeSpec>& out) {
    entry.allow({"instance", "socket", "url", "server_name", "user", "password_file", "ca", "max_rows"});
    if (!entry.isMap()) {
        return;
    }
    std::string socket;
    entry["socket"].read(socket);
    int rows = static_cast<int>(haproxy::kUsualRows);
    entry["max_rows"].read(rows, 1, 100'000);
    const auto most_rows = static_cast<std::size_t>(rows);
    if (entry["socket"].present() == entry["url"].present()) {
        entry.problem(entry.path() + " needs either a socket or a url");
        return;
    }
    if (entry["socket"].present()) {
        if (socket.empty() || socket[0] != '/') {
            entry["socket"].problem(entry["socket"].path() + " must be an absolute path");
            return;
        }
        out.push_back(specOf(*readInstance(entry, context, true), "socket",
                             std::make_unique<haproxy::SocketProbe>(socket, most_rows)));
        return;
    }
    auto target = readTarget(entry);
    if (!target) {
        return;
    }
    if (auto instance = readInstance(entry, context, target->isLocal())) {
        out.push_back(specOf(std::move(*instance), "http",
                             std::make_unique<haproxy::PageProbe>(std::move(*target), most_rows)));
    }
}

std::string configureHaproxy(const config::Node& node, const ProbeContext& context,
                             std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (auto line = configureEntries(node, "haproxy", context, out, wanted, configureEntry)) {
        return std::move(*line);
    }
    for (const char* path : kUsualSockets) {
        if (!isSocket(path)) {
            continue;
        }
        if (::access(path, W_OK) != 0 && wanted == Switch::detect) {
            return "haproxy: off (" + std::string(path) +
                   " may not be opened: give the agent a socket of its own, see "
                   "/usr/share/doc/lapwing-agent/probes/haproxy.md)";
        }
        out.push_back(specOf(context.host, "socket", std::make_unique<haproxy::SocketProbe>(path)));
        return "haproxy: on (" + std::string(path) + ")";
    }
    if (wanted == Switch::detect) {
        return "haproxy: off (no socket at a usual place)";
    }
    out.push_back(
        specOf(context.host, "socket", std::make_unique<haproxy::SocketProbe>(kUsualSockets.front())));
    return "haproxy: on (configured; no socket yet at " + std::string(kUsualSockets.front()) + ")";
}

}  // namespace

ProbeKind haproxyProbe() {
    return {"haproxy", "HAProxy: frontends, backends, servers and their checks", &configureHaproxy};
}

}  // namespace lapwing::agent
