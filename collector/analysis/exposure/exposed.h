#pragma once

#include <functional>

#include "collector/analysis/exposure/exposure.h"

namespace lapwing::analysis::exposure {

/// What the service's answer to a stranger makes of its finding.
struct Answered {
    Severity severity = Severity::high;
    std::string title = {};  ///< "": the service's own
};

/// Something that listens and should be reached by some only.
struct Service {
    std::string id;       ///< of the finding
    std::string subject;  ///< likewise
    std::string title;
    Severity severity = Severity::high;
    std::vector<const evidence::Listener*> listeners;  ///< not on loopback
    std::set<int> ports;  ///< further ones, of which only attempts tell (a host without an agent)
    std::vector<reach::AddressRange> allowed;
    /// It counts only what reaches anybody: an address that no rule names, a second address.
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

/// What `site.allow` declares for that service's name, or its port.
std::vector<reach::AddressRange> declaredFor(const Site& site, const std::vector<std::string>& names);

/// An address of the host itself is among them.
bool isOwn(const evidence::Host& host, const reach::AddressRange& sources);

/// Sources that no packet from elsewhere has: this network, loopback, multicast and reserved.
std::vector<reach::AddressRange> impossibleSources(reach::Family family);

/// Packets from `source` to that port of the host, one for each address of that family (that `bound` serves).
std::vector<reach::Packet> packetsTo(const evidence::Host& host, reach::Family family, int port,
                                     const evidence::Listener* bound = nullptr);

/// Combines what the ruleset says of a service with what attempts showed, and finds.
void judgeService(const Context& context, const evidence::Host& host, const Service& service, Judgement& out);

}  // namespace lapwing::analysis::exposure
