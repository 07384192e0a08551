#include <algorithm>
#include <iterator>

#include "collector/analysis/topology/builder.h"

namespace lapwing::analysis::topology {

namespace {

/// Web servers that all pass requests to each other make a function that grows with the number of ways
/// through them. Sites have some ways for each server of a load balancer.
constexpr std::size_t kMostFollowed = 5'000;

/// The needs of each delivered service, as designed or at present.
class Functions {
  public:
    Functions(const Inputs& inputs, const Model& model, const States& states, bool present)
        : inputs_(inputs), model_(model), states_(states), present_(present) {}

    /// Some needs of web servers were left out: they stand in the functions as unknown.
    bool isCut() const { return followed_ >= kMostFollowed; }

    Gate reading() const {
        auto parts = entrances();
        parts.push_back(databasesForReading());
        if (model_.primaries.empty()) {
            return Gate::all(std::move(parts));
        }
        // While writes fail, a proxy may pause all servers. Without the primary's host an application may
        // wait until the proxy's timeout; a host without its database refuses connections at once.
        const auto pauses = pausesOfProxies();
        if (pauses == evidence::Pauses::on_answers) {
            parts.push_back(Gate::any({primary(), Gate::fact(Truth::unknown)}));
        } else if (pauses == evidence::Pauses::on_timeouts) {
            std::vector<Gate> hosts{Gate::fact(Truth::unknown)};
            for (const auto& name : model_.primaries) {
                hosts.push_back(host(name));
            }
            parts.push_back(Gate::any(std::move(hosts)));
        }
        return Gate::all(std::move(parts));
    }

    Gate writing() const {
        auto parts = entrances();
        parts.push_back(primary());
        return Gate::all(std::move(parts));
    }

    Gate data() const {
        std::vector<Gate> copies;
        for (const auto& host : model_.primaries) {
            copies.push_back(program(ComponentKind::mysql, host));
        }
        for (const auto& replica : model_.replicas) {
            if (!model_.primaries.contains(replica.host)) {
                copies.push_back(Gate::all({program(ComponentKind::mysql, replica.host),
                                            Gate::fact(present_ ? replica.current : Truth::yes)}));
            }
        }
        return Gate::any(std::move(copies));
    }

    Gate monitoring() const {
        std::vector<Gate> alternatives{program(ComponentKind::collector, inputs_.setup.collector_host)};
        if (model_.components.contains(idOf(ComponentKind::watchdog, "outside"))) {
            alternatives.push_back(Gate::of(idOf(ComponentKind::watchdog, "outside")));
        }
        return Gate::any(std::move(alternatives));
    }

    /// The needs of one backend: enough servers, or a backup in place of all of them. While a server fails
    /// that its health check does not notice, it is unknown whether a request gets an answer.
    Gate pool(const Pool& pool) const {
        std::vector<Gate> servers;
        std::vector<Gate> backups;
        std::vector<Gate> parts;
        for (const auto& member : pool.members) {
            if (present_ && !member.isUsed()) {
                continue;
            }
            auto needs = member.kind == ComponentKind::web ? web(member.host, isProven(pool, member))
                                                           : program(member.component(), member.host);
            if (member.isBackup()) {
                backups.push_back(std::move(needs));
                continue;
            }
            if (auto unnoticed = unnoticedBy(member, needs); !unnoticed.parts.empty()) {
                parts.push_back(Gate::any({std::move(unnoticed), Gate::fact(Truth::unknown)}));
            }
            servers.push_back(std::move(needs));
        }
        const auto needed = static_cast<std::size_t>(inputs_.site.servers_needed);
        std::vector<Gate> alternatives{Gate::atLeast(needed, std::move(servers))};
        if (!backups.empty()) {
            // HAProxy uses one backup, or with option allbackups all.
            alternatives.push_back(needed == 1 ? Gate::any(std::move(backups))
                                               : Gate::all({Gate::atLeast(needed, std::move(backups)),
                                                            Gate::fact(Truth::unknown)}));
        }
        parts.push_back(Gate::any(std::move(alternatives)));
        return Gate::all(std::move(parts));
    }

  private:
    /// Of several primaries, it is unknown to which an application writes, and whether it tries another one.
    Gate primary() const {
        std::vector<Gate> primaries;
        for (const auto& host : model_.primaries) {
            primaries.push_back(program(ComponentKind::mysql, host));
        }
        auto every = Gate::all(primaries);
        auto one = Gate::all({Gate::any(std::move(primaries)), Gate::fact(Truth::unknown)});
        return Gate::any({std::move(every), std::move(one)});
    }

