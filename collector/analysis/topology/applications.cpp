#include <algorithm>
#include <iterator>

#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"
#include "common/endpoint.h"

namespace lapwing::analysis::topology {

namespace {

using evidence::ServerRole;

/// As ngx_http_server_name does: the name, or "*.example.org", ".example.org" or "www.*". Not regular
/// expressions.
bool names(const evidence::Route& route, const std::string& host) {
    return std::any_of(route.server_names.begin(), route.server_names.end(), [&](const std::string& name) {
        if (name.starts_with("*.")) {
            return host.size() > name.size() - 1 && host.ends_with(name.substr(1));
        }
        if (name.starts_with('.')) {
            return host.ends_with(name) || host == name.substr(1);
        }
        if (name.ends_with(".*")) {
            return host.starts_with(name.substr(0, name.size() - 1));
        }
        return host == name;
    });
}

}  // namespace

/// The ports of a host at which the load balancers, or the site's visitors, request its web server.
std::set<int> Builder::requestedPorts(const std::string& host) const {
    std::set<int> ports;
    const auto add = [&](const std::string& address) {
        const auto endpoint = Endpoint::parse(address);
        if (endpoint && hostAt(endpoint->address()) == host) {
            ports.insert(endpoint->port);
        }
    };
    for (const auto& pool : model_.pools) {
        for (const auto& member : pool.members) {
            const auto endpoint = Endpoint::parse(member.server.address);
            if (member.host == host && endpoint) {
                ports.insert(endpoint->port);
            }
        }
    }
    for (const auto& [other, routes] : inputs_.services.routes) {
        for (const auto& route : routes) {
            add(route.address);
        }
    }
    const bool first = receives(host);
    for (const auto& url : inputs_.site.entry) {
        const auto endpoint = Endpoint::ofUrl(url);
        if (endpoint && (first || model_.pools.empty())) {
            ports.insert(endpoint->port);
        }
    }
    if (first) {
        ports.insert({80, 443});
    }
    // A server of this Nginx may pass requests to another server of it.
    const auto known = inputs_.services.routes.find(host);
    if (known == inputs_.services.routes.end()) {
        return ports;
    }
    for (bool more = true; more;) {
        more = false;
        for (const auto& route : known->second) {
            const auto endpoint = Endpoint::parse(route.address);
            const auto address = endpoint ? endpoint->address() : std::nullopt;
            more = (ports.contains(route.port) && address && address->isLoopback() &&
                    ports.insert(endpoint->port).second) ||
                   more;
        }
    }
    return ports;
}

/// The routes that the site's requests take through the web server of a host.
std::vector<evidence::Route> Builder::routesOf(const std::string& host) const {
    const auto known = inputs_.services.routes.find(host);
    if (known == inputs_.services.routes.end()) {
        return {};
    }
    const auto ports = requestedPorts(host);
    std::set<std::string> asked;
    for (const auto& url : inputs_.site.entry) {
        const auto endpoint = Endpoint::ofUrl(url);
        if (!endpoint) {
            continue;
        }
        asked.insert(endpoint->host);
    }
    if (asked.empty()) {
        asked.insert("");
    }
    std::vector<evidence::Route> out;
    for (const auto& name : asked) {
        const bool named = std::any_of(known->second.begin(), known->second.end(), [&](const auto& each) {
            return ports.contains(each.port) && names(each, name);
        });
        std::copy_if(
            known->second.begin(), known->second.end(), std::back_inserter(out), [&](const auto& each) {
                return ports.contains(each.port) && (named ? names(each, name) : each.default_server);
            });
    }
    return out;
}

std::string Builder::appOn(const std::string& host, const Evidence& source) {
    auto id = idOf(ComponentKind::app, host);
    if (!model_.components.contains(id)) {
        component(ComponentKind::app, host, worksOf(inputs_.services.apps, host), source);
    }
    return id;
}

/// The application or the web server at "127.0.0.1:8000" or "unix:/run/app.sock", as seen by the web server
/// of a host. An address of no known host stands for a host of that name.
std::string Builder::upstreamAt(const std::string& web_host, const std::string& address,
                                const Evidence& source) {
    if (address.starts_with("unix:")) {
        return appOn(web_host, source);
    }
    const auto endpoint = Endpoint::parse(address);
    const auto parsed = endpoint ? endpoint->address() : std::nullopt;
    auto host = parsed && parsed->isLoopback() ? web_host : hostAt(parsed);
    if (host.empty()) {
        host = parsed ? parsed->toString() : endpoint ? endpoint->host : address;
    }
    if (endpoint) {
        const auto served =
            servedAt(inputs_.network, inputs_.services, host, endpoint->port, ComponentKind::app);
        if (served.kind == ComponentKind::web) {
            return serverAt(served, "Nginx configuration of " + web_host);
        }
    }
    auto id = appOn(host, source);
    const auto known = inputs_.network.hosts.find(host);
    const bool listens =
        known != inputs_.network.hosts.end() &&
        std::any_of(known->second.listeners.begin(), known->second.listeners.end(), [&](const auto& each) {
            return each.isTcp() && each.port == (endpoint ? endpoint->port : 0);
        });
    // No probe asks it, but it listens.
    if (auto& app = model_.components.at(id); app.works == Truth::unknown && listens) {
        app.works = Truth::yes;
    }
    return id;
}

bool Builder::configuredApplications(const std::string& host) {
    const auto routes = routesOf(host);
    const auto web = model_.nginxOn(host);
    std::set<std::string> pooled;
    for (const auto& pool : model_.pools) {
        if (pool.by.component == web) {
            pooled.insert(pool.proxy);
        }
    }
    std::map<std::string, std::set<std::string>> by_upstream;
    bool all = !routes.empty();
    for (const auto& route : routes) {
        if (route.address.empty()) {
            all = all && route.upstream.empty();
            continue;
        }
        if (pooled.contains(route.upstream)) {
            continue;
        }
        const Evidence source{
            "Nginx configuration of " + host,
            (route.upstream == route.address ? "" : "upstream " + route.upstream + ": ") + route.address +
                (route.role == ServerRole::active ? std::string()
                                                  : std::string(", ") + serverRoleName(route.role))};
        const auto app = upstreamAt(host, route.address, source);
        if (app == web) {
            continue;
        }
        auto& link = edge(web, app, EdgeKind::proxies, source);
        if (route.role == ServerRole::down) {
            link.works = link.sources.size() == 1 ? Truth::no : link.works;
        } else {
            link.works = link.works == Truth::no ? Truth::unknown : link.works;
            by_upstream[route.upstream].insert(app);
        }
    }
    auto& needed = model_.apps_of_web[web];
    for (auto& [upstream, alternatives] : by_upstream) {
        if (std::find(needed.begin(), needed.end(), alternatives) == needed.end()) {
            needed.push_back(std::move(alternatives));
        }
    }
    if (needed.empty()) {
        model_.apps_of_web.erase(web);
    }
    return all;
}

/// If the configuration names no application: the application that runs on the web server's own host.
void Builder::seenApplications(const std::string& host) {
    const auto web = model_.nginxOn(host);
    const auto add = [&](const Evidence& source) {
        const auto app = appOn(host, source);
        edge(web, app, EdgeKind::proxies, source);
        auto& needed = model_.apps_of_web[web];
        if (std::none_of(needed.begin(), needed.end(),
                         [&](const auto& each) { return each.contains(app); })) {
            needed.push_back({app});
        }
    };
    if (inputs_.services.apps.contains(host)) {
        add({"application probe of " + host, "an application answers there"});
    }
    const auto known = inputs_.network.hosts.find(host);
    if (known == inputs_.network.hosts.end()) {
        return;
    }
    const auto listener =
        std::find_if(known->second.listeners.begin(), known->second.listeners.end(),
                     [](const auto& each) { return evidence::isApplication(each.process); });
    if (listener != known->second.listeners.end()) {
        add({"sockets of " + host, listener->process + " listens on port " + std::to_string(listener->port)});
        if (auto& app = model_.components.at(idOf(ComponentKind::app, host)); app.works == Truth::unknown) {
            app.works = Truth::yes;
        }
    }
}

void Builder::applications() {
    for (const auto& [host, works] : inputs_.services.webs) {
        const auto id = model_.nginxOn(host);
        const bool balances = id == idOf(ComponentKind::nginx, host);
        component(balances ? ComponentKind::nginx : ComponentKind::web, host, works,
                  {"nginx probe of " + host, "it is observed there"});
    }
    std::vector<std::string> web_hosts;
    for (const auto& [id, each] : model_.components) {
        if (each.kind == ComponentKind::web || each.kind == ComponentKind::nginx) {
            web_hosts.push_back(each.host);
        }
    }
    for (const auto& host : web_hosts) {
        if (configuredApplications(host)) {
            configured_.insert(host);
        } else if (!model_.balancers.contains(host) ||
                   model_.nginxOn(host) != model_.balancers.at(host).component) {
            seenApplications(host);
        }
    }
    checkedApplications();
}

/// Without a probe of the application, a passing health check by HTTP proves that it works.
void Builder::checkedApplications() {
    for (const auto& pool : model_.pools) {
        for (const auto& member : pool.members) {
            const auto apps = model_.apps_of_web.find(idOf(ComponentKind::web, member.host));
            if (apps == model_.apps_of_web.end() || apps->second.size() != 1 ||
                apps->second.front().size() != 1 || member.server.check != evidence::HealthCheck::l7 ||
                member.kind != ComponentKind::web || !member.isUp()) {
                continue;
            }
            auto& app = model_.components.at(*apps->second.front().begin());
            if (app.works == Truth::unknown) {
                app.works = Truth::yes;
                app.seen.push_back(
                    {"haproxy statistics of " + pool.balancer, "its health check by HTTP passes"});
            }
        }
    }
}

}  // namespace lapwing::analysis::topology
