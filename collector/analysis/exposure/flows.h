#pragma once

#include <set>
#include <string>
#include <vector>

#include "collector/analysis/exposure/nft_ruleset.h"
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
    /// Its rule's match, but for the source.
    NftMatch match() const;
};

inline constexpr int kSsh = 22;
/// HAProxy's usual port for its statistics.
inline constexpr int kStatistics = 8404;
/// The collector's usual port for agents.
inline constexpr int kCollectorForAgents = 9766;

/// Which flows of a host are asked for. Each holds the ones before it.
enum class FlowScope {
    site,      ///< the site cannot do without them
    watching,  ///< agents' controls and HAProxy's statistics too
    in_use,    ///< every flow that works now and that no declaration forbids: a remedy closes none of them
};

struct Flows {
    std::vector<Flow> list;
    /// Inputs that are not known, each as a noun ("an IPv6 address of lb-01, ..."): the list may lack their
    /// flows.
    std::vector<std::string> missing;
};

/// The flows that a host must let in, as far as they show: ssh, the site's visitors, load balancers, the
/// clients of the database, agents, VRRP.
Flows neededFlows(const Context& context, const evidence::Host& host, FlowScope scope);

/// The first packets of a flow from one of its sources, to the addresses by which others know the host: it
/// harms nobody that further addresses refuse them. Empty where the source is the host itself.
std::vector<reach::Packet> packetsOf(const Context& context, const evidence::Host& host, const Flow& flow,
                                     const reach::AddressRange& source);

/// Ports of the host on which HAProxy shows its statistics, as far as attempts tell.
std::set<int> statisticsPorts(const evidence::Host& host);

/// Ports at which the site's visitors enter by this host, as declared.
std::set<int> entryPorts(const Context& context, const evidence::Host& host);

/// The host accepts TCP connections at that port, by any address.
bool listensOn(const evidence::Host& host, int port);
/// Only programs of the same host reach it.
bool isLocal(const evidence::Listener& listener);

}  // namespace lapwing::analysis::exposure
