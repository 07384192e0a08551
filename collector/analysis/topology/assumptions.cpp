#include "collector/analysis/topology/assumptions.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "common/text.h"

namespace lapwing::analysis::topology {
namespace {

/// The command for a host; a name that a shell would not take as one word is left to the reader.
std::string inviteStep(const std::string& host) {
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    const bool is_word = !host.starts_with('-') && host.find_first_not_of(plain) == std::string::npos;
    return "sudo lapwing-collector invite " + (is_word ? host : "HOST");
}

std::string urlOf(const reach::Address& address, int port) {
    const auto text = address.toString();
    const bool v6 = address.family == reach::Family::ipv6;
    return (port == 443 ? "https://" : "http://") + (v6 ? "[" + text + "]" : text) + "/";
}

bool isBalancer(ComponentKind kind) {
    return kind == ComponentKind::haproxy || kind == ComponentKind::nginx || kind == ComponentKind::balancer;
}

std::string worksText(Truth works) {
    return works == Truth::yes ? "works" : works == Truth::no ? "does not work" : "state unknown";
}

class Reading {
  public:
    explicit Reading(const Moment& moment) : moment_(moment), model_(moment.model) {}

    Assumptions run() {
        entries();
        programs(SitePart::load_balancer, isBalancer);
        programs(SitePart::web, [](ComponentKind kind) { return kind == ComponentKind::web; });
        programs(SitePart::application, [](ComponentKind kind) { return kind == ComponentKind::app; });
        programs(SitePart::database, [](ComponentKind kind) { return kind == ComponentKind::mysql; });
        replication();
        hosts();
        out_.contradictions.insert(out_.contradictions.begin(), model_.conflicts.begin(),
                                   model_.conflicts.end());
        return std::move(out_);
    }

  private:
    void assume(SitePart part, std::string subject, std::string text, Basis basis,
                std::vector<Evidence> evidence) {
        out_.list.push_back({part, std::move(subject), std::move(text), basis, std::move(evidence)});
    }
    void miss(SitePart part, std::string text, std::string step) {
        out_.missing.push_back({part, std::move(text), std::move(step)});
    }

    const Edge* edge(const std::string& from, const std::string& to, EdgeKind kind) const {
        const auto found = std::find_if(model_.edges.begin(), model_.edges.end(), [&](const auto& each) {
            return each.from == from && each.to == to && each.kind == kind;
        });
        return found == model_.edges.end() ? nullptr : &*found;
    }

    void receiver(const Entry& entry, const std::string& subject) {
        const auto place = !entry.direct.empty()  ? idOf(ComponentKind::web, entry.direct)
                           : entry.active.empty() ? std::string()
                                                  : model_.balancers.at(entry.active).component;
        if (place.empty()) {
            miss(SitePart::entry, "Nobody is known to listen at " + subject + ".",
                 "Install an agent on the host that has this address, or let an agent name its load "
                 "balancer: probes.haproxy in agent.d.");
            return;
        }
        const auto* enters = edge(entry.id(), place, EdgeKind::enters);
        const auto evidence = enters == nullptr ? std::vector<Evidence>{} : enters->sources;
        assume(SitePart::entry, subject, "received by " + place,
               entry.assumed ? Basis::concluded : Basis::seen, evidence);
        for (const auto& standby : entry.standbys) {
            const auto& other = model_.balancers.at(standby.host).component;
            const auto takes = standby.takesOver();
            assume(SitePart::entry, subject,
                   other + (takes == Truth::yes  ? " would take over"
                            : takes == Truth::no ? " would not take over"
                                                 : " may take over"),
                   Basis::seen,
                   standby.obstacles.empty()
                       ? std::vector<Evidence>{{"keepalived of " + standby.host, standby.mechanism}}
                       : standby.obstacleEvidence());
        }
    }

    void entries() {
        propose();
        for (const auto& entry : model_.entries) {
            const auto place = entry.address ? entry.address->toString() : entry.name;
            if (place.empty()) {
                continue;
            }
            const auto component = model_.components.find(entry.id());
            auto seen =
                component == model_.components.end() ? std::vector<Evidence>{} : component->second.seen;
            std::erase_if(seen, [](const auto& each) { return each.source == "site.entry"; });
            const auto subject = entry.url.empty() ? place : entry.url;
            assume(SitePart::entry, subject, entry.name.empty() || !entry.address ? "" : "leads to " + place,
                   entry.url.empty() ? Basis::seen : Basis::configured, std::move(seen));
            if (!entry.name.empty() && !entry.address) {
                miss(SitePart::entry, "The collector's resolver has no address for " + entry.name + ".",
                     "getent ahosts " + entry.name);
            }
            receiver(entry, subject);
        }
        if (moment_.site.entry.empty()) {
            miss(SitePart::entry,
                 "No entry is configured: the collector does not know which address visitors use" +
                     std::string(candidates_.empty() || !out_.entries.empty()
                                     ? "."
                                     : "; it could be " + joined(candidates_) + "."),
                 out_.entries.empty() ? "Set site.entry in collector.d/20-site.yaml, as [ http://ADDRESS/ ]."
                                      : "sudo lapwing-collector site --write");
        }
    }

