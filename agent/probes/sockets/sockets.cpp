#include "agent/probes/sockets/sockets.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/families.h"

namespace lapwing::agent {

namespace sockets {

namespace {

// Owners change seldom: a snapshot's owner of a minute ago still holds for a socket with the same inode.
constexpr std::int64_t kMostAgeMs = 120'000;
constexpr std::size_t kMostDestinations = 32;
constexpr std::size_t kMostClients = 16;  // of one port

}  // namespace

namespace {

constexpr std::size_t kMostPlaces = 4096;

}  // namespace

std::map<std::uint64_t, Owner> OwnerMemory::complete(const std::vector<Listener>& listeners,
                                                     const std::map<std::uint64_t, Owner>& owners,
                                                     TimestampMs read_at, TimestampMs now) {
    std::map<std::uint64_t, TimestampMs> first_seen;
    std::map<std::uint64_t, Owner> out;
    if (last_.size() > kMostPlaces) {
        last_.clear();
    }
    for (const auto& listener : listeners) {
        const auto seen = first_seen_.find(listener.inode);
        const auto first = first_seen[listener.inode] = seen == first_seen_.end() ? now : seen->second;
        const Place place{listener.protocol, listener.address, listener.ipv6, listener.port};
        if (const auto owner = owners.find(listener.inode); owner != owners.end()) {
            out[listener.inode] = last_[place] = owner->second;
        } else if (const auto known = last_.find(place); known != last_.end() && read_at < first) {
            out[listener.inode] = known->second;
        }
    }
    first_seen_ = std::move(first_seen);
    return out;
}

SocketsProbe::SocketsProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot)
    : proc_(std::move(proc)), snapshot_(std::move(snapshot)) {}

Expected<ProbeResult> SocketsProbe::collect(const Deadline& /*deadline*/) {
    const auto listeners = listListeners(proc_);
    if (!listeners) {
        return tl::unexpected(listeners.error());
    }
    // The wall clock, as lapwing-snapshot, which no collector corrects.
    const auto snapshot = snapshot_->read(readClocks().wall, kMostAgeMs);
    ProbeResult result;
    const Owners none;
    const auto& named = snapshot ? (*snapshot)->owners : none.by_inode;
    const auto read_at = snapshot ? (*snapshot)->time : 0;
    result.families.push_back(
        listenerFamily(*listeners, memory_.complete(*listeners, named, read_at, readClocks().wall)));
    // A kernel without sock_diag gives no count: it is unknown.
    if (const auto connections = listConnections()) {
        std::set<std::uint16_t> listening;
        for (const auto& listener : *listeners) {
            if (listener.protocol == "tcp") {
                listening.insert(listener.port);
            }
        }
        result.families.push_back(outgoingFamily(*connections, listening));
        result.families.push_back(incomingFamily(*connections, listening));
    }
    return result;
}

prometheus::MetricFamily outgoingFamily(const std::vector<Connection>& connections,
                                        const std::set<std::uint16_t>& listening) {
    auto family =
        gauge(metric::kOutgoingConnections, "TCP connections that this host has made, by destination");
    for (const auto& [place, count] : outgoing(connections, listening, kMostDestinations)) {
        add(family, {{"address", place.first}, {"port", std::to_string(place.second)}}, count);
    }
    return family;
}

prometheus::MetricFamily incomingFamily(const std::vector<Connection>& connections,
                                        const std::set<std::uint16_t>& listening) {
    auto family = gauge(metric::kIncomingConnections,
                        "Open TCP connections to a listening port, by client; the address is empty for "
                        "clients that are not named");
    for (const auto& [place, count] : incoming(connections, listening, kMostClients)) {
        add(family, {{"address", place.second}, {"port", std::to_string(place.first)}}, count);
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
        const auto unit = owner == owners.end() ? std::string() : asUtf8(owner->second.unit);
        for (const auto* served : {"ipv4", "ipv6"}) {
            const bool ipv6 = served == std::string_view("ipv6");
            const bool serves =
                listener.ipv6 ? ipv6 || (listener.address == "::" && !listener.v6only) : !ipv6;
            const auto port = std::to_string(listener.port);
            if (serves &&
                seen.insert({listener.protocol, served, listener.address, port, process, unit}).second) {
                add(family,
                    {{"protocol", listener.protocol},
                     {"family", served},
                     {"address", listener.address},
                     {"port", port},
                     {"process", process},
                     {"unit", unit}},
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
