#include "collector/analysis/topology/crossings.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "collector/analysis/judgement.h"
#include "common/endpoint.h"

namespace lapwing::analysis::topology {

namespace {

Truth truthOf(reach::Verdict verdict) {
    switch (verdict) {
        case reach::Verdict::must_reach:
            return Truth::yes;
        case reach::Verdict::must_block:
            return Truth::no;
        case reach::Verdict::may:
            break;
    }
    return Truth::unknown;
}

class Finder {
  public:
    Finder(const evidence::Network& network, const evidence::Services& services, const RulesetOf& ruleset)
        : network_(network), services_(services), ruleset_(ruleset) {}

    Crossing advertisements(const std::string& from, const evidence::VrrpInstance& sender,
                            const std::string& to, const evidence::VrrpInstance& receiver,
                            const reach::Address& address) const {
        const auto* rules = rulesOf(to);
        if (rules == nullptr) {
            return {Truth::unknown, {"ruleset of " + to, "it is not known"}};
        }
        const auto sources = vrrpSenders(network_, services_, from, sender, address.family);
        const auto own = vrrpSenders(network_, services_, to, receiver, address.family);
        std::set<Truth> said;
        std::set<std::string> rules_said;
        std::string who;
        for (const auto& source : sources) {
            reach::Packet packet;
            packet.protocol = reach::Protocol::vrrp;
            packet.source = reach::AddressRange::of(source);
            packet.interface = receiver.interface;
            packet.destination =
                sender.isUnicast() && !own.empty() ? own.front() : reach::vrrpGroup(address.family);
            const auto result = rules->evaluate(packet);
            said.insert(truthOf(result.verdict));
            rules_said.insert(result.decided_by.begin(), result.decided_by.end());
            who = source.toString();
        }
        const auto passes = said.size() == 1 ? *said.begin() : Truth::unknown;
        const std::string verb = passes == Truth::yes  ? "lets VRRP (protocol 112) in from "
                                 : passes == Truth::no ? "keeps VRRP (protocol 112) out from "
                                                       : "may keep VRRP (protocol 112) out from ";
        return {passes,
                {"ruleset of " + to, verb + from + (sources.size() == 1 ? " (" + who + ")" : "") + ": " +
                                         joined({rules_said.begin(), rules_said.end()})}};
    }

    Crossing visitors(const std::string& host, const evidence::VrrpInstance& instance,
                      const reach::Address& address, int port) const {
        const auto* rules = rulesOf(host);
        const auto place = address.toString() + " port " + std::to_string(port);
        if (rules == nullptr) {
            return {Truth::unknown, {"ruleset of " + host, "it is not known"}};
        }
        reach::Packet packet;
        packet.source = reach::AddressRange::of(rules->stranger(address.family));
        packet.destination = address;
        packet.interface = instance.interface;
        packet.port = static_cast<std::uint16_t>(port);
        const auto result = rules->evaluate(packet);
        const auto passes = truthOf(result.verdict);
        const std::string verb = passes == Truth::yes  ? "lets visitors in to "
                                 : passes == Truth::no ? "keeps visitors out of "
                                                       : "may keep visitors out of ";
        return {passes, {"ruleset of " + host, verb + place + ": " + joined(result.decided_by)}};
    }

    /// Nothing if the rules leave the destination alone, or if it is not known.
    std::optional<Forward> forward(const std::string& host, const evidence::HostAddress& at, int port) const {
        const auto* rules = rulesOf(host);
        if (rules == nullptr || !rules->translates()) {
            return std::nullopt;
        }
        reach::Packet packet;
        packet.source = reach::AddressRange::of(rules->stranger(at.address.family));
        packet.destination = at.address;
        packet.interface = at.interface;
        packet.port = static_cast<std::uint16_t>(port);
        const auto result = rules->evaluate(packet);
        if (!result.forwarded || result.translated_to.empty()) {
            return std::nullopt;
        }
        return Forward{result.translated_to,
                       {"ruleset of " + host, at.address.toString() + " port " + std::to_string(port) +
                                                  " is sent on to " + result.translated_to + ": " +
                                                  joined(result.decided_by)}};
    }

  private:
    const reach::Ruleset* rulesOf(const std::string& host) const {
        const auto found = network_.hosts.find(host);
        const bool known = found != network_.hosts.end() && found->second.firewall_up.value_or(false);
        return known ? ruleset_(found->second) : nullptr;
    }

    const evidence::Network& network_;
    const evidence::Services& services_;
    const RulesetOf& ruleset_;
};

}  // namespace

std::vector<reach::Address> vrrpSenders(const evidence::Network& network, const evidence::Services& services,
                                        const std::string& host, const evidence::VrrpInstance& instance,
                                        reach::Family family) {
    if (instance.source && instance.source->family == family) {
        return {*instance.source};
    }
    const auto& known = evidence::knownAddresses(network, host);
    std::vector<reach::Address> all;
    std::vector<reach::Address> likely;
    const auto found = network.hosts.find(host);
    if (found == network.hosts.end()) {
        return {};
    }
    for (const auto& each : found->second.addresses) {
        const bool moves = !services.moversOf(each.address).empty();
        // VRRP over IPv6 comes from the link-local address (RFC 5798, 5.1.2.1).
        const bool fits =
            each.address.family == family && (family == reach::Family::ipv4 || each.address.isLinkLocal());
        if (moves || !fits || (!instance.interface.empty() && each.interface != instance.interface)) {
            continue;
        }
        all.push_back(each.address);
        if (std::find(known.begin(), known.end(), each.address) != known.end()) {
            likely.push_back(each.address);
        }
    }
    return likely.empty() ? all : likely;
}

Crossings findCrossings(const evidence::Network& network, const evidence::Services& services,
                        const Site& site, const RulesetOf& ruleset) {
    Crossings out;
    const Finder finder(network, services, ruleset);
    std::set<int> ports;
    for (const auto& url : site.entry) {
        if (const auto endpoint = Endpoint::ofUrl(url); endpoint && endpoint->port != 0) {
            ports.insert(endpoint->port);
        }
    }
    if (ports.empty()) {
        ports.insert(80);
    }
    for (const auto& url : site.entry) {
        const auto endpoint = Endpoint::ofUrl(url);
        const auto address = endpoint ? endpoint->address() : std::nullopt;
        for (const auto& [name, host] : network.hosts) {
            for (const auto& held : host.addresses) {
                if (address && held.address == *address) {
                    if (auto forward = finder.forward(name, held, endpoint->port)) {
                        out.forwards[name].push_back(std::move(*forward));
                    }
                }
            }
        }
    }
    for (const auto& [host, vrrp] : services.vrrp) {
        for (const auto& instance : vrrp.instances) {
            for (const auto& address : instance.addresses) {
                for (const int port : ports) {
                    out.visitors[{host, address, port}] = finder.visitors(host, instance, address, port);
                }
                for (const auto& [other, others] : services.vrrp) {
                    const auto* sender = other == host ? nullptr : others.moving(address);
                    if (sender != nullptr) {
                        out.advertisements[{other, host, address}] =
                            finder.advertisements(other, *sender, host, instance, address);
                    }
                }
            }
        }
    }
    return out;
}

}  // namespace lapwing::analysis::topology