    /// What makes proxies without health checks pause one of several servers.
    evidence::Pauses pausesOfProxies() const {
        auto out = evidence::Pauses::never;
        for (const auto& pool : model_.pools) {
            if (pool.by.component == idOf(ComponentKind::nginx, pool.host)) {
                out = std::max(out, pausesOfNginx(pool.host));
            } else if (!pool.isHaproxys() && pool.by.program != "a NAT rule") {
                out = evidence::Pauses::on_answers;
            }
        }
        for (const auto& [id, groups] : model_.apps_of_web) {
            if (std::any_of(groups.begin(), groups.end(), [](const auto& each) { return each.size() > 1; })) {
                out = std::max(out, pausesOfNginx(model_.components.at(id).host));
            }
        }
        return out;
    }

    evidence::Pauses pausesOfNginx(const std::string& on) const {
        const auto routes = inputs_.services.routes.find(on);
        if (routes == inputs_.services.routes.end()) {
            return evidence::Pauses::on_answers;
        }
        auto out = evidence::Pauses::never;
        for (const auto& route : routes->second) {
            out = route.address.empty() ? out : std::max(out, route.pauses);
        }
        return out;
    }

    /// At present a request gets its answer, by HAProxy's check.
    bool isProven(const Pool& pool, const Member& member) const {
        return present_ && pool.isHaproxys() && member.isUp() &&
               member.server.check == evidence::HealthCheck::l7;
    }

    /// Parts of a server whose failure its health check does not show: without a check all of them; behind a
    /// check by connecting, the applications. If the web server's host fails, the check notices.
    Gate unnoticedBy(const Member& member, const Gate& needs) const {
        using evidence::HealthCheck;
        const auto check = member.server.check;
        if (check == HealthCheck::none) {
            return Gate::all({needs});
        }
        if (member.kind != ComponentKind::web || (check != HealthCheck::l4 && check != HealthCheck::l6)) {
            return Gate::all({});
        }
        const auto needed = model_.apps_of_web.find(idOf(ComponentKind::web, member.host));
        std::vector<Gate> parts;
        for (const auto& group :
             needed == model_.apps_of_web.end() ? std::vector<std::set<std::string>>{} : needed->second) {
            std::vector<Gate> any;
            for (const auto& id : group) {
                const auto& each = model_.components.at(id);
                const bool here = model_.machineOf(each.host) == member.machine;
                any.push_back(here ? Gate::of(id) : program(each.kind, each.host));
            }
            parts.push_back(Gate::any(std::move(any)));
        }
        return Gate::all(std::move(parts));
    }

    /// Applications that the site's requests reach.
    std::set<std::string> applications() const {
        std::set<std::string> out;
        const auto add = [&](const std::string& id) {
            if (model_.components.at(id).kind == ComponentKind::app) {
                out.insert(id);
            }
        };
        for (const auto& [web, groups] : model_.apps_of_web) {
            for (const auto& group : groups) {
                std::for_each(group.begin(), group.end(), add);
            }
        }
        for (const auto& pool : model_.pools) {
            for (const auto& member : pool.members) {
                add(member.component());
            }
        }
        return out;
    }

    /// The hosts of the databases from which an application reads: if it is connected to a replica, its other
    /// connections are taken to be for writing.
    std::set<std::string> databasesOf(const std::string& app) const {
        std::set<std::string> asked;
        for (const auto& edge : model_.edges) {
            if (edge.kind == EdgeKind::queries && edge.from == app) {
                asked.insert(model_.components.at(edge.to).host);
            }
        }
        const auto& own = model_.components.at(app).host;
        if (asked.empty() && model_.databases.contains(own)) {
            return {own};  // connections through its Unix socket do not show
        }
        auto replicas = asked;
        for (const auto& host : model_.primaries) {
            replicas.erase(host);
        }
        return !replicas.empty() ? replicas : !asked.empty() ? asked : model_.databases;
    }

    /// Whether pages need a database is unknown, whether a health check notices that it is away, and whether
    /// an application asks another one then.
    Gate databasesForReading() const {
        std::vector<Gate> parts;
        for (const auto& app : applications()) {
            const auto asked = databasesOf(app);
            if (asked.empty()) {
                continue;
            }
            std::vector<Gate> databases;
            databases.reserve(asked.size());
            for (const auto& host : asked) {
                databases.push_back(program(ComponentKind::mysql, host));
            }
            parts.push_back(Gate::any({Gate::fact(Truth::unknown),
                                       Gate::failed(program(app, model_.components.at(app).host)),
                                       Gate::all(std::move(databases))}));
        }
        return Gate::all(std::move(parts));
    }

