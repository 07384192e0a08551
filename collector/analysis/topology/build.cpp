#include <algorithm>
#include <cmath>

#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"
#include "collector/analysis/topology/served.h"
#include "common/endpoint.h"

namespace lapwing::analysis::topology {

std::string idOf(ComponentKind kind, const std::string& place) {
    return kind == ComponentKind::host ? place : componentKindName(kind) + ("@" + place);
}

namespace {

using evidence::ServerState;

/// Clones of one disk image share a machine-id; only one machine boots at one moment.
constexpr double kSameBootSeconds = 2;

/// A load balancer runs on the host of its name, or on the host whose agent reads its socket.
std::string balancerHost(const Inputs& inputs, const evidence::LoadBalancer& balancer) {
    const auto& readers = balancer.socket_hosts;
    const bool hosted = !inputs.network.hosts.contains(balancer.instance) && readers.size() == 1;
    return hosted ? *readers.begin() : balancer.instance;
}

/// A slot of `server-template` for which the name has no address: it is in maintenance and without an
/// address, while other servers of the backend show theirs.
bool isFreeSlot(const evidence::LoadBalancer& balancer, const evidence::Server& server) {
    return server.state == ServerState::maint && server.address.empty() &&
           std::any_of(balancer.servers.begin(), balancer.servers.end(), [&](const auto& other) {
               return other.proxy == server.proxy && !other.address.empty();
           });
}

/// The kind of a server whose port and listener do not tell it.
ComponentKind fallbackFor(const evidence::LoadBalancer& balancer, const std::string& proxy) {
    const auto mode = balancer.modes.find(proxy);
    return mode != balancer.modes.end() && mode->second == "tcp" ? ComponentKind::service
                                                                 : ComponentKind::web;
}

}  // namespace

Component& Builder::component(ComponentKind kind, const std::string& host, Truth works, Evidence seen) {
    return component(idOf(kind, host), kind, host, works, std::move(seen));
}

Component& Builder::component(const std::string& id, ComponentKind kind, const std::string& host, Truth works,
                              Evidence seen) {
    auto& found = model_.components[id];
    if (found.id.empty()) {
        const bool on_host =
            kind != ComponentKind::name && kind != ComponentKind::address && kind != ComponentKind::group;
        found = {id, kind, on_host ? host : "", works, {}};
    }
    found.seen.push_back(std::move(seen));
    return found;
}

Edge& Builder::edge(const std::string& from, const std::string& to, EdgeKind kind, Evidence source) {
    const auto known = std::find_if(model_.edges.begin(), model_.edges.end(), [&](const auto& each) {
        return each.from == from && each.to == to && each.kind == kind;
    });
    if (known != model_.edges.end()) {
        known->sources.push_back(std::move(source));
        return *known;
    }
    return model_.edges.emplace_back(Edge{from, to, kind, {std::move(source)}});
}

Truth Builder::worksOf(const std::map<std::string, Truth>& known, const std::string& instance) const {
    const auto found = known.find(instance);
    return found == known.end() ? Truth::unknown : found->second;
}

std::string Builder::hostAt(const std::optional<reach::Address>& address) const {
    const auto* holder = address ? inputs_.network.holder(*address) : nullptr;
    if (holder != nullptr || !address) {
        return holder == nullptr ? "" : holder->name;
    }
    // A silent host keeps its addresses, unless another has them now.
    for (const auto& [name, host] : inputs_.network.hosts) {
        if (std::any_of(host.last_addresses.begin(), host.last_addresses.end(),
                        [&](const auto& held) { return held.address == *address; })) {
            return name;
        }
    }
    return "";
}

void Builder::hosts() {
    for (const auto& [name, host] : inputs_.network.hosts) {
        if (host.agent_known) {
            component(ComponentKind::host, name, host.agent_present ? Truth::yes : Truth::unknown,
                      {"agent of " + name, host.agent_present ? "it reports" : "it has not reported lately"});
        }
    }
}

void Builder::machines() {
    std::map<std::string, std::vector<std::string>> by_id;
    for (const auto& [host, id] : inputs_.services.machine_ids) {
        if (!id.empty()) {
            by_id[id].push_back(host);
        }
    }
    for (const auto& [id, alike] : by_id) {
        for (std::size_t i = 1; i < alike.size(); ++i) {
            const auto first = inputs_.services.boot_times.find(alike[0]);
            const auto other = inputs_.services.boot_times.find(alike[i]);
            const bool booted_as_one = first != inputs_.services.boot_times.end() &&
                                       other != inputs_.services.boot_times.end() &&
                                       std::abs(first->second - other->second) <= kSameBootSeconds;
            if (booted_as_one) {
                model_.machines[alike[i]] = alike[0];
                edge(
                    alike[i], alike[0], EdgeKind::shares,
                    {"machine-id", alike[i] + " and " + alike[0] + " have one machine-id and booted as one"});
            } else {
                model_.conflicts.push_back(
                    {alike[i],
                     alike[0] + " and " + alike[i] +
                         " have one machine-id, but did not boot at the same time: "
                         "copies of one image?",
                     {{"machine-id of " + alike[0], id}, {"machine-id of " + alike[i], id}}});
            }
        }
    }
}

void Builder::balancers() {
    for (const auto& [instance, balancer] : inputs_.network.balancers) {
        const auto host = balancerHost(inputs_, balancer);
        const std::vector<std::string> readers(balancer.seen_by.begin(), balancer.seen_by.end());
        const auto source = "haproxy statistics of " + instance;
        component(ComponentKind::haproxy, host, balancer.works,
                  {source,
                   readers.empty() ? "known, but nothing is read of it now" : "read by " + joined(readers)});
        model_.balancers[host] = {idOf(ComponentKind::haproxy, host), "HAProxy", source};
    }
}

std::string Builder::serverAt(const Served& served, const std::string& source) {
    if (model_.components.contains(served.id)) {
        return served.id;
    }
    const auto& known = served.kind == ComponentKind::mysql ? inputs_.services.databases
                        : served.kind == ComponentKind::app ? inputs_.services.apps
                                                            : inputs_.services.webs;
    const bool probed = served.kind != ComponentKind::service;
    component(served.id, served.kind, served.host, probed ? worksOf(known, served.host) : Truth::unknown,
              {source, "a server of the pool, port " + std::to_string(served.port)});
    const auto* listener = listenerAt(inputs_.network, served.host, served.port);
    if (listener != nullptr) {
        component(served.id, served.kind, served.host, Truth::unknown,
                  {"sockets of " + served.host,
                   listener->process + " listens on port " + std::to_string(served.port)});
    }
    return served.id;
}

void Builder::member(Pool& pool, const evidence::Server& server, ComponentKind otherwise) {
    const auto endpoint = Endpoint::parse(server.address);
    const auto address = endpoint ? endpoint->address() : std::nullopt;
    const auto holder = address && address->isLoopback() ? pool.host : hostAt(address);
    const auto name = server.server == server.address && endpoint ? endpoint->host : server.server;
    Member member{server, holder.empty() ? name : holder, ""};
    member.machine = model_.machineOf(member.host);
    const auto served =
        servedAt(inputs_.network, inputs_.services, member.host, endpoint ? endpoint->port : 0, otherwise);
    member.kind = served.kind;
    member.id = serverAt(served, pool.by.source);
    if (holder.empty()) {
        component(ComponentKind::host, member.host, Truth::unknown,
                  {pool.by.source, "named so; no agent reports from it"});
    }
    const bool known = server.state != ServerState::unknown;
    const auto at = server.address == server.server ? "one of its servers"
                    : server.address.empty()        ? "there"
                                                    : server.address;
    auto& link = edge(pool.by.component, member.id, EdgeKind::balances,
                      {pool.by.source, pool.proxy + "/" + server.server + " is " + at +
                                           (!pool.isHaproxys() ? ""
                                            : known            ? ", " + server.state_text
                                                               : ", state unknown")});
    const auto used = known ? truthOf(member.isUsed()) : Truth::unknown;
    link.works = link.sources.size() == 1 ? used : conjunction(link.works, used);
    pool.members.push_back(std::move(member));
}

void Builder::pools() {
    for (const auto& [instance, balancer] : inputs_.network.balancers) {
        std::map<std::string, Pool> found;
        for (const auto& server : balancer.servers) {
            if (isFreeSlot(balancer, server)) {
                continue;
            }
            auto& pool = found[server.proxy];
            pool.balancer = instance;
            pool.host = balancerHost(inputs_, balancer);
            pool.by = {idOf(ComponentKind::haproxy, pool.host), "HAProxy",
                       "haproxy statistics of " + instance};
            pool.proxy = server.proxy;
            // A Unix socket leads to another frontend of this HAProxy, or to a program that fails with its
            // host.
            if (!server.isAtSocket()) {
                member(pool, server, fallbackFor(balancer, server.proxy));
            }
        }
        std::erase_if(found, [](const auto& each) { return each.second.members.empty(); });
        for (auto& [proxy, pool] : found) {
            const auto algorithm = balancer.algorithms.find(proxy);
            pool.algorithm = algorithm == balancer.algorithms.end() ? "" : algorithm->second;
            model_.pools.push_back(std::move(pool));
        }
    }
    checkedServers();
}

/// Without an agent, HAProxy's states of a host's servers count: one that is not down proves that the program
/// works, whatever the state of the others (another port, another backend).
void Builder::checkedServers() {
    std::map<std::string, Truth> checked;
    for (const auto& pool : model_.pools) {
        for (const auto& member : pool.members) {
            const auto state = member.server.state;
            if (state != ServerState::unknown && state != ServerState::maint) {
                auto& works = checked.emplace(member.component(), Truth::no).first->second;
                works = state == ServerState::down ? works : Truth::yes;
            }
        }
    }
    for (const auto& [id, works] : checked) {
        auto& program = model_.components.at(id);
        program.works = program.works == Truth::unknown ? works : program.works;
    }
}

void Builder::databases() {
    for (const auto& [host, works] : inputs_.services.databases) {
        component(ComponentKind::mysql, host, works, {"mysql probe of " + host, "it is observed there"});
        model_.databases.insert(host);
    }
}

void Builder::replication() {
    const auto note = [&](const std::string& replica, const std::string& primary, Truth current,
                          const Evidence& source) {
        if (primary.empty() || !inputs_.services.databases.contains(primary)) {
            return;
        }
        auto& link = edge(idOf(ComponentKind::mysql, replica), idOf(ComponentKind::mysql, primary),
                          EdgeKind::replicates, source);
        const auto known =
            std::find_if(model_.replicas.begin(), model_.replicas.end(),
                         [&](const auto& each) { return each.host == replica && each.primary == primary; });
        if (known == model_.replicas.end()) {
            model_.replicas.push_back({replica, primary, current});
            link.works = current;
        }
    };
    // What a channel left over from an earlier role says, or a declaration from then, is no longer so.
    std::set<std::pair<std::string, std::string>> leftovers;
    if (inputs_.replicas != nullptr) {
        for (const auto& verdict : *inputs_.replicas) {
            using replication::State;
            if (verdict.cause == replication::Cause::leftover_channel) {
                leftovers.emplace(verdict.replica, verdict.primary);
                continue;
            }
            const auto current = dataFlow(verdict.state)          ? Truth::yes
                                 : verdict.state == State::broken ? Truth::no
                                                                  : Truth::unknown;
            if (verdict.cause != replication::Cause::not_configured) {
                note(verdict.replica, verdict.primary, current,
                     {"replication of " + verdict.replica, std::string("it is ") + stateName(verdict.state)});
            }
        }
    }
    for (const auto& seen : inputs_.network.replicas) {
        const auto primary = hostAt(reach::Address::parse(seen.primary_address));
        if (leftovers.contains({seen.replica, primary})) {
            continue;
        }
        note(seen.replica, primary, Truth::unknown,
             {"replica status of " + seen.replica, "it follows " + seen.primary_address});
    }
    for (const auto& pair : inputs_.site.replication) {
        if (!leftovers.contains({pair.replica, pair.primary})) {
            note(pair.replica, pair.primary, Truth::unknown, {"site.replication", "declared"});
        }
    }
    std::set<std::string> following;
    for (const auto& each : model_.replicas) {
        model_.primaries.insert(each.primary);
        following.insert(each.host);
    }
    // In a chain only the first server takes writes; of two that follow each other, both do.
    for (const auto& each : model_.replicas) {
        const bool both = std::any_of(model_.replicas.begin(), model_.replicas.end(), [&](const auto& other) {
            return other.host == each.primary && other.primary == each.host;
        });
        if (!both && model_.primaries.contains(each.host)) {
            model_.primaries.erase(each.host);
        }
    }
    if (model_.replicas.empty() && inputs_.services.databases.size() == 1) {
        model_.primaries.insert(inputs_.services.databases.begin()->first);
    }
}

void Builder::collector() {
    const auto& setup = inputs_.setup;
    if (!setup.collector_host.empty()) {
        component(ComponentKind::collector, setup.collector_host, Truth::yes, {"collector", "it runs"});
    }
    if (setup.watchdog) {
        component(ComponentKind::watchdog, "outside", Truth::yes,
                  {"notify.heartbeat", "somebody outside is told again and again that alerts would arrive"});
    }
}

void Builder::groups() {
    for (const auto& group : inputs_.site.groups) {
        const auto id =
            component(ComponentKind::group, group.name, Truth::yes, {"site.groups", "declared"}).id;
        for (const auto& host : group.hosts) {
            if (model_.components.contains(host)) {
                edge(host, id, EdgeKind::shares, {"site.groups", "declared"});
            } else {
                model_.conflicts.push_back({id, "site.groups names " + host + ", which nobody has seen", {}});
            }
        }
    }
}

void Builder::runsOn() {
    std::vector<Component> programs;
    for (const auto& [id, each] : model_.components) {
        if (each.kind != ComponentKind::host && !each.host.empty() && each.kind != ComponentKind::watchdog) {
            programs.push_back(each);
        }
    }
    for (const auto& each : programs) {
        if (!model_.components.contains(each.host)) {
            component(ComponentKind::host, each.host, Truth::unknown,
                      {each.seen.front().source, "it must be on some host"});
        }
        edge(each.id, each.host, EdgeKind::runs_on, each.seen.front());
        auto& host = model_.components.at(each.host);
        if (each.works == Truth::yes) {
            host.works = Truth::yes;
        }
    }
}

Model Builder::run() {
    hosts();
    machines();
    balancers();
    pools();
    proxies();
    applications();
    replication();
    databases();
    flows();
    concludeStates();
    entries();
    collector();
    add();
    runsOn();
    groups();
    addServices(inputs_, model_);
    return std::move(model_);
}

Model build(const Inputs& inputs) {
    return Builder(inputs).run();
}

std::shared_ptr<const Moment> Moment::of(evidence::Network network, evidence::Services services,
                                         Crossings crossings, Site site, Setup setup,
                                         std::shared_ptr<const std::vector<replication::Verdict>> replicas) {
    auto moment = std::make_shared<Moment>();
    moment->network = std::move(network);
    moment->services = std::move(services);
    moment->crossings = std::move(crossings);
    moment->site = std::move(site);
    moment->setup = std::move(setup);
    moment->replicas = std::move(replicas);
    moment->model = moment->suppose({});
    return moment;
}

Model Moment::suppose(std::vector<Addition> additions) const {
    return build({network, services, crossings, site, replicas, setup, std::move(additions)});
}

bool Member::isUsed() const {
    const bool selectable = server.state == ServerState::unknown || server.state == ServerState::up ||
                            server.state == ServerState::other;
    return selectable && server.weight != 0.0;
}

std::size_t Pool::serving(const std::string& without_machine) const {
    std::size_t active = 0;
    std::size_t backups = 0;
    for (const auto& member : members) {
        if (member.isReady() && (without_machine.empty() || member.machine != without_machine)) {
            ++(member.isBackup() ? backups : active);
        }
    }
    // Nginx uses all its backups.
    return active > 0 ? active : isHaproxys() ? std::min<std::size_t>(backups, 1) : backups;
}

bool Pool::sharesByWeight() const {
    return algorithm == "roundrobin" || algorithm == "static-rr";
}

Truth Pool::servesWithout(const std::string& component, States states) const {
    states[component] = Truth::no;
    return evaluate(at_present, states);
}

const Service* Model::service(ServiceKind kind) const {
    const auto found =
        std::find_if(services.begin(), services.end(), [&](const auto& each) { return each.kind == kind; });
    return found == services.end() ? nullptr : &*found;
}

std::string Model::nginxOn(const std::string& host) const {
    auto balancer = idOf(ComponentKind::nginx, host);
    return components.contains(balancer) ? balancer : idOf(ComponentKind::web, host);
}

std::string Model::machineOf(const std::string& host) const {
    const auto found = machines.find(host);
    return found == machines.end() ? host : found->second;
}

States Model::states() const {
    States out;
    for (const auto& [id, each] : components) {
        out[id] = each.works;
    }
    return out;
}

}  // namespace lapwing::analysis::topology
