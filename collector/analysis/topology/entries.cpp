#include <algorithm>

#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"

namespace lapwing::analysis::topology {

namespace {

/// The host of "https://www.example.org:8443/path".
std::string hostOfUrl(const std::string& url) {
    const auto scheme = url.find("://");
    auto rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
    rest = rest.substr(0, rest.find('/'));
    if (rest.starts_with('[')) {
        return rest.substr(1, rest.find(']') - 1);
    }
    return rest.substr(0, rest.find(':'));
}

std::string words(const Entry& entry) {
    return entry.address ? entry.address->toString() : entry.name;
}

}  // namespace

std::string Entry::id() const {
    if (address) {
        return idOf("address", address->toString());
    }
    return name.empty() ? "" : idOf("name", name);
}

std::vector<std::string> Builder::balancerHosts() const {
    std::vector<std::string> out;
    for (const auto& [id, one] : model_.components) {
        if (one.kind == "haproxy") {
            out.push_back(one.host);
        }
    }
    return out;
}

void Builder::findHolders(Entry& entry) const {
    for (const auto& [name, host] : inputs_.facts.hosts) {
        if (std::any_of(host.addresses.begin(), host.addresses.end(),
                        [&](const auto& one) { return one.address == entry.address; })) {
            entry.holders.insert(name);
        }
    }
}

/// Who holds the address; else the only load balancer of which that cannot be told.
void Builder::findActive(Entry& entry) const {
    const auto hosts = balancerHosts();
    std::vector<std::string> holding;
    std::vector<std::string> silent;
    for (const auto& host : hosts) {
        const auto known = inputs_.facts.hosts.find(host);
        if (entry.holders.contains(host)) {
            holding.push_back(host);
        } else if (known == inputs_.facts.hosts.end() || known->second.addresses.empty()) {
            silent.push_back(host);
        }
    }
    if (!holding.empty()) {
        entry.active = holding.front();
        return;
    }
    if (!entry.holders.empty() && hosts.empty()) {
        entry.direct = *entry.holders.begin();
        return;
    }
    entry.assumed = true;
    if (!silent.empty() && (silent.size() == 1 || entry.address)) {
        entry.active = silent.front();
    } else if (hosts.size() == 1 || (!hosts.empty() && !entry.address)) {
        entry.active = hosts.front();
    }
}

/// Another load balancer may take the address over; whether it does is not seen from here.
Standby Builder::standbyOn(const Entry& entry, const std::string& host) const {
    const auto known = inputs_.facts.hosts.find(host);
    const bool seen = known != inputs_.facts.hosts.end() && known->second.agent_present;
    return {host,
            Truth::unknown,
            {{"agent of " + host,
              seen ? "it does not hold " + words(entry) +
                         ", and does not tell whether the address would move there"
                   : "none reports from there: whether the address moves there is not known"}}};
}

void Builder::findStandbys(Entry& entry) const {
    for (const auto& host : balancerHosts()) {
        if (host != entry.active) {
            entry.standbys.push_back(standbyOn(entry, host));
        }
    }
}

void Builder::drawEntry(const Entry& entry) {
    const auto id = entry.id();
    if (id.empty()) {
        return;
    }
    const Evidence declared{"site.entry", "the site is requested at " + entry.url};
    if (entry.address) {
        component("address", entry.address->toString(), Truth::yes, declared);
    } else {
        component("name", entry.name, Truth::unknown, declared);
    }
    for (const auto& holder : entry.holders) {
        auto& seen = model_.components.at(id).seen;
        seen.push_back({"addresses of " + holder, holder + " holds it"});
    }
    if (!entry.active.empty()) {
        edge(id, idOf("haproxy", entry.active), "enters",
             entry.assumed ? Evidence{"addresses of the hosts",
                                      "no other host with an agent holds it: concluded, not seen"}
                           : Evidence{"addresses of " + entry.active, "it holds " + words(entry)});
    }
    if (!entry.direct.empty()) {
        edge(id, idOf("web", entry.direct), "enters",
             {"addresses of " + entry.direct, "it holds " + words(entry)});
    }
    for (const auto& standby : entry.standbys) {
        edge(id, idOf("haproxy", standby.host), "stands_by",
             standby.obstacles.empty()
                 ? Evidence{"keepalived of " + standby.host, "it takes the address over"}
                 : standby.obstacles.front());
    }
    if (entry.holders.size() > 1) {
        std::vector<Evidence> evidence;
        for (const auto& holder : entry.holders) {
            evidence.push_back({"addresses of " + holder, "it holds " + words(entry)});
        }
        model_.conflicts.push_back({id, "several hosts hold " + words(entry), std::move(evidence)});
    }
}

void Builder::entry(const std::string& url) {
    Entry base;
    base.url = url;
    const auto host = hostOfUrl(url);
    base.address = reach::Address::parse(host);
    if (!base.address) {
        base.name = host;
    }
    findHolders(base);
    findActive(base);
    findStandbys(base);
    drawEntry(base);
    model_.entries.push_back(std::move(base));
}

void Builder::entries() {
    for (const auto& url : inputs_.site.entry) {
        entry(url);
    }
    if (inputs_.site.entry.empty() && !balancerHosts().empty()) {
        entry("");
    }
}

}  // namespace lapwing::analysis::topology