    /// The needs of a host itself.
    Gate host(const std::string& name) const {
        std::vector<Gate> parts{Gate::of(model_.machineOf(name))};
        for (const auto& group : inputs_.site.groups) {
            if (std::find(group.hosts.begin(), group.hosts.end(), name) != group.hosts.end()) {
                parts.push_back(Gate::of(idOf(ComponentKind::group, group.name)));
            }
        }
        return Gate::all(std::move(parts));
    }

    Gate program(ComponentKind kind, const std::string& on) const { return program(idOf(kind, on), on); }
    Gate program(const std::string& id, const std::string& on) const {
        return Gate::all({Gate::of(id), host(on)});
    }

    /// A web server with what it passes requests to: applications, or further web servers. `proven`: it
    /// answers now, so whether its requests need what has failed is unknown.
    Gate web(const std::string& on, bool proven = false) const {
        auto parts = needsOfWeb(on, {on});
        if (proven) {
            for (auto& part : parts) {
                if (evaluate(part, states_) == Truth::no) {
                    part = Gate::any({std::move(part), Gate::fact(Truth::unknown)});
                }
            }
        }
        parts.push_back(program(ComponentKind::web, on));
        return Gate::all(std::move(parts));
    }

    std::vector<Gate> needsOfWeb(const std::string& on, const std::set<std::string>& passed) const {
        std::vector<Gate> parts;
        const auto needed = model_.apps_of_web.find(model_.nginxOn(on));
        if (needed == model_.apps_of_web.end()) {
            return parts;
        }
        for (const auto& group : needed->second) {
            std::vector<Gate> any;
            any.reserve(group.size());
            for (const auto& id : group) {
                const auto& each = model_.components.at(id);
                auto needs = std::vector{program(each.kind, each.host)};
                auto further = passed;
                if (each.kind == ComponentKind::web && further.insert(each.host).second) {
                    if (++followed_ >= kMostFollowed) {
                        any.push_back(Gate::fact(Truth::unknown));
                        break;
                    }
                    auto more = needsOfWeb(each.host, further);
                    needs.insert(needs.end(), std::make_move_iterator(more.begin()),
                                 std::make_move_iterator(more.end()));
                }
                any.push_back(Gate::all(std::move(needs)));
            }
            parts.push_back(Gate::any(std::move(any)));
        }
        return parts;
    }

    /// A load balancer with all its backends: each request may need another backend. At present, while some
    /// backends are stopped, it is unknown whether the entry's requests need those.
    Gate balancer(const std::string& on) const {
        const auto& by = model_.balancers.at(on);
        std::vector<Gate> backends;
        for (const auto& each : model_.pools) {
            if (each.host == on && each.by.component == by.component) {
                backends.push_back(pool(each));
            } else if (each.host == on) {
                backends.push_back(Gate::all({Gate::of(each.by.component), pool(each)}));
            }
        }
        auto served = backends.empty() ? Gate::fact(Truth::unknown) : Gate::all(backends);
        if (present_ && backends.size() > 1) {
            auto some = Gate::all({Gate::any(std::move(backends)), Gate::fact(Truth::unknown)});
            served = Gate::any({std::move(served), std::move(some)});
        }
        std::vector<Gate> parts{program(by.component, on), std::move(served)};
        if (by.component == idOf(ComponentKind::nginx, on)) {
            auto more = needsOfWeb(on, {on});
            parts.insert(parts.end(), std::make_move_iterator(more.begin()),
                         std::make_move_iterator(more.end()));
        }
        return Gate::all(std::move(parts));
    }

    /// The standby in place of the active load balancer, after either event.
    void takeOver(Gate needs, const Standby& standby, const std::string& active,
                  std::vector<Gate>& alternatives) const {
        if (standby.after_loss != standby.after_stop) {
            alternatives.push_back(
                Gate::all({needs, Gate::failed(host(active)), Gate::fact(standby.after_loss)}));
        }
        alternatives.push_back(Gate::all({std::move(needs), Gate::fact(standby.after_stop)}));
    }

    Gate entrance(const Entry& entry) const {
        std::vector<Gate> parts{behindAddress(entry)};
        if (!entry.name.empty()) {
            parts.push_back(Gate::of(idOf(ComponentKind::name, entry.name)));
        }
        if (entry.address) {
            parts.push_back(Gate::of(entry.id()));
        }
        return Gate::all(std::move(parts));
    }

