#include "collector/analysis/topology/takeover.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/topology/contest.h"
#include "collector/analysis/topology/vrrp.h"

namespace lapwing::analysis::topology {

namespace {

using vrrp::Contender;
using vrrp::Router;

/// Programs that may move addresses too, and are not modelled.
bool movesAddresses(const std::string& process) {
    static const std::set<std::string> names{"corosync", "pacemakerd", "pcsd",   "heartbeat", "ucarp",
                                             "exabgp",   "bird",       "gobgpd", "bgpd",      "vrrpd"};
    return names.contains(process);
}

using Balancers = std::map<std::string, Balancer>;

class Takeover {
  public:
    Takeover(const Inputs& inputs, const Entry& entry, const std::string& host, const Balancers& balancers)
        : inputs_(inputs),
          entry_(entry),
          active_(entry.active.empty() ? entry.direct : entry.active),
          program_(entry.active.empty() ? Balancer{"", "Nginx", ""} : balancers.at(entry.active)),
          own_(balancers.at(host)),
          out_{host, Truth::yes, Truth::yes, {}, ""} {}

    Standby run() {
        if (!entry_.address) {
            require(Truth::unknown,
                    {ObstacleKind::not_reported,
                     "",
                     {"site.entry", entry_.name.empty() ? "the entry's address is not declared"
                                                        : "what " + entry_.name + " leads to is not known"}});
            return std::move(out_);
        }
        if (active_.empty()) {
            require(Truth::unknown,
                    {ObstacleKind::not_reported,
                     "",
                     {"addresses of the hosts", "no load balancer has " + address() + " now"}});
            return std::move(out_);
        }
        const auto active = routerOn(active_);
        const auto standby = routerOn(out_.host);
        if (active && standby) {
            move(*active, *standby);
        }
        serve();
        servers();
        return std::move(out_);
    }

  private:
    std::string address() const { return entry_.address->toString(); }

    void require(Truth truth, Obstacle obstacle) {
        out_.after_loss = conjunction(out_.after_loss, truth);
        requireAfterStop(truth, std::move(obstacle));
    }

    void requireAfterStop(Truth truth, Obstacle obstacle) {
        out_.after_stop = conjunction(out_.after_stop, truth);
        if (truth != Truth::yes) {
            out_.obstacles.push_back(std::move(obstacle));
        }
    }

    void requireKeepalived(const std::string& host, std::string text,
                           ObstacleKind kind = ObstacleKind::keepalived) {
        require(Truth::no, {kind, host, {"keepalived of " + host, std::move(text)}});
    }

    void unreported(const std::string& host, std::string text) {
        require(Truth::unknown, {ObstacleKind::not_reported, host, {"agent of " + host, std::move(text)}});
    }

    void unknown(const std::string& host, const std::string& source, std::string text) {
        require(Truth::unknown, {ObstacleKind::not_known, host, {source + " of " + host, std::move(text)}});
    }

    std::optional<Router> routerOn(const std::string& host) {
        const auto found = inputs_.services.vrrp.find(host);
        const auto known = inputs_.network.hosts.find(host);
        if (found == inputs_.services.vrrp.end()) {
            const bool seen = known != inputs_.network.hosts.end() && known->second.agent_present;
            unreported(host, std::string(seen ? "it does not report keepalived's configuration"
                                              : "none reports from there") +
                                 ": whether " + address() + " moves is not known");
            return std::nullopt;
        }
        const auto& vrrp = found->second;
        for (const auto& part : vrrp.unread) {
            unknown(host, "keepalived", "Lapwing does not evaluate a part of its configuration: " + part);
        }
        const auto* instance = vrrp.moving(*entry_.address);
        if (instance == nullptr) {
            const bool other = otherManager(host);
            if (!other && vrrp.unread.empty()) {
                requireKeepalived(host,
                                  vrrp.instances.empty() ? "there is none" : "it does not move " + address());
            }
            return std::nullopt;
        }
        if (!vrrp.runs) {
            requireKeepalived(host, "it does not run", ObstacleKind::keepalived_stopped);
        }
        return routerOf(host, vrrp, *instance);
    }

