#include <algorithm>

#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"
#include "collector/analysis/topology/takeover.h"
#include "common/endpoint.h"
#include "common/text.h"

namespace lapwing::analysis::topology {

namespace {

std::string placeText(const Entry& entry) {
    return entry.address ? entry.address->toString() : entry.name;
}

}  // namespace

std::vector<Evidence> Standby::obstacleEvidence() const {
    std::vector<Evidence> out;
    for (const auto& obstacle : obstacles) {
        out.push_back(obstacle.evidence);
    }
    return out;
}

std::string Balancer::process() const {
    if (program.find(' ') != std::string::npos) {
        return "";
    }
    return program == "Apache" ? "apache2" : lower(program);
}

std::string Entry::id() const {
    if (address) {
        return idOf(ComponentKind::address, address->toString());
    }
    return name.empty() ? "" : idOf(ComponentKind::name, name);
}

std::vector<std::string> Builder::balancerHosts() const {
    std::vector<std::string> out;
    for (const auto& [host, balancer] : model_.balancers) {
        out.push_back(host);
    }
    return out;
}

void Builder::findHolders(Entry& entry) const {
    for (const auto& [name, host] : inputs_.network.hosts) {
        if (std::any_of(host.addresses.begin(), host.addresses.end(),
                        [&](const auto& each) { return each.address == entry.address; })) {
            entry.holders.insert(name);
        }
    }
}

/// The load balancer that holds the address; else the only one whose addresses are unknown.
void Builder::findActive(Entry& entry) const {
    const auto hosts = balancerHosts();
    std::vector<std::string> holding;
    std::vector<std::string> silent;
    for (const auto& host : hosts) {
        const auto known = inputs_.network.hosts.find(host);
        if (entry.holders.contains(host)) {
            holding.push_back(host);
        } else if (known == inputs_.network.hosts.end() || known->second.addresses.empty()) {
            silent.push_back(host);
        }
    }
    if (!holding.empty()) {
        entry.active = holding.front();
        return;
    }
    const auto served = std::find_if(entry.holders.begin(), entry.holders.end(), [&](const auto& host) {
        return hosts.empty() || model_.components.contains(idOf(ComponentKind::web, host));
    });
    if (served != entry.holders.end()) {
        entry.direct = *served;
        return;
    }
    const bool named =
        entry.address && std::find(hosts.begin(), hosts.end(), entry.address->toString()) != hosts.end();
    if (named) {
        entry.active = entry.address->toString();
        return;
    }
    entry.assumed = true;
    if (!silent.empty() && (silent.size() == 1 || entry.address)) {
        entry.active = silent.front();
    } else if (hosts.size() == 1 || (!hosts.empty() && !entry.address)) {
        entry.active = hosts.front();
    }
}

void Builder::findStandbys(Entry& entry) const {
    for (const auto& host : balancerHosts()) {
        if (host != entry.active) {
            entry.standbys.push_back(standbyFor(inputs_, entry, host, model_.balancers));
        }
    }
}

void Builder::drawEntry(const Entry& entry) {
    const auto id = entry.id();
    if (id.empty()) {
        return;
    }
    const auto declared = entry.url.empty() ? Evidence{"keepalived", "it moves between load balancers"}
                                            : Evidence{"site.entry", "the site is requested at " + entry.url};
    if (entry.address) {
        const Evidence answer{"resolver of the collector",
                              entry.name + " resolves to " + entry.address->toString()};
        if (!entry.name.empty()) {
            component(ComponentKind::name, entry.name, Truth::yes, declared);
            edge(idOf(ComponentKind::name, entry.name), id, EdgeKind::resolves, answer);
        }
        component(ComponentKind::address, entry.address->toString(), Truth::yes,
                  entry.name.empty() ? declared : answer);
    } else {
        component(ComponentKind::name, entry.name, Truth::unknown, declared);
    }
    for (const auto& holder : entry.holders) {
        auto& seen = model_.components.at(id).seen;
        seen.push_back({"addresses of " + holder, holder + " holds it"});
    }
    if (!entry.active.empty()) {
        edge(id, model_.balancers.at(entry.active).component, EdgeKind::enters,
             entry.assumed ? Evidence{"addresses of the hosts",
                                      "no other host with an agent holds it: concluded, not seen"}
                           : Evidence{"addresses of " + entry.active, "it holds " + placeText(entry)});
    }
    if (!entry.direct.empty()) {
        edge(id, idOf(ComponentKind::web, entry.direct), EdgeKind::enters,
             {"addresses of " + entry.direct, "it holds " + placeText(entry)});
    }
    for (const auto& standby : entry.standbys) {
        edge(id, model_.balancers.at(standby.host).component, EdgeKind::stands_by,
             standby.obstacles.empty() ? Evidence{"keepalived of " + standby.host,
                                                  "it takes the address over (" + standby.mechanism + ")"}
                                       : standby.obstacles.front().evidence);
    }
    if (entry.holders.size() > 1) {
        std::vector<Evidence> evidence;
        for (const auto& holder : entry.holders) {
            evidence.push_back({"addresses of " + holder, "it holds " + placeText(entry)});
        }
        model_.conflicts.push_back({id, "several hosts hold " + placeText(entry), std::move(evidence)});
    }
}

void Builder::entry(Entry base) {
    findHolders(base);
    findActive(base);
    findStandbys(base);
    drawEntry(base);
    model_.entries.push_back(std::move(base));
}

void Builder::entries() {
    for (const auto& url : inputs_.site.entry) {
        Entry base;
        base.url = url;
        const auto endpoint = Endpoint::ofUrl(url);
        if (!endpoint) {
            continue;
        }
        base.port = endpoint->port;
        const auto& host = endpoint->host;
        base.address = endpoint->address();
        if (base.address) {
            entry(std::move(base));
            continue;
        }
        base.name = host;
        const auto resolved = inputs_.services.names.find(host);
        const auto addresses =
            resolved == inputs_.services.names.end() ? std::vector<reach::Address>{} : resolved->second;
        base.one_of_several = addresses.size() > 1;
        for (const auto& address : addresses) {
            base.address = address;
            entry(base);
        }
        if (addresses.empty()) {
            entry(std::move(base));
        }
    }
    if (!inputs_.site.entry.empty()) {
        return;
    }
    // Without declared entries, each address that VRRP moves between load balancers is an entry.
    std::set<reach::Address> moving;
    for (const auto& host : balancerHosts()) {
        const auto vrrp = inputs_.services.vrrp.find(host);
        if (vrrp != inputs_.services.vrrp.end()) {
            for (const auto& instance : vrrp->second.instances) {
                moving.insert(instance.addresses.begin(), instance.addresses.end());
            }
        }
    }
    for (const auto& address : moving) {
        Entry base;
        base.address = address;
        entry(std::move(base));
    }
    if (moving.empty() && !balancerHosts().empty()) {
        entry({});
    }
}

}  // namespace lapwing::analysis::topology
