#include <algorithm>

#include "collector/analysis/redundancy/pool_names.h"
#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using topology::ComponentKind;
using topology::EdgeKind;
using topology::Member;
using topology::Pool;

/// Fewer requests within the window say nothing about shares.
constexpr double kEnoughRequests = 200;
constexpr double kNearNothing = 0.01;
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

bool getsNothing(const Pool& pool, const Member& member) {
    const auto share = observedShare(pool, member);
    return !member.isBackup() && share && *share < kNearNothing && pool.sharesByWeight();
}

/// Why the server would not take requests; "" if it does, or would as a backup.
std::string outOfUse(const Pool& pool, const Member& member) {
    if (!member.isUp()) {
        return "is " + member.server.state_text;
    }
    if (member.server.weight == 0.0) {
        return "has weight 0";
    }
    return getsNothing(pool, member)
               ? "got next to none of the requests of the last ten minutes, although it is UP"
               : "";
}

/// The programs of the server's host that the pool's requests need.
std::set<std::string> partsOf(const Member& member) {
    std::set<std::string> out{member.component()};
    if (member.kind == ComponentKind::web) {
        out.insert(topology::idOf(ComponentKind::app, member.host));
    }
    return out;
}

/// Evidence for the programs behind the backend that do not work.
void addFailing(const topology::Model& model, const Pool& pool, Finding& finding) {
    for (const auto& member : pool.members) {
        for (const auto& id : partsOf(member)) {
            const auto found = model.components.find(id);
            if (found != model.components.end() && found->second.works == Truth::no) {
                finding.evidence.push_back({found->second.seen.front().source, id + " does not work"});
            }
        }
    }
}

std::string serviceName(const Member& member) {
    return member.kind == ComponentKind::mysql ? "the database" : "the server";
}

/// One step for each server that is out of use.
std::string bringBack(const Pool& pool) {
    using evidence::ServerState;
    const std::string socket = " | socat stdio /run/haproxy/admin.sock";
    std::string out;
    bool by_socket = false;
    const auto command = [&](const Member& member, const std::string& what) {
        by_socket = true;
        out += "    echo \"set server " + nameOf(pool, member) + " " + what + "\"" + socket + "\n";
    };
    for (const auto& member : pool.members) {
        const auto name = nameOf(pool, member);
        const auto state = member.server.state;
        if (outOfUse(pool, member).empty()) {
            continue;
        }
        if (!pool.isHaproxys()) {
            out += state == ServerState::maint
                       ? "On " + pool.host + ": take `down` away from the line of " + member.server.server +
                             " in upstream " + pool.proxy + ", then `nginx -t && systemctl reload nginx`.\n"
                       : "On " + member.host + ": start " + serviceName(member) + " at " +
                             member.server.address + ".\n";
        } else if (state == ServerState::maint || state == ServerState::drain) {
            out += "On " + pool.host + ", when the maintenance of " + member.host + " is over:\n";
            command(member, "state ready");
        } else if (!member.isUp()) {
            out += "On " + member.host + ": make " + serviceName(member) + " answer at " +
                   (member.server.address.empty() ? name : member.server.address) +
                   "; HAProxy's check then brings it back by itself.\n";
        } else if (member.server.weight == 0.0) {
            out += "On " + pool.host + ":\n";
            command(member, "weight 100%");
        } else {
            out += "In haproxy.cfg on " + pool.host + ", look for what keeps requests from " + name +
                   " (cookie, stick-table, maxconn).\n";
        }
    }
    if (by_socket) {
        out += "(The path is that of `stats socket ... level admin` in haproxy.cfg.)\n";
    }
    return out;
}

std::string simulated(const Context& context, const std::vector<topology::Addition>& additions) {
    return singlePointsText(additions.empty() ? context.moment->model : context.moment->suppose(additions));
}

