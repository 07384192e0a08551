#include "collector/analysis/topology/builder.h"

namespace lapwing::analysis::topology {

namespace {

const Evidence kSupposed{"what if", "supposed"};

}  // namespace

/// A second load balancer as R1's remedy describes it: the same servers, and an address that moves.
void Builder::addBalancer(const std::string& host) {
    component(ComponentKind::haproxy, host, Truth::yes, kSupposed);
    const Balancer supposed{idOf(ComponentKind::haproxy, host), "HAProxy", kSupposed.source};
    model_.balancers[host] = supposed;
    std::vector<Pool> more;
    for (auto& each : model_.entries) {
        if (each.active.empty() && each.direct.empty()) {
            each.active = host;
            continue;
        }
        each.standbys.push_back({host, Truth::yes, Truth::yes, {}, ""});
        if (!each.id().empty()) {
            edge(each.id(), idOf(ComponentKind::haproxy, host), EdgeKind::stands_by, kSupposed);
        }
        if (!more.empty()) {
            continue;
        }
        for (const auto& pool : model_.pools) {
            if (pool.host == each.active) {
                more.push_back(pool);
                more.back().balancer = host;
                more.back().host = host;
                more.back().by = supposed;
                for (const auto& member : pool.members) {
                    edge(idOf(ComponentKind::haproxy, host), member.component(), EdgeKind::balances,
                         kSupposed);
                }
            }
        }
    }
    model_.pools.insert(model_.pools.end(), more.begin(), more.end());
}

void Builder::addWeb(const std::string& host) {
    component(ComponentKind::web, host, Truth::yes, kSupposed);
    component(ComponentKind::app, host, Truth::yes, kSupposed);
    edge(idOf(ComponentKind::web, host), idOf(ComponentKind::app, host), EdgeKind::proxies, kSupposed);
    model_.apps_of_web[idOf(ComponentKind::web, host)] = {{idOf(ComponentKind::app, host)}};
    for (auto& pool : model_.pools) {
        if (pool.members.front().kind != ComponentKind::web) {
            continue;
        }
        evidence::Server server;
        server.proxy = pool.proxy;
        server.server = host;
        server.state = evidence::ServerState::up;
        server.state_text = nameOf(evidence::kServerStateNames, server.state);
        server.role = evidence::ServerRole::active;
        pool.members.push_back({std::move(server), host, model_.machineOf(host)});
        edge(pool.by.component, idOf(ComponentKind::web, host), EdgeKind::balances, kSupposed);
    }
}

void Builder::addDatabase(const std::string& host) {
    component(ComponentKind::mysql, host, Truth::yes, kSupposed);
    model_.databases.insert(host);
    for (const auto& primary : model_.primaries) {
        model_.replicas.push_back({host, primary, Truth::yes});
        edge(idOf(ComponentKind::mysql, host), idOf(ComponentKind::mysql, primary), EdgeKind::replicates,
             kSupposed);
    }
}

void Builder::add() {
    for (const auto& addition : inputs_.additions) {
        switch (addition.kind) {
            case ComponentKind::haproxy:
                addBalancer(addition.host);
                break;
            case ComponentKind::web:
                addWeb(addition.host);
                break;
            case ComponentKind::mysql:
                addDatabase(addition.host);
                break;
            case ComponentKind::watchdog:
                component(ComponentKind::watchdog, "outside", Truth::yes, kSupposed);
                break;
            default:
                break;
        }
    }
}

}  // namespace lapwing::analysis::topology
