#include "collector/analysis/evidence/addresses.h"
#include "collector/analysis/redundancy/pool_names.h"
#include "collector/analysis/redundancy/redundancy.h"
#include "collector/analysis/topology/served.h"
#include "common/endpoint.h"

namespace lapwing::analysis::redundancy {

namespace {

using evidence::HealthCheck;
using topology::ComponentKind;
using topology::Pool;

/// An application that fails for longer than this should be DOWN: HAProxy's checks need some seconds to
/// notice, and both are observed at least every ten seconds.
constexpr std::int64_t kUnnoticedMs = 60'000;

std::string addressText(const topology::Member& member) {
    return member.server.address.empty() ? member.host : member.server.address;
}

int portOf(const Pool& pool) {
    for (const auto& member : pool.members) {
        if (const auto endpoint = Endpoint::parse(member.server.address); endpoint && endpoint->port != 0) {
            return endpoint->port;
        }
    }
    return 0;
}

/// The address from which the load balancer asks the databases.
std::string accountHost(const Pool& pool, const evidence::Network& network) {
    const auto known = evidence::likelyAddresses(network, pool.host);
    return known.empty() ? "%" : known.front().toString();
}

/// A line of haproxy.cfg in the backend, and the reload. The old process goes on until the file is right.
std::string reload(const Pool& pool, const std::string& lines) {
    return "Then, in haproxy.cfg on " + pool.host + ", in the section `" + pool.proxy + "`:\n" + lines +
           "and `check` on each of its server lines. Load it:\n"
           "    haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy\n"
           "If a server that works is DOWN afterwards, take the lines away and reload again.";
}

std::string httpAdvice(const Pool& pool) {
    std::string out =
        "Choose a path at which the application asks its database, and see that every server answers it with "
        "200 now. With /healthz, on " +
        pool.host + ":\n";
    for (const auto& member : pool.members) {
        const auto endpoint = Endpoint::parse(member.server.address);
        const std::string scheme =
            (endpoint && endpoint->port == 443) || member.server.check == evidence::HealthCheck::l6 ? "https"
                                                                                                    : "http";
        out.append("    curl -sk -o /dev/null -w '%{http_code}\\n' ")
            .append(scheme)
            .append("://")
            .append(addressText(member))
            .append("/healthz\n");
    }
    return out + "A server that answers otherwise would be taken out of use: choose another path.\n" +
           reload(pool, "    option httpchk GET /healthz\n    http-check expect status 200\n");
}

std::string mysqlAdvice(const Pool& pool, const evidence::Network& network) {
    return "First an account without a password and without privileges, on the primary (the replica copies "
           "it):\n    CREATE USER 'haproxy_check'@'" +
           accountHost(pool, network) +
           "';\n"
           "See that each server takes it, on " +
           pool.host + ": `mysql -h ADDRESS -u haproxy_check` connects.\n" +
           reload(pool, "    option mysql-check user haproxy_check\n");
}

std::string protocolOf(const Pool& pool) {
    const auto& id = pool.members.front().id;
    const auto named = id.substr(0, id.find('@'));
    const auto usual = topology::protocolAt(portOf(pool));
    return usual.empty() ? named : usual;
}

/// The check that fits the mode of the backend and the protocol of its servers. Followed in its order, the
/// advice takes no working server out of use.
std::string checkAdvice(const Pool& pool, const evidence::Network& network) {
    const auto kind = pool.members.front().kind;
    const auto balancer = network.balancers.find(pool.balancer);
    const auto mode =
        balancer == network.balancers.end() ? std::string() : [&, &modes = balancer->second.modes] {
            const auto found = modes.find(pool.proxy);
            return found == modes.end() ? std::string() : found->second;
        }();
    if (kind == ComponentKind::mysql) {
        return mysqlAdvice(pool, network);
    }
    if (mode != "tcp" && kind != ComponentKind::service) {
        return httpAdvice(pool);
    }
    const auto protocol = kind == ComponentKind::service ? protocolOf(pool) : std::string();
    if (protocol == "postgresql" || protocol == "postgres") {
        return "PostgreSQL answers this check without an account.\n" +
               reload(pool, "    option pgsql-check user haproxy_check\n");
    }
    if (protocol == "redis") {
        return "Without a password in Redis (with one, send `AUTH PASSWORD` first):\n" +
               reload(pool,
                      "    option tcp-check\n    tcp-check connect\n    tcp-check send PING\\r\\n\n"
                      "    tcp-check expect string +PONG\n");
    }
    if (protocol == "smtp") {
        return "The server must take HELO from the load balancer.\n" +
               reload(pool, "    option smtpchk HELO " + pool.host + "\n");
    }
    if (protocol == "ldap") {
        return "The server must take an anonymous bind.\n" + reload(pool, "    option ldap-check\n");
    }
    return "This backend passes connections on without reading them (mode tcp), and its protocol is not "
           "known: "
           "a check that does not fit takes its servers out of use. With the words of the protocol, "
           "`option tcp-check` sends a request and expects an answer; until then a connection is the "
           "check:\n" +
           reload(pool, "    option tcp-check\n    tcp-check connect\n");
}

}  // namespace

// Nginx has no such checks: what it notices is in the model.
void judgeHealthChecks(const Context& context, const Pool& pool, Judgement& out) {
    if (!pool.isHaproxys()) {
        out.judged.insert({"R5", subjectOf(pool)});
        return;
    }
    Finding finding;
    bool unknown = false;
    for (const auto& member : pool.members) {
        const auto check = member.server.check;
        unknown = unknown || check == HealthCheck::unknown;
        if (check == HealthCheck::none) {
            finding.evidence.push_back({pool.by.source, nameOf(pool, member) + " is not checked"});
        } else if (check == HealthCheck::l4 || check == HealthCheck::l6) {
            finding.evidence.push_back({pool.by.source, nameOf(pool, member) +
                                                            " counts as UP if it takes a connection (" +
                                                            healthCheckName(check) + ")"});
        }
        const auto& failing = context.moment->services.apps_failing_since;
        const auto since = failing.find(member.host);
        if (member.kind == ComponentKind::web && member.isUp() && since != failing.end() &&
            context.network.now - since->second >= kUnnoticedMs) {
            finding.evidence.push_back({"application probe of " + member.host,
                                        "a request to the application fails, while HAProxy says that " +
                                            nameOf(pool, member) + " is UP"});
        }
    }
    if (finding.evidence.empty()) {
        if (!unknown) {
            out.judged.insert({"R5", subjectOf(pool)});
        }
        return;
    }
    finding.severity = Severity::medium;
    finding.confidence = Confidence::confirmed;
    finding.title = "The load balancer would not notice a failing server of backend " + pool.proxy;
    finding.remedy = checkAdvice(pool, context.network);
    finding.not_assessed = {"what the checked path itself looks at"};
    conclude(out, {"R5", subjectOf(pool)}, std::move(finding));
}

}  // namespace lapwing::analysis::redundancy