/// R2. The answer of what-if: does the backend serve without each of the machines?
void judgeSpare(const Context& context, const Pool& pool, Judgement& out) {
    const auto needed = static_cast<std::size_t>(context.site.servers_needed);
    const auto& model = context.moment->model;
    const auto states = model.states();
    const bool stopped = evaluate(pool.at_present, states) == Truth::no;
    std::vector<std::string> words;
    std::set<std::string> needed_machines;
    for (const auto& member : pool.members) {
        words.push_back(nameOf(pool, member) + " (" + member.server.state_text +
                        (member.isBackup() ? ", backup" : "") + ")");
        const bool in_use = member.isReady() && !stopped;
        if (in_use && pool.servesWithout(member.machine, states) == Truth::no) {
            needed_machines.insert(member.machine);
        }
    }
    if (!stopped && needed_machines.empty()) {
        out.judged.insert({"R2", subjectOf(pool)});
        return;
    }
    const auto serving = pool.serving();
    Finding finding;
    finding.severity = stopped || serving <= needed ? Severity::critical : Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.evidence = {{pool.by.source, joined(words)}};
    if (stopped) {
        finding.title = needed > 1 ? "Backend " + pool.proxy + " has fewer servers than its load needs"
                                   : "Backend " + pool.proxy + " has no server that works";
    } else {
        finding.title = "Backend " + pool.proxy + " has no spare: if " + eitherOf(needed_machines) +
                        " fails, its requests fail";
    }
    if (needed > 1) {
        finding.evidence.push_back(
            {"site.servers_needed", counted(needed, "server is", "servers are") + " needed, and " +
                                        counted(serving, "takes", "take") + " requests now"});
    }
    for (const auto& machine : needed_machines) {
        finding.evidence.push_back(
            {"what if " + machine + " fails",
             needed == 1 ? "no other server of the backend takes its requests"
                         : counted(pool.serving(machine), "server is", "servers are") + " left"});
    }
    addFailing(model, pool, finding);
    const auto steps = bringBack(pool);
    finding.remedy = steps + (steps.empty() ? "Add" : "Or add") +
                     " a server on a further host.\nWith one more host (simulated): " +
                     simulated(context, {{pool.members.front().kind, "a further host"}}) + ".";
    finding.not_assessed = {
        "whether the servers that are left carry the whole load: declare site.servers_needed"};
    conclude(out, {"R2", subjectOf(pool)}, std::move(finding));
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
    std::set<std::string> machines;
    for (const auto& member : pool.members) {
        machines.insert(member.machine);
        if (!member.isBackup()) {
            by_machine[member.machine].push_back(&member);
        }
    }
    bool together = machines.size() == 1;
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
            {seen ? "addresses of " + machine : pool.by.source, joined(words) + " are on " + machine});
    }
    for (const auto& group : context.site.groups) {
        const bool all =
            pool.members.size() > 1 &&
            std::all_of(pool.members.begin(), pool.members.end(), [&](const auto& member) {
                return std::find(group.hosts.begin(), group.hosts.end(), member.host) != group.hosts.end();
            });
        if (all) {
            finding.evidence.push_back({"site.groups", "all its servers are in " + group.name});
            together = true;
        }
    }
    const auto applications = sharedApplications(context.moment->model, pool);
    finding.evidence.insert(finding.evidence.end(), applications.begin(), applications.end());
    if (finding.evidence.empty()) {
        out.judged.insert({"R3", subjectOf(pool)});
        return;
    }
    const bool spread = !together && applications.empty();
    finding.severity = spread ? Severity::medium : Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = spread ? "Some servers of backend " + pool.proxy + " fail together"
                           : "All servers of backend " + pool.proxy + " fail together";
    finding.remedy =
        (applications.empty()
             ? "Move one of them to another machine; in the configuration of the load balancer, backend " +
                   pool.proxy + ": one server line for each machine.\n"
             : std::string(
                   "Run the application on each of the machines, and let each Nginx pass requests to its "
                   "own, the other as `backup` in one `upstream`.\n")) +
        "With one more host (simulated): " +
        simulated(context, {{pool.members.front().kind, "a further host"}}) + ".";
    finding.not_assessed = {
        "machines that share a hypervisor, a rack or a power supply: declare site.groups"};
    conclude(out, {"R3", subjectOf(pool)}, std::move(finding));
}

