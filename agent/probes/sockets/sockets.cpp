#include "agent/probes/sockets/sockets.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent {

namespace sockets {

namespace {

// Owners change seldom: a snapshot's owner of a minute ago still holds for a socket with the same inode.
constexpr std::int64_t kMostAgeMs = 120'000;
constexpr std::size_t kMostDestinations = 32;

}  // namespace

SocketsProbe::SocketsProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot)
    : proc_(std::move(proc)), snapshot_(std::move(snapshot)) {}

Expected<ProbeResult> SocketsProbe::collect(const Deadline& /*deadline*/) {
    const auto listeners = listListeners(proc_);
    if (!listeners) {
        return tl::unexpected(listeners.error());
    }
    const auto snapshot = snapshot_->read(nowMs(), kMostAgeMs);
    ProbeResult result;
    result.families.push_back(
        listenerFamily(*listeners, snapshot ? (*snapshot)->owners : std::map<std::uint64_t, Owner>{}));
    // A kernel without sock_diag gives no count: it is unknown.
    if (const auto connections = listConnections()) {
        result.families.push_back(connectionFamily(*connections, *listeners));
    }
    return result;
}

prometheus::MetricFamily connectionFamily(const std::vector<Connection>& connections,
                                          const std::vector<Listener>& listeners) {
    auto family =
        gauge(metric::kOutgoingConnections, "TCP connections that this host has made, by destination");
    std::set<std::uint16_t> listening;
    for (const auto& listener : listeners) {
        if (listener.protocol == "tcp") {
            listening.insert(listener.port);
        }
    }
    for (const auto& [place, count] : outgoing(connections, listening, kMostDestinations)) {
        add(family, {{"address", place.first}, {"port", std::to_string(place.second)}}, count);
    }
    return family;
}

prometheus::MetricFamily listenerFamily(const std::vector<Listener>& listeners,
                                        const std::map<std::uint64_t, Owner>& owners) {
    auto family = gauge(metric::kListenerInfo, "A listening socket; the process is empty if unknown");
    // Several sockets may share one port (SO_REUSEPORT): they are one listener.
    std::set<std::vector<std::string>> seen;
    for (const auto& listener : listeners) {
        const auto owner = owners.find(listener.inode);
        // A process may have any name; a refused label would hide its listener.
        const auto process = owner == owners.end() ? std::string() : asUtf8(owner->second.process);
        for (const auto* served : {"ipv4", "ipv6"}) {
            const bool ipv6 = served == std::string_view("ipv6");
            const bool serves =
                listener.ipv6 ? ipv6 || (listener.address == "::" && !listener.v6only) : !ipv6;
            const auto port = std::to_string(listener.port);
            if (serves && seen.insert({listener.protocol, served, listener.address, port, process}).second) {
                add(family,
                    {{"protocol", listener.protocol},
                     {"family", served},
                     {"address", listener.address},
                     {"port", port},
                     {"process", process}},
                    1);
            }
        }
    }
    return family;
}

}  // namespace sockets

namespace {

std::string configureSockets(const config::Node& node, const ProbeContext& context,
                             std::vector<ProbeSpec>& out) {
    return onEveryHost(node, context, "sockets",
                       std::make_unique<sockets::SocketsProbe>(context.proc, context.snapshot), out);
}

}  // namespace

ProbeKind socketsProbe() {
    return {"sockets", "listening sockets and their programs", &configureSockets};
}

}  // namespace lapwing::agent
