#include "collector/analysis/exposure/database_clients.h"
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
    service.allowed = databaseClients(context).from;
    service.by_greeting = {{evidence::Greeting::host_not_allowed, {Severity::medium}}};
    service.remedy = [&] {
        return firewallRemedy(
            context, host,
            "Let only the hosts that use the database connect to its port, and drop the rest.");
    };
    judgeService(context, host, service, out);
}

}  // namespace

void judgeDatabases(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        if (host.agent_present) {
            judgeHost(context, host, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
