#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "collector/analysis/evidence/services.h"

/// VRRP as keepalived 2.2 runs it: which hosts hold an address, by the priorities and checks of each host.
/// Sources: man keepalived.conf, RFC 3768 and RFC 5798 (6.4, the states), and keepalived 2.2.7 itself
/// (tests/fixtures/keepalived/takeover.json). Every function is pure.
namespace lapwing::analysis::topology::vrrp {

/// A host of a virtual router.
struct Router {
    std::string host;
    bool runs = true;  ///< keepalived runs, and the host
    const evidence::VrrpInstance* instance = nullptr;
    std::vector<const evidence::VrrpInstance*> group;  ///< of a vrrp_sync_group, `instance` included
    std::set<reach::Address> addresses;                ///< the fixed addresses of the instance's interface
};

/// Whether a check fails on its host.
using Fails = std::function<bool(const evidence::VrrpCheck&)>;

/// The priority from 1 to 254 (255: the address's owner) that the instance has while these checks fail;
/// nothing in the state FAULT, in which it gives the address up.
std::optional<int> priorityOf(const Router& router, const Fails& fails);

/// Why the receiver would not take the sender's advertisement as one of its virtual router: "its
/// virtual_router_id is 52, that of lb-01 is 51". Empty if it would.
std::vector<std::string> unheard(const Router& sender, const Router& receiver);

/// The state of one router while the address is contended for.
struct Contender {
    const Router* router = nullptr;
    std::optional<int> priority;  ///< nothing: FAULT, or keepalived does not run
};

/// Whether the second hears the advertisements of the first.
using Hears = std::function<bool(const Router& sender, const Router& receiver)>;

/// The hosts that hold the address in the end, if `holder` holds it at first ("": nobody). Two hosts that do
/// not hear each other both hold it.
std::set<std::string> holdersAfter(const std::vector<Contender>& contenders, const std::string& holder,
                                   const Hears& hears);

}  // namespace lapwing::analysis::topology::vrrp