    /// The ports 80 and 443 at which the host is known to answer: its own listeners, or attempts from others.
    std::vector<std::pair<int, Evidence>> openPorts(const std::string& host,
                                                    const reach::Address& address) const {
        std::vector<std::pair<int, Evidence>> out;
        const auto known = moment_.network.hosts.find(host);
        if (known == moment_.network.hosts.end()) {
            return out;
        }
        const auto text = address.toString();
        for (const int port : {80, 443}) {
            const auto& listeners = known->second.listeners;
            const auto listener = std::find_if(listeners.begin(), listeners.end(), [&](const auto& each) {
                return each.isTcp() && each.port == port && (each.isWildcard() || each.address == text);
            });
            const auto& attempts = known->second.attempts;
            const auto attempt = std::find_if(attempts.begin(), attempts.end(), [&](const auto& each) {
                return each.port == port && each.address == text &&
                       each.result == evidence::ConnectResult::open;
            });
            if (listener != listeners.end()) {
                out.emplace_back(port,
                                 Evidence{"sockets of " + host,
                                          listener->service() + " listens on port " + std::to_string(port)});
            } else if (attempt != attempts.end()) {
                out.emplace_back(port, Evidence{"attempt from " + attempt->from,
                                                text + " port " + std::to_string(port) + " is open"});
            }
        }
        return out;
    }

    /// The addresses at which visitors may reach a load balancer: those that move; else all that it has.
    std::set<reach::Address> addressesOf(const std::string& host) const {
        const auto vrrp = moment_.services.vrrp.find(host);
        std::set<reach::Address> out;
        if (vrrp != moment_.services.vrrp.end()) {
            for (const auto& instance : vrrp->second.instances) {
                out.insert(instance.addresses.begin(), instance.addresses.end());
            }
        }
        const auto known = moment_.network.hosts.find(host);
        if (!out.empty()) {
            return out;
        }
        if (known != moment_.network.hosts.end()) {
            for (const auto& each : known->second.addresses) {
                out.insert(each.address);
            }
        }
        if (out.empty()) {
            const auto& named = moment_.network.index.known(host);
            out.insert(named.begin(), named.end());
        }
        std::erase_if(out, [](const auto& each) { return each.isLoopback() || each.isLinkLocal(); });
        return out;
    }

    /// One address, or one of each family, is a proposal; more are a choice for a person.
    void propose() {
        std::set<reach::Address> places;
        std::map<std::string, Proposal> found;
        for (const auto& [host, balancer] : model_.balancers) {
            for (const auto& address : addressesOf(host)) {
                for (auto& [port, evidence] : openPorts(host, address)) {
                    const auto url = urlOf(address, port);
                    auto& proposal = found[url];
                    proposal.value = url;
                    proposal.evidence.push_back(std::move(evidence));
                    places.insert(address);
                }
            }
        }
        const auto of = [&](reach::Family family) {
            return std::count_if(places.begin(), places.end(),
                                 [&](const auto& each) { return each.family == family; });
        };
        const bool one = of(reach::Family::ipv4) <= 1 && of(reach::Family::ipv6) <= 1;
        for (auto& [url, proposal] : found) {
            candidates_.push_back(url);
            if (one) {
                out_.entries.push_back(std::move(proposal));
            }
        }
    }

    std::string roleText(const Component& component) const {
        if (component.kind == ComponentKind::mysql) {
            std::vector<std::string> followed;
            for (const auto& replica : model_.replicas) {
                if (replica.host == component.host) {
                    followed.push_back(replica.primary);
                }
            }
            const bool primary = model_.primaries.contains(component.host);
            const auto replica = followed.empty() ? "" : "replica of " + joined(followed);
            return primary && !replica.empty() ? "primary, and " + replica
                   : primary                   ? "primary"
                                               : (replica.empty() ? "role unknown" : replica);
        }
        std::string text = worksText(component.works);
        for (const auto& pool : model_.pools) {
            if (pool.by.component == component.id) {
                std::set<std::string> members;
                for (const auto& member : pool.members) {
                    members.insert(member.component());
                }
                text += "; " + pool.proxy + ": " + joined({members.begin(), members.end()});
            }
        }
        return text;
    }

    void programs(SitePart part, bool (*is)(ComponentKind)) {
        bool some = false;
        for (const auto& [id, component] : model_.components) {
            if (is(component.kind)) {
                some = true;
                assume(part, id, roleText(component), Basis::seen, component.seen);
            }
        }
        if (some) {
            return;
        }
        switch (part) {
            case SitePart::load_balancer:
                miss(part,
                     "No load balancer is seen: single points of failure in front of the servers are not "
                     "judged.",
                     "If there is one, let an agent read it: probes.haproxy in agent.d.");
                break;
            case SitePart::web:
                miss(part, "No web server is seen.", "sudo lapwing-agent doctor (on the web servers)");
                break;
            case SitePart::application:
                miss(part, "No application is seen.",
                     "Name a page of it to the agents: probes.app in agent.d.");
                break;
            default:
                miss(part, "No database is seen.", "sudo lapwing-agent doctor (on the database servers)");
        }
    }

