#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using evidence::HealthCheck;
using topology::ComponentKind;
using topology::EdgeKind;
using topology::Member;
using topology::Pool;

/// Fewer requests within the window say nothing about shares.
constexpr double kEnoughRequests = 200;
constexpr double kNearNothing = 0.01;
/// An application that fails for longer than this should be DOWN: HAProxy's checks need some seconds to
/// notice, and both are observed every ten seconds.
constexpr std::int64_t kUnnoticedMs = 60'000;

std::string subjectOf(const Pool& pool) {
    return pool.host + "/" + pool.proxy;
}

std::string nameOf(const Pool& pool, const Member& member) {
    return pool.proxy + "/" + member.server.server;
}

std::string sourceOf(const Pool& pool) {
    return "haproxy statistics of " + pool.balancer;
}

bool isKnown(const Pool& pool) {
    return !pool.members.empty() &&
           std::all_of(pool.members.begin(), pool.members.end(), [](const auto& member) {
               return member.server.state != evidence::ServerState::unknown;
           });
}

/// Its share of the requests; nothing if there were too few.
std::optional<double> observedShare(const Pool& pool, const Member& member) {
    double total = 0;
    for (const auto& each : pool.members) {
        if (!each.server.given || !each.server.steady) {
            return std::nullopt;
        }
        total += *each.server.given;
    }
    return total < kEnoughRequests ? std::nullopt : std::optional(*member.server.given / total);
}

/// Why the server would not take requests; "" if it does, or would as a backup.
std::string outOfUse(const Pool& pool, const Member& member) {
    if (!member.isUp()) {
        return "is " + member.server.state_text;
    }
    if (member.server.weight == 0.0) {
        return "has weight 0";
    }
    if (const auto share = observedShare(pool, member);
        !member.isBackup() && share && *share < kNearNothing && pool.sharesByWeight()) {
        return "got next to none of the requests of the last ten minutes, although it is UP";
    }
    return "";
}

std::string simulated(const Context& context, const std::vector<topology::Addition>& additions) {
    return "Simulated, remaining single points: " +
           singlePointsText(additions.empty() ? context.moment->model : context.moment->suppose(additions)) +
           ".";
}

/// R2.
void judgeSpare(const Context& context, const Pool& pool, Judgement& out) {
    const auto needed = static_cast<std::size_t>(context.site.servers_needed);
    const auto serving = pool.serving();
    const std::string* largest = &pool.members.front().machine;
    std::vector<std::string> words;
    for (const auto& member : pool.members) {
        words.push_back(nameOf(pool, member) + " (" + member.server.state_text +
                        (member.isBackup() ? ", backup" : "") + ")");
        if (pool.serving(member.machine) < pool.serving(*largest)) {
            largest = &member.machine;
        }
    }
    const auto left = pool.serving(*largest);
    if (left >= needed) {
        out.judged.insert({"R2", subjectOf(pool)});
        return;
    }
    Finding finding;
    finding.severity = serving <= needed ? Severity::critical : Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = serving < needed ? "Backend " + pool.proxy + " has fewer servers than its load needs"
                                     : "Backend " + pool.proxy + " does not survive the loss of one host";
    finding.evidence = {
        {sourceOf(pool), joined(words)},
        {needed == 1 ? "lapwing" : "site.servers_needed",
         counted(serving, "server takes", "servers take") + " requests, " + std::to_string(left) +
             (left == 1 ? " is" : " are") + " left without " + *largest + ", and " + std::to_string(needed) +
             (needed == 1 ? " is" : " are") + " needed"}};
    finding.remedy = "Bring back what is not UP, or add a server on a further host.\n" +
                     simulated(context, {{pool.members.front().kind, "a further host"}});
    finding.not_assessed = {
        "whether the servers that are left carry the whole load: declare site.servers_needed"};
    conclude(out, {"R2", subjectOf(pool)}, std::move(finding));
}

/// The programs of the server's host that the pool's requests need.
std::vector<ComponentKind> partsOf(const Member& member) {
    return member.kind == ComponentKind::web ? std::vector{ComponentKind::web, ComponentKind::app}
                                             : std::vector{member.kind};
}

/// Applications without which a web server cannot answer.
std::set<std::string> neededBy(const topology::Model& model, const Member& member) {
    std::set<std::string> out;
    const auto needed = model.apps_of_web.find(member.component());
    if (needed != model.apps_of_web.end()) {
        for (const auto& alternatives : needed->second) {
            if (alternatives.size() == 1) {
                out.insert(*alternatives.begin());
            }
        }
    }
    return out;
}