/// Components that stop the backend alone now, though by design only together with another.
std::vector<Evidence> degraded(const Pool& pool) {
    const auto before = pool.design.singles(false);
    std::set<std::string> fresh;
    for (const auto& single : pool.now.singles()) {
        const bool paired = std::any_of(pool.design.sets.begin(), pool.design.sets.end(),
                                        [&](const auto& set) { return set.components.contains(single); });
        if (!before.contains(single) && paired) {
            fresh.insert(single);
        }
    }
    if (fresh.empty()) {
        return {};
    }
    return {{"what if " + eitherOf(fresh) + " fails",
             "backend " + pool.proxy + " stops; while all its servers work, it would not"}};
}

/// What a reader sees of the servers that are out of use.
std::string degradedTitle(const Pool& pool) {
    std::vector<std::string> gone;
    bool active_gone = false;
    bool active_left = false;
    bool backup_left = false;
    bool only_quiet = true;
    std::set<std::string> left;
    for (const auto& member : pool.members) {
        const bool out = !outOfUse(pool, member).empty();
        if (out) {
            gone.push_back(member.server.server);
            active_gone = active_gone || !member.isBackup();
            only_quiet = only_quiet && member.isReady() && getsNothing(pool, member);
            continue;
        }
        left.insert(member.machine);
        (member.isBackup() ? backup_left : active_left) = true;
    }
    const auto backend = "Backend " + pool.proxy;
    if (gone.empty()) {
        return "Behind backend " + pool.proxy + ", a program on one of its hosts does not work";
    }
    if (left.empty()) {
        return backend + " has no server in use";
    }
    if (only_quiet) {
        return joined(gone) + " of backend " + pool.proxy + " gets next to no requests";
    }
    if (!active_left && backup_left) {
        return backend + " runs on its backup: " + joined(gone) + (gone.size() == 1 ? " is" : " are") +
               " out of use";
    }
    return active_gone ? backend + " is served by one host only"
                       : backend + " has lost its backup: " + joined(gone) +
                             (gone.size() == 1 ? " is" : " are") + " out of use";
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
            finding.evidence.push_back({pool.by.source, nameOf(pool, member) + " " + why});
        }
    }
    const auto pairs = degraded(pool);
    const bool alone = used.size() < 2 && designed.size() > 1;
    if (!alone && pairs.empty()) {
        out.judged.insert({"R4", subjectOf(pool)});
        return;
    }
    finding.evidence.insert(finding.evidence.end(), pairs.begin(), pairs.end());
    addFailing(context.moment->model, pool, finding);
    finding.severity = Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = degradedTitle(pool);
    finding.remedy = bringBack(pool);
    if (finding.remedy.empty()) {
        finding.remedy = "Start what the evidence names as not working.\n";
    }
    finding.remedy += "Until then: " + simulated(context, {}) + ".";
    finding.not_assessed = {"whether it is meant so, for maintenance"};
    conclude(out, {"R4", subjectOf(pool)}, std::move(finding));
}

/// Ends the findings of backends that are no longer configured.
void noteVanished(const Context& context, Judgement& out) {
    std::set<std::string> read;  // the load balancers whose backends are all known now
    std::set<std::string> configured;
    for (const auto& pool : context.moment->model.pools) {
        configured.insert(subjectOf(pool));
        const auto balancer = context.network.balancers.find(pool.balancer);
        const bool told = balancer != context.network.balancers.end() && balancer->second.works == Truth::yes;
        if (told || !pool.isHaproxys()) {
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
        judgeHealthChecks(context, pool, out);
    }
}

}  // namespace lapwing::analysis::redundancy