    /// The pairs that replicas themselves report: primary, replica.
    std::map<std::pair<std::string, std::string>, std::vector<Evidence>> seenPairs() const {
        std::map<std::pair<std::string, std::string>, std::vector<Evidence>> out;
        for (const auto& replica : model_.replicas) {
            const auto& reported = moment_.network.replicas;
            const auto* link = edge(idOf(ComponentKind::mysql, replica.host),
                                    idOf(ComponentKind::mysql, replica.primary), EdgeKind::replicates);
            if (link == nullptr || std::none_of(reported.begin(), reported.end(), [&](const auto& each) {
                    return each.replica == replica.host;
                })) {
                continue;
            }
            auto sources = link->sources;
            std::erase_if(sources, [](const auto& each) { return each.source == "site.replication"; });
            if (!sources.empty()) {
                out[{replica.primary, replica.host}] = std::move(sources);
            }
        }
        return out;
    }

    static std::string pairText(const std::string& primary, const std::string& replica) {
        return primary + " -> " + replica;
    }

    void replication() {
        const auto seen = seenPairs();
        std::set<std::pair<std::string, std::string>> declared;
        for (const auto& pair : moment_.site.replication) {
            declared.emplace(pair.primary, pair.replica);
        }
        for (const auto& [primary, replica] : declared) {
            const auto found = seen.find({primary, replica});
            assume(SitePart::replication, pairText(primary, replica), "", Basis::configured,
                   found == seen.end() ? std::vector<Evidence>{} : found->second);
            if (found == seen.end()) {
                contradict(primary, replica, seen);
            }
        }
        for (const auto& [pair, evidence] : seen) {
            const auto& [primary, replica] = pair;
            if (!declared.contains(pair)) {
                assume(SitePart::replication, pairText(primary, replica), "", Basis::seen, evidence);
            }
            const bool mutual = seen.contains({replica, primary});
            if (!mutual) {
                out_.replication.push_back({pairText(primary, replica), {primary, replica}, evidence});
            } else if (primary < replica && !declared.contains(pair) &&
                       !declared.contains({replica, primary})) {
                miss(SitePart::replication,
                     fmt::format("{} and {} follow each other: which one is the primary is not known.",
                                 primary, replica),
                     "Set site.replication in collector.d/20-site.yaml.");
            }
        }
        if (seen.empty() && declared.empty() && model_.databases.size() > 1) {
            miss(SitePart::replication,
                 "No replication is seen between " +
                     joined({model_.databases.begin(), model_.databases.end()}) + ".",
                 "Set site.replication in collector.d/20-site.yaml if one of them should follow another.");
        }
        if (seen.empty() && model_.databases.size() == 1) {
            miss(SitePart::replication, "One database is seen, and no replica of it.",
                 "Let an agent watch the other server, or name it: probes.mysql in agent.d.");
        }
    }

    void contradict(const std::string& primary, const std::string& replica,
                    const std::map<std::pair<std::string, std::string>, std::vector<Evidence>>& seen) {
        for (const auto& [pair, evidence] : seen) {
            const bool reversed = pair.first == replica && pair.second == primary;
            if (reversed || pair.second == replica) {
                out_.contradictions.push_back({"site.replication",
                                               "declared is " + pairText(primary, replica) + ", seen is " +
                                                   pairText(pair.first, pair.second),
                                               evidence});
                return;
            }
        }
        miss(SitePart::replication, replica + " is declared a replica of " + primary + ", and reports none.",
             "lapwing-collector status (on the replica: sudo lapwing-agent probe mysql)");
    }

    void hosts() {
        for (const auto& [id, component] : model_.components) {
            if (component.kind != ComponentKind::host) {
                continue;
            }
            const auto known = moment_.network.hosts.find(id);
            const auto* host = known == moment_.network.hosts.end() ? nullptr : &known->second;
            const bool agent = host != nullptr && host->agent_known;
            assume(SitePart::host, id,
                   !agent                ? "no agent"
                   : host->agent_present ? "its agent reports"
                                         : "its agent is silent",
                   Basis::seen, component.seen);
            if (!agent) {
                miss(SitePart::host,
                     id + " has no agent: its firewall, its addresses and its listeners are not known.",
                     inviteStep(id));
            } else if (!host->agent_present) {
                miss(SitePart::host, id + " has not reported lately: what is shown of it is old.",
                     "sudo lapwing-agent doctor (on " + id + ")");
            }
        }
    }

    const Moment& moment_;
    const Model& model_;
    Assumptions out_;
    std::vector<std::string> candidates_;
};

}  // namespace

Assumptions assumptionsOf(const Moment& moment) {
    return Reading(moment).run();
}

}  // namespace lapwing::analysis::topology