/// The servers of the pool on several machines pass their requests to one application.
std::vector<Evidence> sharedApplications(const topology::Model& model, const Pool& pool) {
    std::set<std::string> machines;
    std::optional<std::set<std::string>> shared;
    for (const auto& member : pool.members) {
        auto needed = neededBy(model, member);
        if (shared) {
            std::erase_if(needed, [&](const auto& app) { return !shared->contains(app); });
        }
        shared = std::move(needed);
        machines.insert(member.machine);
    }
    std::vector<Evidence> out;
    if (machines.size() < 2) {
        return out;
    }
    for (const auto& link : model.edges) {
        const bool from_pool = std::any_of(pool.members.begin(), pool.members.end(), [&](const auto& member) {
            return link.from == member.component();
        });
        if (from_pool && link.kind == EdgeKind::proxies && shared->contains(link.to)) {
            out.push_back({link.sources.front().source, link.from + " answers with the help of " + link.to +
                                                            " alone (" + link.sources.front().text + ")"});
        }
    }
    return out;
}

/// R3.
void judgeShared(const Context& context, const Pool& pool, Judgement& out) {
    std::map<std::string, std::vector<const Member*>> by_machine;
    for (const auto& member : pool.members) {
        if (!member.isBackup()) {
            by_machine[member.machine].push_back(&member);
        }
    }
    Finding finding;
    for (const auto& [machine, members] : by_machine) {
        if (members.size() < 2) {
            continue;
        }
        std::vector<std::string> words;
        bool seen = false;
        for (const auto* member : members) {
            words.push_back(nameOf(pool, *member) + " (" + member->server.address + ")");
            seen = seen || context.network.hosts.contains(member->host);
            if (member->host != machine) {
                finding.evidence.push_back(
                    {"machine-id", member->host + " and " + machine + " are one machine that booted once"});
            }
        }
        finding.evidence.push_back(
            {seen ? "addresses of " + machine : sourceOf(pool), joined(words) + " are on " + machine});
    }
    for (const auto& group : context.site.groups) {
        const bool all =
            pool.members.size() > 1 &&
            std::all_of(pool.members.begin(), pool.members.end(), [&](const auto& member) {
                return std::find(group.hosts.begin(), group.hosts.end(), member.host) != group.hosts.end();
            });
        if (all) {
            finding.evidence.push_back({"site.groups", "all its servers are in " + group.name});
        }
    }
    const auto applications = sharedApplications(context.moment->model, pool);
    finding.evidence.insert(finding.evidence.end(), applications.begin(), applications.end());
    if (finding.evidence.empty()) {
        out.judged.insert({"R3", subjectOf(pool)});
        return;
    }
    const bool spread = by_machine.size() > 1 && applications.empty();
    finding.severity = spread ? Severity::medium : Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = spread ? "Some servers of backend " + pool.proxy + " fail together"
                           : "All servers of backend " + pool.proxy + " fail together";
    finding.remedy =
        (applications.empty()
             ? "Move one of them to another machine; in haproxy.cfg, backend " + pool.proxy +
                   ": one server line for each machine.\n"
             : std::string(
                   "Run the application on each of the machines, and let each Nginx pass requests to its "
                   "own, the other as `backup` in one `upstream`.\n")) +
        simulated(context, {{pool.members.front().kind, "a further host"}});
    finding.not_assessed = {
        "machines that share a hypervisor, a rack or a power supply: declare site.groups"};
    conclude(out, {"R3", subjectOf(pool)}, std::move(finding));
}

/// Components that stop the backend alone now, though by design only together with another.
std::vector<Evidence> degraded(const Pool& pool) {
    const auto before = pool.design.singles(false);
    std::vector<std::string> fresh;
    for (const auto& single : pool.now.singles()) {
        const bool paired = std::any_of(pool.design.sets.begin(), pool.design.sets.end(),
                                        [&](const auto& set) { return set.components.contains(single); });
        if (!before.contains(single) && paired) {
            fresh.push_back(single);
        }
    }
    if (fresh.empty()) {
        return {};
    }
    return {{"cut sets", "by design backend " + pool.proxy + " stops only if two fail together; now " +
                             joined(fresh) + " alone" + (fresh.size() == 1 ? " stops" : " stop") + " it"}};
}

