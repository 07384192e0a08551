#include "collector/analysis/topology/served.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lapwing::analysis::topology {

namespace {

using evidence::Program;

constexpr std::array kUsualPorts{
    std::pair(25, "smtp"),         std::pair(587, "smtp"),      std::pair(389, "ldap"),
    std::pair(636, "ldap"),        std::pair(143, "imap"),      std::pair(993, "imap"),
    std::pair(5432, "postgresql"), std::pair(6379, "redis"),    std::pair(5672, "amqp"),
    std::pair(11211, "memcached"), std::pair(27017, "mongodb"),
};

bool isWebServer(const evidence::Listener& listener) {
    static const std::set<std::string> others{"lighttpd", "caddy", "varnishd", "httpd", "litespeed"};
    const auto program = listener.program();
    return program == Program::nginx || program == Program::apache || program == Program::haproxy ||
           others.contains(listener.process);
}

bool isMysql(const std::string& process, int port) {
    evidence::Listener usual;
    usual.protocol = evidence::Transport::tcp;
    usual.process = process;
    usual.port = port;
    return usual.program() == Program::mysql;
}

ComponentKind kindOf(const evidence::Listener& listener, ComponentKind otherwise) {
    if (listener.program() == Program::mysql) {
        return ComponentKind::mysql;
    }
    if (isWebServer(listener)) {
        return ComponentKind::web;
    }
    if (otherwise == ComponentKind::app &&
        (listener.program() == Program::app || evidence::isApplication(listener.process))) {
        return ComponentKind::app;
    }
    return protocolAt(listener.port).empty() ? otherwise : ComponentKind::service;
}

}  // namespace

const evidence::Listener* listenerAt(const evidence::Network& network, const std::string& host, int port) {
    const auto found = network.hosts.find(host);
    if (found == network.hosts.end()) {
        return nullptr;
    }
    const evidence::Listener* out = nullptr;
    for (const auto& each : found->second.listeners) {
        if (each.isTcp() && each.port == port && (out == nullptr || !each.process.empty())) {
            out = &each;
        }
    }
    return out;
}

std::string protocolAt(int port) {
    const auto found = std::find_if(kUsualPorts.begin(), kUsualPorts.end(),
                                    [&](const auto& each) { return each.first == port; });
    return found == kUsualPorts.end() ? "" : found->second;
}

Served servedAt(const evidence::Network& network, const evidence::Services& services, const std::string& host,
                int port, ComponentKind otherwise) {
    const auto* listener = listenerAt(network, host, port);
    const auto routes = services.routes.find(host);
    const bool routed =
        routes != services.routes.end() && std::any_of(routes->second.begin(), routes->second.end(),
                                                       [&](const auto& each) { return each.port == port; });
    Served out{"", otherwise, host, port};
    if (listener != nullptr && (!listener->process.empty() || !listener->unit.empty())) {
        out.kind = kindOf(*listener, otherwise);
    } else if (routed || port == 80 || port == 443) {
        out.kind = ComponentKind::web;
    } else if (isMysql("", port)) {
        out.kind = ComponentKind::mysql;
    } else if (!protocolAt(port).empty()) {
        out.kind = ComponentKind::service;
    }
    if (out.kind != ComponentKind::service) {
        out.id = idOf(out.kind, host);
        return out;
    }
    const auto protocol = protocolAt(port);
    const auto named = listener == nullptr || listener->process.empty() ? "port-" + std::to_string(port)
                                                                        : listener->service();
    out.id = (protocol.empty() ? named : protocol) + "@" + host;
    return out;
}

}  // namespace lapwing::analysis::topology
