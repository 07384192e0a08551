#pragma once

#include <set>
#include <string>
#include <vector>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::exposure {

/// One flow that a host must let in.
struct Flow {
    std::vector<reach::AddressRange> from;  ///< empty: from anywhere
    int port = 0;                           ///< of TCP; 0 for VRRP
    std::string why;
    reach::Protocol protocol = reach::Protocol::tcp;

    /// "tcp/3306", "vrrp"
    std::string name() const;
};

/// How nft writes what a flow is, after its source. Protocols by their number: a small system has no
/// /etc/protocols, and there nft knows no names.
std::string matchText(const Flow& flow);

inline constexpr int kSsh = 22;
/// HAProxy's usual port for its statistics.
inline constexpr int kStatistics = 8404;
/// Ports of the host on which HAProxy shows its statistics, as far as attempts tell.
std::set<int> statisticsPorts(const evidence::Host& host);

/// The flows that the host needs, as far as they show: ssh, the load balancer to the web port, the database's
/// peers, what other agents use as a control, the collector's own port, VRRP from who moves an address of it.
/// `controls`: what other agents use as a control too, which the site itself does not need.
std::vector<Flow> neededFlows(const Context& context, const evidence::Host& host, bool controls = true);

/// The first packets of a flow from one of its sources, to the addresses by which others know the host: what
/// its further addresses refuse harms nobody. Empty where the source is the host itself.
std::vector<reach::Packet> packetsOf(const Context& context, const evidence::Host& host, const Flow& flow,
                                     const reach::AddressRange& source);

/// A whole ruleset as `nft -f` takes it, of one table of our own: drops by default and lets the flows in.
/// Loading it again replaces it.
std::string rulesetText(const std::string& host, const std::vector<Flow>& flows,
                        const std::vector<std::string>& closed);

/// The same ruleset as `nft -j` lists it: what the evaluator reads.
std::string rulesetJson(const std::vector<Flow>& flows);

/// The exact step for this host: the ruleset to load, and what the evaluator says of it.
std::string firewallRemedy(const Context& context, const evidence::Host& host);

/// For a host of which nothing is known but some ports: a table of our own that lets only `from` connect to
/// them, and leaves everything else as it is.
std::string portsRemedy(const std::string& host, const std::set<int>& ports,
                        std::vector<reach::AddressRange> from);

/// The exact step against outbound connections to anywhere: a table of our own at the output hook.
std::string outboundRemedy(const Context& context, const evidence::Host& host);

}  // namespace lapwing::analysis::exposure