    Gate behindAddress(const Entry& entry) const {
        if (!entry.direct.empty()) {
            std::vector<Gate> alternatives{web(entry.direct)};
            for (const auto& standby : entry.standbys) {
                auto parts = needsOfWeb(entry.direct, {entry.direct});
                parts.push_back(program(model_.balancers.at(standby.host).component, standby.host));
                takeOver(Gate::all(std::move(parts)), standby, entry.direct, alternatives);
            }
            return Gate::any(std::move(alternatives));
        }
        if (entry.active.empty()) {
            return Gate::fact(Truth::unknown);
        }
        std::vector<Gate> alternatives{balancer(entry.active)};
        for (const auto& standby : entry.standbys) {
            takeOver(balancer(standby.host), standby, entry.active, alternatives);
        }
        return Gate::any(std::move(alternatives));
    }

    /// Every URL must work. Whether clients try the next of several addresses is unknown.
    std::vector<Gate> entrances() const {
        std::map<std::string, std::vector<Gate>> by_url;
        for (const auto& entry : model_.entries) {
            const auto name = entry.one_of_several ? entry.url : entry.url + " " + entry.id();
            by_url[name].push_back(entrance(entry));
        }
        std::vector<Gate> out;
        for (auto& [url, alternatives] : by_url) {
            if (alternatives.size() == 1) {
                out.push_back(std::move(alternatives.front()));
                continue;
            }
            auto all = Gate::all(alternatives);
            auto some = Gate::all({Gate::any(std::move(alternatives)), Gate::fact(Truth::unknown)});
            out.push_back(Gate::any({std::move(all), std::move(some)}));
        }
        return out;
    }

    const Inputs& inputs_;
    const Model& model_;
    const States& states_;
    bool present_;
    mutable std::size_t followed_ = 0;
};

}  // namespace

CutSets failuresOf(const Gate& gate, const States& states) {
    static const std::string name = idOf(ComponentKind::name, "");
    static const std::string address = idOf(ComponentKind::address, "");
    auto out = cutSets(gate, states);
    std::erase_if(out.sets, [](const CutSet& set) {
        return std::any_of(set.components.begin(), set.components.end(),
                           [](const auto& id) { return id.starts_with(name) || id.starts_with(address); });
    });
    return out;
}

void addServices(const Inputs& inputs, Model& model) {
    const auto states = model.states();
    const Functions design(inputs, model, states, false);
    const Functions present(inputs, model, states, true);
    const auto add = [&](ServiceKind kind, std::string title, Gate by_design, Gate at_present,
                         std::vector<std::string> not_assessed) {
        auto designed = failuresOf(by_design);
        auto now = failuresOf(at_present, states);
        if (design.isCut() || present.isCut()) {
            not_assessed.emplace_back("web servers behind further web servers: there are too many ways");
        }
        if (!designed.complete || !now.complete) {
            not_assessed.emplace_back("some pairs of failures: the site is too large to try them all");
        }
        model.services.push_back({kind, std::move(title), std::move(by_design), std::move(at_present),
                                  std::move(designed), std::move(now), std::move(not_assessed)});
    };
    for (auto& pool : model.pools) {
        pool.by_design = design.pool(pool);
        pool.at_present = present.pool(pool);
        pool.design = failuresOf(pool.by_design);
        pool.now = failuresOf(pool.at_present, states);
    }
    const std::vector<std::string> http{"the provider's network and power, and DNS",
                                        "what else the application calls"};
    if (!model.entries.empty()) {
        auto reads = http;
        if (!model.databases.empty()) {
            reads.emplace_back("which database the application reads from");
        }
        add(ServiceKind::read, "reading over HTTP", design.reading(), present.reading(), std::move(reads));
        if (!model.primaries.empty()) {
            add(ServiceKind::write, "writing over HTTP", design.writing(), present.writing(), http);
        }
    }
    if (!model.primaries.empty()) {
        add(ServiceKind::replication, "keeping the data", design.data(), present.data(),
            {"backups", "the transactions that the replica has not received when the primary is lost"});
    }
    if (!inputs.setup.collector_host.empty()) {
        add(ServiceKind::monitoring, "being told of failures", design.monitoring(), present.monitoring(),
            {"whether those who are told can read it"});
    }
}

}  // namespace lapwing::analysis::topology
