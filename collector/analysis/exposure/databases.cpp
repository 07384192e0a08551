#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

void judgeHost(const Context& context, const evidence::Host& host, Judgement& out) {
    Service service;
    service.id = "F2";
    service.subject = "mysql@" + host.name;
    service.title = "MySQL on " + host.name + " is reachable from addresses that have no business there";
    service.severity = Severity::critical;
    service.listeners = listenersOf(host, [](const evidence::Listener& listener) {
        return listener.program() == evidence::Program::mysql;
    });
    service.allowed = allowedToDatabase(context);
    service.by_greeting = {{evidence::Greeting::host_not_allowed, {Severity::medium}}};
    service.remedy = [&] {
        return "Let the database's port in from its peers only. This ruleset does, and drops the rest:\n" +
               firewallRemedy(context, host);
    };
    judgeService(context, host, service, out);
}

}  // namespace

std::vector<reach::AddressRange> allowedToDatabase(const Context& context) {
    auto out = declaredFor(context.site, {"mysql", "tcp/3306"});
    std::set<std::string> peers;
    for (const auto& pair : context.site.replication) {
        peers.insert(pair.primary);
        peers.insert(pair.replica);
    }
    for (const auto& replica : context.network.replicas) {
        peers.insert(replica.replica);
        if (const auto primary = reach::Address::parse(replica.primary_address)) {
            out.push_back(reach::AddressRange::of(*primary));
        }
    }
    for (const auto& [instance, balancer] : context.network.balancers) {
        for (const auto& server : balancer.servers) {
            const auto address = reach::Address::parse(server.address.substr(0, server.address.rfind(':')));
            const auto* holder = address ? context.network.holder(*address) : nullptr;
            peers.insert(holder != nullptr ? holder->name : server.server);
        }
    }
    for (const auto& peer : peers) {
        for (const auto& address : evidence::knownAddresses(context.network, peer)) {
            out.push_back(reach::AddressRange::of(address));
        }
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return std::tie(a.family, a.low, a.high) < std::tie(b.family, b.low, b.high);
    });
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void judgeDatabases(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        if (host.agent_present) {
            judgeHost(context, host, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
