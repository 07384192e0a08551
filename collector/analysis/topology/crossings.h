#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "collector/analysis/evidence/network.h"
#include "collector/analysis/evidence/services.h"
#include "collector/analysis/finding.h"
#include "collector/analysis/site.h"
#include "common/reach/ruleset.h"

namespace lapwing::analysis::topology {

/// Whether a host's rules let something in.
struct Crossing {
    Truth passes = Truth::unknown;
    Evidence evidence;
};

/// What must get through for an address to move, as the rulesets say.
struct Crossings {
    /// VRRP's advertisements for an address, from a host to another that moves it too.
    std::map<std::tuple<std::string, std::string, reach::Address>, Crossing> advertisements;
    /// A stranger's connection to that port of an address that VRRP moves to the host, once it is there.
    std::map<std::tuple<std::string, reach::Address, int>, Crossing> visitors;
};

/// Addresses from which a host's keepalived may send: those of the instance's interface that do not move; of
/// several, those by which others know the host.
std::vector<reach::Address> vrrpSenders(const evidence::Network& network, const evidence::Services& services,
                                        const std::string& host, const evidence::VrrpInstance& instance,
                                        reach::Family family);

using RulesetOf = std::function<const reach::Ruleset*(const evidence::Host&)>;

/// `ruleset`: the host's present one; null where it is not known. Pure.
Crossings findCrossings(const evidence::Network& network, const evidence::Services& services,
                        const Site& site, const RulesetOf& ruleset);

}  // namespace lapwing::analysis::topology
