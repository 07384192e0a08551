#include "collector/analysis/topology/takeover.h"

#include <algorithm>

namespace lapwing::analysis::topology {

namespace {

class Takeover {
  public:
    Takeover(const Inputs& inputs, const Entry& entry, const std::string& host)
        : inputs_(inputs), entry_(entry), out_{host, Truth::yes, {}, ""} {}

    Standby run() {
        if (!entry_.address) {
            require(Truth::unknown,
                    {ObstacleKind::not_known,
                     "",
                     {"site.entry", entry_.name.empty() ? "the entry's address is not declared"
                                                        : "what " + entry_.name + " leads to is not known"}});
            return std::move(out_);
        }
        if (entry_.active.empty()) {
            require(Truth::unknown,
                    {ObstacleKind::not_known,
                     "",
                     {"addresses of the hosts", "no load balancer has " + address() + " now"}});
            return std::move(out_);
        }
        const auto* active = instanceOn(entry_.active);
        const auto* standby = instanceOn(out_.host);
        if (active != nullptr && standby != nullptr) {
            move(*active, *standby);
        }
        serve();
        return std::move(out_);
    }

  private:
    std::string address() const { return entry_.address->toString(); }

    void require(Truth truth, Obstacle obstacle) {
        out_.takes_over = conjunction(out_.takes_over, truth);
        if (truth != Truth::yes) {
            out_.obstacles.push_back(std::move(obstacle));
        }
    }

    void requireKeepalived(const std::string& host, std::string text) {
        require(Truth::no, {ObstacleKind::keepalived, host, {"keepalived of " + host, std::move(text)}});
    }

    const evidence::VrrpInstance* instanceOn(const std::string& host) {
        const auto found = inputs_.services.vrrp.find(host);
        if (found == inputs_.services.vrrp.end()) {
            const auto known = inputs_.network.hosts.find(host);
            const bool seen = known != inputs_.network.hosts.end() && known->second.agent_present;
            require(Truth::unknown, {ObstacleKind::not_known,
                                     host,
                                     {"agent of " + host, seen ? "it cannot tell of keepalived there"
                                                               : "none reports from there: whether " +
                                                                     address() + " moves is not known"}});
            return nullptr;
        }
        const auto* instance = found->second.moving(*entry_.address);
        if (instance == nullptr) {
            requireKeepalived(
                host, found->second.instances.empty() ? "there is none" : "it does not move " + address());
        } else if (!found->second.runs) {
            requireKeepalived(host, "it does not run");
        }
        return instance;
    }

    void move(const evidence::VrrpInstance& active, const evidence::VrrpInstance& standby) {
        out_.mechanism = "keepalived, virtual_router_id " + standby.virtual_router_id;
        if (active.virtual_router_id != standby.virtual_router_id) {
            requireKeepalived(out_.host, "its virtual_router_id is " + standby.virtual_router_id +
                                             ", that of " + entry_.active + " is " +
                                             active.virtual_router_id);
        }
        if (active.tracks.empty()) {
            requireKeepalived(
                entry_.active,
                "it tracks no script and no process: if HAProxy alone stops, the address stays");
        }
        for (const auto& [from, to] :
             {std::pair(entry_.active, out_.host), std::pair(out_.host, entry_.active)}) {
            const auto found = inputs_.crossings.advertisements.find({from, to, *entry_.address});
            if (found != inputs_.crossings.advertisements.end()) {
                require(found->second.passes, {ObstacleKind::vrrp_blocked, to, found->second.evidence});
            }
        }
    }

    /// The standby must answer visitors at the address.
    void serve() {
        const auto visitors = [&](const std::string& host) -> const Crossing* {
            const auto found = inputs_.crossings.visitors.find({host, *entry_.address, entry_.port});
            return found == inputs_.crossings.visitors.end() ? nullptr : &found->second;
        };
        const auto* at_standby = visitors(out_.host);
        const auto* at_active = visitors(entry_.active);
        // If the active host keeps strangers out as well, its rules list the visitors.
        if (at_standby != nullptr && at_standby->passes == Truth::no && at_active != nullptr &&
            at_active->passes != Truth::no) {
            require(Truth::no, {ObstacleKind::visitors_blocked, out_.host, at_standby->evidence});
        }
        const auto host = inputs_.network.hosts.find(out_.host);
        if (host == inputs_.network.hosts.end() || !host->second.listeners_known) {
            return;
        }
        const auto& listeners = host->second.listeners;
        const bool listens = std::any_of(listeners.begin(), listeners.end(), [&](const auto& listener) {
            return listener.isTcp() && listener.port == entry_.port &&
                   listener.family == entry_.address->family &&
                   (listener.isWildcard() || listener.address == address());
        });
        if (listens) {
            return;
        }
        // A HAProxy that is stopped now has no listener at all: by design it takes over.
        const bool runs = std::any_of(listeners.begin(), listeners.end(), [](const auto& listener) {
            return listener.program() == evidence::Program::haproxy;
        });
        out_.takes_over = runs ? Truth::no : out_.takes_over;
        out_.obstacles.push_back({ObstacleKind::not_listening,
                                  out_.host,
                                  {"sockets of " + out_.host, "nothing listens there on " + address() +
                                                                  " port " + std::to_string(entry_.port)}});
    }

    const Inputs& inputs_;
    const Entry& entry_;
    Standby out_;
};

}  // namespace

Standby standbyFor(const Inputs& inputs, const Entry& entry, const std::string& host) {
    return Takeover(inputs, entry, host).run();
}

}  // namespace lapwing::analysis::topology