    /// Another program than keepalived may move the address.
    bool otherManager(const std::string& host) {
        const auto known = inputs_.network.hosts.find(host);
        if (known == inputs_.network.hosts.end()) {
            return false;
        }
        for (const auto& listener : known->second.listeners) {
            if (movesAddresses(listener.process)) {
                unknown(
                    host, "sockets",
                    listener.process + " runs there: Lapwing does not know whether it moves " + address());
                return true;
            }
        }
        return false;
    }

    Router routerOf(const std::string& host, const evidence::Vrrp& vrrp,
                    const evidence::VrrpInstance& instance) const {
        Router out{host, true, &instance, vrrp.groupOf(instance), {}};
        const auto known = inputs_.network.hosts.find(host);
        if (known != inputs_.network.hosts.end()) {
            for (const auto& each : known->second.addresses) {
                const bool here = instance.interface.empty() || each.interface == instance.interface;
                if (here && inputs_.services.moversOf(each.address).empty()) {
                    out.addresses.insert(each.address);
                }
            }
        }
        return out;
    }

    void move(const Router& active, const Router& standby) {
        out_.mechanism = "keepalived, virtual_router_id " + standby.instance->virtual_router_id;
        bool understood = true;
        for (const auto* router : {&active, &standby}) {
            for (const auto* instance : router->group) {
                if (instance->version.empty()) {
                    unreported(router->host,
                               "it is of an older version, which does not report keepalived's priorities and "
                               "checks");
                    understood = false;
                } else if (!instance->unread.empty()) {
                    unknown(router->host, "keepalived",
                            "Lapwing does not know what these settings do: " + instance->unread);
                    understood = false;
                }
            }
        }
        if (!understood) {
            return;
        }
        hear(active, standby);
        hear(standby, active);
        // If one host hears the other, most configurations still have one holder.
        const auto healthy = [](const evidence::VrrpCheck&) { return false; };
        const std::vector<Contender> contenders{{&active, vrrp::priorityOf(active, healthy)},
                                                {&standby, vrrp::priorityOf(standby, healthy)}};
        if (!unheard_.empty() &&
            vrrp::holdersAfter(contenders, active.host, hears()) != std::set{active.host}) {
            for (auto& obstacle : unheard_) {
                require(Truth::no, std::move(obstacle));
            }
            return;
        }
        compete(active, standby);
    }

    vrrp::Hears hears() const {
        return [this](const Router& sender, const Router& receiver) {
            return !deaf_.contains({sender.host, receiver.host});
        };
    }

    /// Notes whether the receiver takes the sender's advertisements.
    void hear(const Router& sender, const Router& receiver) {
        for (auto& reason : vrrp::unheard(sender, receiver)) {
            deaf_.insert({sender.host, receiver.host});
            // A difference of two values shows on both sides, and is told once.
            const bool told = std::any_of(unheard_.begin(), unheard_.end(), [&](const auto& each) {
                return each.kind == ObstacleKind::deaf && each.host == sender.host;
            });
            if (!told || reason.find("unicast_peer), which") != std::string::npos) {
                unheard_.push_back({ObstacleKind::deaf,
                                    receiver.host,
                                    {"keepalived of " + receiver.host, std::move(reason)}});
            }
        }
        const auto found =
            inputs_.crossings.advertisements.find({sender.host, receiver.host, *entry_.address});
        if (found == inputs_.crossings.advertisements.end()) {
            return;
        }
        Obstacle obstacle{ObstacleKind::vrrp_blocked, receiver.host, found->second.evidence};
        if (found->second.passes == Truth::no) {
            deaf_.insert({sender.host, receiver.host});
            unheard_.push_back(std::move(obstacle));
        } else {
            require(found->second.passes, std::move(obstacle));
        }
    }

