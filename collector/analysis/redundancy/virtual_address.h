#pragma once

#include <string>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::redundancy {

/// The load balancers that shall share an address.
struct BalancerPair {
    std::string program;  ///< "haproxy", "nginx": the process and the package; "" if unknown
    std::string title;    ///< as people write it
    std::string active;   ///< host that receives the entry's requests
    std::string standby;  ///< "" if the site has no second load balancer

    /// The load balancers of an entry; the standby is the first.
    static BalancerPair of(const topology::Model& model, const topology::Entry& entry);
};

/// The steps that give the site a new address, which keepalived moves between the two hosts: complete
/// configuration files, kernel settings and firewall rules, as commands. The present address stays on its
/// host, and the site answers at it all the time: if keepalived moved the host's own address, the host would
/// lose its network with it. Each block of commands begins with "# On HOST, as root:" and ends at an empty
/// line; it can be pasted into a root shell. A value that is not known is a shell variable, whose assignment
/// stands at the top of the block.
std::string virtualAddressSteps(const Context& context, const topology::Entry& entry,
                                const BalancerPair& pair);

}  // namespace lapwing::analysis::redundancy
