#include "collector/analysis/topology/vrrp.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace lapwing::analysis::topology::vrrp {

namespace {

constexpr int kLowest = 1;
constexpr int kHighest = 254;
constexpr int kOwner = 255;

/// The change of the priority by a check with a weight (man keepalived.conf, track_script). A positive weight
/// is added while the check succeeds, a negative one while it fails; `reverse` turns the direction round.
int adjustment(const evidence::VrrpCheck& check, bool fails) {
    const bool counts = check.weight > 0 ? !fails : fails;
    const int change = counts ? check.weight : 0;
    return check.reverse ? -change : change;
}

/// A check without a weight stops the instance while it fails (with `reverse`: while it succeeds).
bool stops(const evidence::VrrpCheck& check, bool fails) {
    return check.weight == 0 && fails != check.reverse;
}

/// Of equal priorities, the higher address wins.
bool hasHigherAddress(const Router& left, const Router& right) {
    const auto sender = [](const Router& router) {
        return router.instance->source    ? *router.instance->source
               : router.addresses.empty() ? reach::Address{}
                                          : *router.addresses.begin();
    };
    return sender(right) < sender(left);
}

std::string differs(const char* keyword, const std::string& own, const Router& sender,
                    const std::string& theirs) {
    const auto shown = [](const std::string& value) {
        return value.empty() ? std::string("not set") : value;
    };
    return std::string("its ") + keyword + " is " + shown(own) + ", that of " + sender.host + " is " +
           shown(theirs);
}

/// Advertisements with another number of addresses are dropped.
std::string differentAddresses(const Router& sender, const Router& receiver) {
    std::string out;
    const auto list = [&](const std::set<reach::Address>& from, const std::set<reach::Address>& without) {
        for (const auto& address : from) {
            if (!without.contains(address)) {
                out += (out.empty() ? "" : ", ") + address.toString();
            }
        }
    };
    list(receiver.instance->advertised, sender.instance->advertised);
    list(sender.instance->advertised, receiver.instance->advertised);
    return out;
}

class Election {
  public:
    Election(const std::vector<Contender>& contenders, const Hears& hears)
        : contenders_(contenders), hears_(hears) {}

    std::set<std::string> from(const std::string& holder) {
        for (const auto& each : contenders_) {
            if (each.priority && each.router->host == holder) {
                masters_.insert(&each);
            }
        }
        // Each round at least one host changes its state for good, unless all stay.
        for (std::size_t round = 0; round <= 2 * contenders_.size(); ++round) {
            const auto before = masters_;
            rise();
            yield();
            if (masters_ == before) {
                break;
            }
        }
        std::set<std::string> out;
        for (const auto* each : masters_) {
            out.insert(each->router->host);
        }
        return out;
    }

  private:
    /// A backup becomes master unless it hears a master that it accepts (RFC 5798, 6.4.2).
    void rise() {
        std::vector<const Contender*> backups;
        for (const auto& each : contenders_) {
            if (each.priority && !masters_.contains(&each)) {
                backups.push_back(&each);
            }
        }
        // The higher the priority, the shorter the wait.
        std::stable_sort(backups.begin(), backups.end(), [](const auto* left, const auto* right) {
            return left->priority != right->priority ? left->priority > right->priority
                                                     : hasHigherAddress(*left->router, *right->router);
        });
        for (const auto* backup : backups) {
            const bool accepts = std::any_of(masters_.begin(), masters_.end(), [&](const auto* master) {
                return hears_(*master->router, *backup->router) &&
                       (backup->router->instance->nopreempt || *master->priority >= *backup->priority);
            });
            if (!accepts) {
                masters_.insert(backup);
            }
        }
    }

    /// A master yields to one with a higher priority (RFC 5798, 6.4.3).
    void yield() {
        const auto masters = masters_;
        for (const auto* each : masters) {
            const bool yields = std::any_of(masters.begin(), masters.end(), [&](const auto* other) {
                return other != each && hears_(*other->router, *each->router) &&
                       (*other->priority > *each->priority ||
                        (*other->priority == *each->priority &&
                         hasHigherAddress(*other->router, *each->router)));
            });
            if (yields) {
                masters_.erase(each);
            }
        }
    }

    const std::vector<Contender>& contenders_;
    const Hears& hears_;
    std::set<const Contender*> masters_;
};

}  // namespace

std::optional<int> priorityOf(const Router& router, const Fails& fails) {
    if (!router.runs) {
        return std::nullopt;
    }
    for (const auto* instance : router.group) {
        for (const auto& check : instance->checks) {
            if (check.ignored.empty() && stops(check, fails(check))) {
                return std::nullopt;
            }
        }
    }
    const int base = router.instance->priority;
    if (base == kOwner) {
        return base;
    }
    int change = 0;
    for (const auto& check : router.instance->checks) {
        if (check.ignored.empty()) {
            change += adjustment(check, fails(check));
        }
    }
    return std::clamp(base + change, kLowest, kHighest);
}

std::vector<std::string> unheard(const Router& sender, const Router& receiver) {
    std::vector<std::string> out;
    const auto& theirs = *sender.instance;
    const auto& own = *receiver.instance;
    const auto compare = [&](const char* keyword, const std::string& mine, const std::string& other) {
        if (mine != other) {
            out.push_back(differs(keyword, mine, sender, other));
        }
    };
    compare("virtual_router_id", own.virtual_router_id, theirs.virtual_router_id);
    compare("version", own.version, theirs.version);
    if (own.version != "3") {
        compare("advert_int", own.interval, theirs.interval);
        if (own.authentication != theirs.authentication) {
            out.push_back("its authentication (auth_type or auth_pass) differs from that of " + sender.host);
        }
    }
    if (const auto addresses = differentAddresses(sender, receiver); !addresses.empty()) {
        out.push_back("its virtual_ipaddress differs from that of " + sender.host +
                      ": only one of the two has " + addresses);
    }
    if (own.isUnicast() != theirs.isUnicast()) {
        const auto& unicast = own.isUnicast() ? receiver.host : sender.host;
        out.push_back("only " + unicast +
                      " has a unicast_peer: the advertisements of the other go to the multicast group");
    } else if (theirs.isUnicast() &&
               std::none_of(theirs.peers.begin(), theirs.peers.end(),
                            [&](const auto& peer) { return receiver.addresses.contains(peer); })) {
        std::string peers;
        for (const auto& peer : theirs.peers) {
            peers += (peers.empty() ? "" : ", ") + peer.toString();
        }
        out.push_back(sender.host + " sends its advertisements to " + peers + " (unicast_peer), which " +
                      receiver.host + " does not have");
    }
    return out;
}

std::set<std::string> holdersAfter(const std::vector<Contender>& contenders, const std::string& holder,
                                   const Hears& hears) {
    return Election(contenders, hears).from(holder);
}

}  // namespace lapwing::analysis::topology::vrrp