/// R4.
void judgeDegraded(const Context& context, const Pool& pool, Judgement& out) {
    std::set<std::string> designed;
    std::set<std::string> used;
    Finding finding;
    for (const auto& member : pool.members) {
        designed.insert(member.machine);
        const auto why = outOfUse(pool, member);
        if (why.empty()) {
            used.insert(member.machine);
        } else {
            finding.evidence.push_back({sourceOf(pool), nameOf(pool, member) + " " + why});
        }
    }
    const auto pairs = degraded(pool);
    const bool alone = used.size() < 2 && designed.size() > 1;
    if (!alone && pairs.empty()) {
        out.judged.insert({"R4", subjectOf(pool)});
        return;
    }
    finding.evidence.insert(finding.evidence.end(), pairs.begin(), pairs.end());
    for (const auto& member : pool.members) {
        for (const auto kind : partsOf(member)) {
            const auto found = context.moment->model.components.find(topology::idOf(kind, member.host));
            if (found != context.moment->model.components.end() && found->second.works == Truth::no) {
                finding.evidence.push_back(
                    {found->second.seen.front().source, found->first + " does not work"});
            }
        }
    }
    finding.severity = Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = used.empty() ? "Backend " + pool.proxy + " has no server in use"
                                 : "Backend " + pool.proxy + " is served by one host only";
    finding.remedy =
        "Bring the others back: `echo \"set server BACKEND/SERVER state ready\" | socat stdio "
        "/run/haproxy/admin.sock` ends drain and maintenance, `... weight 100%` gives the weight back; a "
        "server that is DOWN shows in its own findings and alerts.\n" +
        simulated(context, {});
    finding.not_assessed = {"whether it is meant so, for maintenance"};
    conclude(out, {"R4", subjectOf(pool)}, std::move(finding));
}

/// R5.
void judgeChecks(const Context& context, const Pool& pool, Judgement& out) {
    Finding finding;
    bool unknown = false;
    for (const auto& member : pool.members) {
        const auto check = member.server.check;
        unknown = unknown || check == HealthCheck::unknown;
        if (check == HealthCheck::none) {
            finding.evidence.push_back({sourceOf(pool), nameOf(pool, member) + " is not checked"});
        } else if (check == HealthCheck::l4 || check == HealthCheck::l6) {
            finding.evidence.push_back({sourceOf(pool), nameOf(pool, member) +
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
    const bool database = pool.members.front().kind == ComponentKind::mysql;
    finding.remedy =
        "In haproxy.cfg, backend " + pool.proxy + ": " +
        (database
             ? "`option mysql-check user USER`, where USER is an account without a password and without "
               "privileges that may log in from the load balancer, and `check` on each server."
             : "`option httpchk GET /healthz`, `http-check expect status 200`, and `check` on each server; "
               "the path must ask the application, and the application its database.") +
        "\nSimulated, the single points stay as they are: " + singlePointsText(context.moment->model) +
        ". What changes is that a failing server is left out.";
    finding.not_assessed = {"what the checked path itself looks at"};
    conclude(out, {"R5", subjectOf(pool)}, std::move(finding));
}

/// Ends the findings of backends that are no longer configured.
void noteVanished(const Context& context, Judgement& out) {
    std::set<std::string> read;  // the load balancers whose backends are all known now
    std::set<std::string> configured;
    for (const auto& pool : context.moment->model.pools) {
        configured.insert(subjectOf(pool));
        const auto balancer = context.network.balancers.find(pool.balancer);
        if (balancer != context.network.balancers.end() && balancer->second.works == Truth::yes) {
            read.insert(pool.host);
        }
    }
    out.vanished.emplace_back([read, configured](const FindingKey& key) {
        static const std::set<std::string> ids{"R2", "R3", "R4", "R5", "R13"};
        return ids.contains(key.first) && read.contains(key.second.substr(0, key.second.find('/'))) &&
               !configured.contains(key.second);
    });
}

}  // namespace

void judgePools(const Context& context, Judgement& out) {
    noteVanished(context, out);
    for (const auto& pool : context.moment->model.pools) {
        if (!isKnown(pool)) {
            continue;
        }
        judgeSpare(context, pool, out);
        judgeShared(context, pool, out);
        judgeDegraded(context, pool, out);
        judgeChecks(context, pool, out);
    }
}

}  // namespace lapwing::analysis::redundancy