    /// Whether the address moves after the loss of the host, and after the program alone has stopped.
    void compete(const Router& active, const Router& standby) {
        const auto healthy = [](const evidence::VrrpCheck&) { return false; };
        if (!vrrp::priorityOf(standby, healthy)) {
            requireKeepalived(out_.host,
                              "its instance is in the state FAULT while its checks succeed (reverse)");
            return;
        }
        const StoppedProgram program{program_.process(), program_.program};
        const auto all = [](const Router&, const Router&) { return true; };
        auto contest = contestAfterStop(inputs_.network, active, standby, program, all);
        if (contest.moves != Truth::yes) {
            requireAfterStop(contest.moves,
                             {contest.moves == Truth::no ? ObstacleKind::arithmetic : ObstacleKind::not_known,
                              active_,
                              {"keepalived of " + active_, std::move(contest.why)}});
            return;
        }
        const auto heard = contestAfterStop(inputs_.network, active, standby, program, hears()).moves;
        for (auto& obstacle : unheard_) {
            requireAfterStop(heard, std::move(obstacle));
        }
    }

    /// The standby must answer visitors at the address.
    void serve() {
        const auto visitors = [&](const std::string& host) -> const Crossing* {
            const auto found = inputs_.crossings.visitors.find({host, *entry_.address, entry_.port});
            return found == inputs_.crossings.visitors.end() ? nullptr : &found->second;
        };
        const auto* at_standby = visitors(out_.host);
        const auto* at_active = visitors(active_);
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
        // A load balancer that is stopped now has no listener at all: by design it takes over.
        const bool runs = std::any_of(listeners.begin(), listeners.end(), [&](const auto& listener) {
            return !own_.process().empty() && listener.process == own_.process();
        });
        if (runs) {
            out_.after_stop = out_.after_loss = Truth::no;
        }
        out_.obstacles.push_back({ObstacleKind::not_listening,
                                  out_.host,
                                  {"sockets of " + out_.host, "nothing listens there on " + address() +
                                                                  " port " + std::to_string(entry_.port)}});
    }

    /// The servers of a backend, as the load balancer on a host sees them: some up, all down, or unknown.
    std::map<std::string, Truth> backendsOn(const std::string& host) const {
        std::map<std::string, Truth> out;
        const auto found = inputs_.network.balancers.find(host);
        if (found == inputs_.network.balancers.end() || found->second.works != Truth::yes) {
            return out;
        }
        for (const auto& server : found->second.servers) {
            const auto up = server.state == evidence::ServerState::up     ? Truth::yes
                            : server.state == evidence::ServerState::down ? Truth::no
                                                                          : Truth::unknown;
            auto& any = out.emplace(server.proxy, Truth::no).first->second;
            any = disjunction(any, up);
        }
        return out;
    }

    /// The standby must reach the servers that the active load balancer reaches.
    void servers() {
        const auto here = backendsOn(out_.host);
        for (const auto& [proxy, works] : backendsOn(active_)) {
            const auto own = here.find(proxy);
            if (works == Truth::yes && own != here.end() && own->second == Truth::no) {
                require(Truth::no,
                        {ObstacleKind::servers_away,
                         out_.host,
                         {"haproxy statistics of " + out_.host,
                          "every server of " + proxy + " is DOWN there, while " + active_ + " uses some"}});
            }
        }
    }

    const Inputs& inputs_;
    const Entry& entry_;
    const std::string active_;
    const Balancer program_;                              ///< that receives the entry's requests
    const Balancer own_;                                  ///< of the standby
    std::set<std::pair<std::string, std::string>> deaf_;  ///< sender and receiver
    std::vector<Obstacle> unheard_;                       ///< reasons for `deaf_`
    Standby out_;
};

}  // namespace

Standby standbyFor(const Inputs& inputs, const Entry& entry, const std::string& host,
                   const Balancers& balancers) {
    return Takeover(inputs, entry, host, balancers).run();
}

}  // namespace lapwing::analysis::topology
