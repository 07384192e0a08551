#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/placed_servers.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

/// F3, on the load balancer's own host: with an agent, or as attempts see it.
void judgeStatistics(const Context& context, const evidence::Host& host, Judgement& out) {
    Service service;
    service.id = "F3";
    service.subject = "haproxy@" + host.name;
    service.title = "HAProxy's statistics on " + host.name + " are open to anybody";
    service.ports = statisticsPorts(host);
    service.listeners = listenersOf(host, [&](const evidence::Listener& listener) {
        return listener.program() == evidence::Program::haproxy &&
               (listener.port == kStatistics || service.ports.contains(listener.port));
    });
    service.allowed = declaredFor(context.site, {"haproxy-stats", "tcp/" + std::to_string(kStatistics)});
    const auto& hosts = siteHosts(context);
    service.allowed.insert(service.allowed.end(), hosts.begin(), hosts.end());
    service.by_greeting = {
        {evidence::Greeting::haproxy_stats_admin, {Severity::critical}},
        {evidence::Greeting::http_401,
         {Severity::medium, "Anybody may try passwords on HAProxy's statistics on " + host.name}}};
    service.remedy = [&] {
        const auto advice =
            "Let only the site's hosts connect to the statistics; or, in haproxy.cfg, bind the "
            "statistics to 127.0.0.1 where only an agent on " +
            host.name +
            " reads them. At once: take `stats admin` away, and ask for a password (`stats auth "
            "USER:PASSWORD`; an agent elsewhere is told it by `user` and `password_file`): the finding "
            "then stays, at medium. `systemctl reload haproxy` after either.";
        if (host.agent_present) {
            return firewallRemedy(context, host, advice);
        }
        // Visitors enter by these ports, too.
        auto ports = service.ports;
        for (const int port : entryPorts(context, host)) {
            ports.erase(port);
        }
        return portsRemedy(context, host.name, ports, service.allowed, advice);
    };
    service.not_assessed = {"the runtime API's unix sockets: their modes show on the host only"};
    judgeService(context, host, service, out);
}

/// F4: other hosts bypass the load balancer's TLS, limits, access control and log.
void judgeBypass(const Context& context, const evidence::Host& host, Judgement& out) {
    std::set<int> ports;
    std::string balancer;
    for (const auto& placed : placedServers(context)) {
        // Beside the load balancer the server may listen on the host's other addresses, too.
        if (placed.host == host.name && !placed.server.isAtSocket()) {
            balancer = placed.balancer;
            ports.insert(placed.endpoint ? placed.endpoint->port : 0);
        }
    }
    if (balancer.empty()) {
        return;
    }
    const auto judge = [&](const std::string& name,
                           const std::function<bool(const evidence::Listener&)>& wanted) {
        Service service;
        service.id = "F4";
        service.subject = name + "@" + host.name;
        service.title = "The " + std::string(name == "app" ? "application" : "web server") + " on " +
                        host.name + " is reachable past the load balancer";
        service.listeners = listenersOf(host, wanted);
        std::vector<std::string> names{name, "http"};
        for (const auto* listener : service.listeners) {
            names.push_back("tcp/" + std::to_string(listener->port));
        }
        service.allowed = declaredFor(context.site, names);
        const auto& balancers = balancerSources(context);
        service.allowed.insert(service.allowed.end(), balancers.begin(), balancers.end());
        const auto& hosts = siteHosts(context);
        service.allowed.insert(service.allowed.end(), hosts.begin(), hosts.end());
        service.remedy = [&] {
            return firewallRemedy(context, host,
                                  "Let only the load balancer (" + balancer +
                                      ") and the site's own hosts connect to the port, and drop the rest.");
        };
        judgeService(context, host, service, out);
    };
    const auto is_app = [](const evidence::Listener& listener) {
        return listener.program() == evidence::Program::app || evidence::isApplication(listener.process);
    };
    judge("nginx", [&](const evidence::Listener& listener) {
        const auto name = listener.service();
        return !is_app(listener) && (ports.contains(listener.port) || name == "nginx" || name == "apache");
    });
    judge("app", is_app);
}

void judgeSsh(const Context& context, const evidence::Host& host, Judgement& out) {
    Service service;
    service.id = "F5";
    service.subject = "ssh@" + host.name;
    service.title = "ssh on " + host.name + " is open to anybody";
    const bool passwords = host.ssh_takes_passwords.value_or(false);
    service.severity = passwords ? Severity::high : Severity::medium;
    if (passwords) {
        service.title += ", and takes passwords";
    }
    service.listeners = listenersOf(host, [](const evidence::Listener& listener) {
        return listener.program() == evidence::Program::ssh;
    });
    std::vector<std::string> names{"ssh", "tcp/22"};
    for (const auto* listener : service.listeners) {
        names.push_back("tcp/" + std::to_string(listener->port));
    }
    service.allowed = declaredFor(context.site, names);
    service.from_anywhere = service.allowed.empty();
    if (!host.ssh_takes_passwords) {
        service.not_assessed = {
            "whether it takes passwords: look at `sshd -T | grep -i passwordauthentication`"};
    }
    service.remedy = [&, passwords] {
        const bool declared = !service.allowed.empty();
        const std::string keys = passwords ? "Once everybody has a key: `PasswordAuthentication no` and "
                                             "`KbdInteractiveAuthentication no` "
                                             "in /etc/ssh/sshd_config, then `systemctl reload ssh`.\n"
                                           : "";
        return firewallRemedy(
            context, host,
            keys + (declared
                        ? "Let ssh in only from where collector.yaml says (site.allow)."
                        : "Declare in collector.yaml from where you administer, `site: { allow: [{ to: ssh, "
                          "from: "
                          "[NETWORK] }] }`: the ruleset below then names it. If it is meant to be open to "
                          "everybody, declare 0.0.0.0/0 and ::/0."));
    };
    judgeService(context, host, service, out);
}

}  // namespace

void judgeServices(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        const bool balancer = context.network.balancers.contains(name);
        if (host.agent_present || (balancer && !host.attempts.empty())) {
            judgeStatistics(context, host, out);
        }
        if (host.agent_present) {
            judgeBypass(context, host, out);
            judgeSsh(context, host, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
