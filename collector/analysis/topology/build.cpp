#include <algorithm>
#include <cmath>

#include "collector/analysis/judgement.h"
#include "collector/analysis/topology/builder.h"
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

}  // namespace

Component& Builder::component(ComponentKind kind, const std::string& host, Truth works, Evidence seen) {
    const auto id = idOf(kind, host);
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
    return holder == nullptr ? "" : holder->name;
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
        component(ComponentKind::haproxy, host, balancer.works,
                  {"haproxy statistics of " + instance,
                   readers.empty() ? "known, but nothing is read of it now" : "read by " + joined(readers)});
    }
}

/// A database listens there, or it is the port of one; anything else that a load balancer names is a web
/// server.
ComponentKind Builder::serverKind(const std::string& host, int port) const {
    evidence::Listener usual;
    usual.protocol = evidence::Transport::tcp;
    usual.port = port;
    const auto found = inputs_.network.hosts.find(host);
    const bool listens =
        found != inputs_.network.hosts.end() &&
        std::any_of(found->second.listeners.begin(), found->second.listeners.end(), [&](const auto& each) {
            return each.isTcp() && each.port == port && each.program() == evidence::Program::mysql;
        });
    return listens || usual.program() == evidence::Program::mysql ? ComponentKind::mysql : ComponentKind::web;
}

std::string Builder::serverAt(ComponentKind kind, const std::string& host, int port) {
    auto id = idOf(kind, host);
    if (model_.components.contains(id)) {
        return id;
    }
    const auto& known = kind == ComponentKind::mysql ? inputs_.services.databases : inputs_.services.webs;
    component(kind, host, worksOf(known, host),
              {"haproxy statistics", "a server of the pool, port " + std::to_string(port)});
    const auto found = inputs_.network.hosts.find(host);
    if (found == inputs_.network.hosts.end()) {
        return id;
    }
    const auto listener = std::find_if(
        found->second.listeners.rbegin(), found->second.listeners.rend(),
        [&](const auto& each) { return each.isTcp() && each.port == port && !each.process.empty(); });
    if (listener != found->second.listeners.rend()) {
        component(kind, host, Truth::unknown,
                  {"sockets of " + host, listener->process + " listens on port " + std::to_string(port)});
    }
    return id;
}

void Builder::member(Pool& pool, const evidence::Server& server) {
    const auto endpoint = Endpoint::parse(server.address);
    const auto address = endpoint ? endpoint->address() : std::nullopt;
    const auto holder = address && address->isLoopback() ? pool.host : hostAt(address);
    Member member{server, holder.empty() ? server.server : holder, ""};
    member.machine = model_.machineOf(member.host);
    const int port = endpoint ? endpoint->port : 0;
    member.kind = serverKind(member.host, port);
    const auto id = serverAt(member.kind, member.host, port);
    if (holder.empty()) {
        component(ComponentKind::host, member.host, Truth::unknown,
                  {"haproxy statistics of " + pool.balancer, "named so; no agent reports from it"});
    }
    const bool known = server.state != ServerState::unknown;
    auto& link = edge(
        idOf(ComponentKind::haproxy, pool.host), id, EdgeKind::balances,
        {"haproxy statistics of " + pool.balancer, pool.proxy + "/" + server.server + " is " +
                                                       (server.address.empty() ? "there" : server.address) +
                                                       ", " + (known ? server.state_text : "state unknown")});
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
            pool.proxy = server.proxy;
            // A Unix socket leads to another frontend of this HAProxy, or to a program that fails with its
            // host.
            if (!server.isAtSocket()) {
                member(pool, server);
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
    applications();
    replication();
    databases();
    flows();
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
    return active > 0 ? active : std::min<std::size_t>(backups, 1);
}

bool Pool::sharesByWeight() const {
    return algorithm == "roundrobin" || algorithm == "static-rr";
}

const Service* Model::service(ServiceKind kind) const {
    const auto found =
        std::find_if(services.begin(), services.end(), [&](const auto& each) { return each.kind == kind; });
    return found == services.end() ? nullptr : &*found;
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
