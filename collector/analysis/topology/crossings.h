#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

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

/// A host's rules send the site's visitors on to a server of another host.
struct Forward {
    std::string to;  ///< "10.77.0.11:80"
    Evidence evidence;
};

/// Where the rulesets let packets go that the site's address needs.
struct Crossings {
    /// VRRP's advertisements for an address, between two hosts that move it: from, to, address.
    std::map<std::tuple<std::string, std::string, reach::Address>, Crossing> advertisements;
    /// A stranger's connection to an address and port, once VRRP has moved the address to the host.
    std::map<std::tuple<std::string, reach::Address, int>, Crossing> visitors;
    std::map<std::string, std::vector<Forward>> forwards;  ///< by host: what visitors of an entry get to
};

/// Addresses from which a host's keepalived may send: the fixed addresses of the instance's interface. Of
/// several, only those by which other hosts know this one.
std::vector<reach::Address> vrrpSenders(const evidence::Network& network, const evidence::Services& services,
                                        const std::string& host, const evidence::VrrpInstance& instance,
                                        reach::Family family);

using RulesetOf = std::function<const reach::Ruleset*(const evidence::Host&)>;

/// `ruleset` gives a host's present ruleset; null if unknown. Pure.
Crossings findCrossings(const evidence::Network& network, const evidence::Services& services,
                        const Site& site, const RulesetOf& ruleset);

}  // namespace lapwing::analysis::topology
