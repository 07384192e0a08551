#include "collector/analysis/topology/builder.h"

namespace lapwing::analysis::topology {

namespace {

const Evidence kSupposed{"what if", "supposed"};

}  // namespace

/// A second load balancer as the remedy of R1 has it: the same servers, and an address that moves.
void Builder::addBalancer(const std::string& host) {
    component("haproxy", host, Truth::yes, kSupposed);
    std::vector<Pool> more;
    for (auto& one : model_.entries) {
        if (one.active.empty()) {
            one.active = host;
            continue;
        }
        one.standbys.push_back({host, Truth::yes, {}, ""});
        if (!one.id().empty()) {
            edge(one.id(), idOf("haproxy", host), "stands_by", kSupposed);
        }
        if (!more.empty()) {
            continue;
        }
        for (const auto& pool : model_.pools) {
            if (pool.host == one.active) {
                more.push_back(pool);
                more.back().balancer = host;
                more.back().host = host;
                for (const auto& member : pool.members) {
                    edge(idOf("haproxy", host), idOf("web", member.host), "balances", kSupposed);
                }
            }
        }
    }
    model_.pools.insert(model_.pools.end(), more.begin(), more.end());
}

void Builder::addWeb(const std::string& host) {
    component("web", host, Truth::yes, kSupposed);
    component("app", host, Truth::yes, kSupposed);
    edge(idOf("web", host), idOf("app", host), "proxies", kSupposed);
    model_.apps_of_web[idOf("web", host)] = {{idOf("app", host)}};
    for (auto& pool : model_.pools) {
        Member member;
        member.server = host;
        member.host = host;
        member.machine = model_.machineOf(host);
        member.role = "active";
        member.state = "UP";
        pool.members.push_back(std::move(member));
        edge(idOf("haproxy", pool.host), idOf("web", host), "balances", kSupposed);
    }
}

void Builder::add() {
    for (const auto& addition : inputs_.additions) {
        if (addition.kind == "haproxy") {
            addBalancer(addition.host);
        } else if (addition.kind == "web") {
            addWeb(addition.host);
        } else if (addition.kind == "mysql") {
            component("mysql", addition.host, Truth::yes, kSupposed);
            model_.databases.insert(addition.host);
            for (const auto& primary : model_.primaries) {
                model_.replicas.push_back({addition.host, primary, Truth::yes});
                edge(idOf("mysql", addition.host), idOf("mysql", primary), "replicates", kSupposed);
            }
        } else if (addition.kind == "watchdog") {
            component("watchdog", "outside", Truth::yes, kSupposed);
        }
    }
}

}  // namespace lapwing::analysis::topology
