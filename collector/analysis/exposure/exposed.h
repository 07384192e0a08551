#pragma once

#include <functional>
#include <optional>

#include "collector/analysis/exposure/exposure.h"

namespace lapwing::analysis::exposure {

/// The finding where the service gave a stranger a particular answer.
struct Answered {
    Severity severity = Severity::high;
    std::string title = {};  ///< "": the service's own
};

/// A listening service that only some hosts should reach.
struct Service {
    std::string id;       ///< of the finding
    std::string subject;  ///< of the finding
    std::string title;
    Severity severity = Severity::high;
    std::vector<const evidence::Listener*> listeners;  ///< not on loopback
    std::set<int> ports;  ///< further ports, which only attempts show (on a host without an agent)
    std::vector<reach::AddressRange> allowed;
    /// Only a way in for anybody counts: from an address that no rule names, or from a second address.
    bool from_anywhere = false;
    std::map<evidence::Greeting, Answered> by_greeting;
    std::function<std::string()> remedy;
    std::vector<std::string> not_assessed;
};

/// The host's TCP listeners that others may reach, where `wanted` says so.
std::vector<const evidence::Listener*> listenersOf(
    const evidence::Host& host, const std::function<bool(const evidence::Listener&)>& wanted);

/// The present ruleset of a host whose agent reads it; null where it is not known.
const reach::Ruleset* rulesetOf(const Context& context, const evidence::Host& host);

/// Calls `judge` for each host whose present ruleset is known.
void eachRuleset(const Context& context,
                 const std::function<void(const evidence::Host&, const reach::Ruleset&)>& judge);

/// " (rules of ufw and Docker)"; "" where nothing tells who made the rules.
std::string managersText(const reach::Ruleset& ruleset);

/// The sources that `site.allow` declares for a service, by any of its names ("ssh", "tcp/22").
std::vector<reach::AddressRange> declaredFor(const Site& site, const std::vector<std::string>& names);

/// "IPv4", "IPv6"
const char* familyText(reach::Family family);

/// The addresses from which a host connects to others: see evidence::likelyAddresses().
std::vector<reach::AddressRange> callersOf(const Context& context, const std::string& host);

/// Where the attempt went: "10.77.0.11:80", "[2001:db8::11]:80".
std::string endpointText(const evidence::Attempt& attempt);

/// A TCP connection opens before this packet is sent: that it opens does not contradict rules that drop it.
bool isAfterOpening(reach::PacketKind packet);

/// The packet that the rules certainly drop once the attempt's connection has opened; nothing if they drop an
/// earlier one, or none.
std::optional<reach::PacketKind> droppedAfterOpening(const Context& context, const evidence::Host& host,
                                                     const evidence::Attempt& attempt);

/// The sources include an address of the host itself.
bool isOwn(const evidence::Host& host, const reach::AddressRange& sources);

/// Sources that packets from other hosts never have: this network, loopback, multicast and reserved.
std::vector<reach::AddressRange> impossibleSources(reach::Family family);

/// Packets from any source to that port of the host, one for each address of that family (that `bound`
/// serves).
std::vector<reach::Packet> packetsTo(const evidence::Host& host, reach::Family family, int port,
                                     const evidence::Listener* bound = nullptr);

/// Judges a service by the ruleset and by attempts together.
void judgeService(const Context& context, const evidence::Host& host, const Service& service, Judgement& out);

}  // namespace lapwing::analysis::exposure
