#include <algorithm>

#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"

namespace lapwing::analysis::topology {

/// A web server is connected to an application on another host.
void Builder::proxied(const std::string& host, const std::string& app, const Evidence& seen) {
    const auto web = model_.nginxOn(host);
    const bool drawn = std::any_of(model_.edges.begin(), model_.edges.end(), [&](const auto& each) {
        return each.from == web && each.to == app && each.kind == EdgeKind::proxies;
    });
    edge(web, app, EdgeKind::proxies, seen);
    auto& needed = model_.apps_of_web[web];
    if (drawn) {
        return;
    }
    if (configured_.contains(host)) {
        model_.conflicts.push_back(
            {web, "it is connected to " + app + ", which its configuration does not name", {seen}});
    } else if (needed.empty()) {
        needed.push_back({app});
    } else {
        // It may use either application.
        needed.front().insert(app);
    }
}

/// One destination of a host's connections: a database that its application asks, an application on another
/// host that its web server asks.
void Builder::flow(const std::string& host, const reach::Address& address, int port, int count) {
    const auto* holder = inputs_.network.holder(address);
    const auto to = address.isLoopback() ? host : holder == nullptr ? std::string() : holder->name;
    const auto known = inputs_.network.hosts.find(to);
    if (known == inputs_.network.hosts.end()) {
        return;
    }
    const Evidence seen{"sockets of " + host,
                        counted(static_cast<std::size_t>(count), "connection", "connections") + " to " +
                            address.toString() + " port " + std::to_string(port)};
    for (const auto& listener : known->second.listeners) {
        if (listener.port != port || !listener.isTcp()) {
            continue;
        }
        // A replica itself holds one connection to the primary.
        const bool replicates =
            std::any_of(model_.replicas.begin(), model_.replicas.end(),
                        [&](const auto& each) { return each.host == host && each.primary == to; });
        const auto app = idOf(ComponentKind::app, host);
        const auto web = model_.nginxOn(host);
        const bool balanced = std::any_of(model_.pools.begin(), model_.pools.end(), [&](const auto& pool) {
            return pool.host == host && !pool.isHaproxys();
        });
        if (listener.program() == evidence::Program::mysql && model_.databases.contains(to) &&
            model_.components.contains(app) && count > (replicates ? 1 : 0)) {
            edge(app, idOf(ComponentKind::mysql, to), EdgeKind::queries, seen);
        } else if (evidence::isApplication(listener.process) && to != host &&
                   model_.components.contains(web) && !balanced) {
            proxied(host, appOn(to, seen), seen);
        } else {
            continue;
        }
        return;
    }
}

/// Connections add edges and never remove one: idle connections do not show.
void Builder::flows() {
    for (const auto& [host, destinations] : inputs_.services.outgoing) {
        for (const auto& [place, count] : destinations) {
            flow(host, place.first, place.second, count);
        }
    }
}

}  // namespace lapwing::analysis::topology
