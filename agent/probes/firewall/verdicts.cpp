#include "agent/probes/firewall/verdicts.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace lapwing::agent::firewall {

namespace {

using reach::Family;
using reach::Verdict;

constexpr Family kFamilies[] = {Family::ipv4, Family::ipv6};

/// A listener as the evaluation sees it: sockets that share a port count once.
struct Target {
    Family family;
    std::string protocol;
    std::uint16_t port;
    std::string address;
    auto operator<=>(const Target&) const = default;
};

std::set<Target> targetsOf(const std::vector<Listener>& listeners) {
    std::set<Target> out;
    for (const auto& listener : listeners) {
        const auto address = reach::Address::parse(listener.address);
        if (!address || address->isLoopback()) {
            continue;
        }
        const auto family = listener.ipv6 ? Family::ipv6 : Family::ipv4;
        out.insert({family, listener.protocol, listener.port, listener.address});
        if (listener.ipv6 && listener.address == "::" && !listener.v6only) {
            out.insert({Family::ipv4, listener.protocol, listener.port, "0.0.0.0"});
        }
    }
    return out;
}

class Judge {
  public:
    Judge(const reach::Ruleset& ruleset, const std::vector<InterfaceAddress>& addresses)
        : ruleset_(ruleset), addresses_(addresses) {}

    bool has(Family family) const {
        return std::any_of(addresses_.begin(), addresses_.end(),
                           [&](const auto& each) { return each.address.family == family; });
    }

    /// Nothing if no address of this host fits.
    std::optional<Verdict> verdict(const Target& target, const reach::Address& source,
                                   const std::string& interface) {
        std::optional<Verdict> worst;
        const bool anywhere = target.address == "0.0.0.0" || target.address == "::";
        std::set<std::string> seen;
        for (const auto& local : addresses_) {
            const bool fits = local.address.family == target.family &&
                              (interface.empty() || local.name == interface) &&
                              (anywhere || local.address.toString() == target.address);
            if (!fits) {
                continue;
            }
            reach::Packet packet;
            packet.source = reach::AddressRange::of(source);
            packet.destination = local.address;
            packet.protocol = target.protocol == "udp" ? reach::Protocol::udp : reach::Protocol::tcp;
            packet.port = target.port;
            packet.interface = local.name;
            const auto result = ruleset_.evaluate(packet);
            if (result.verdict == Verdict::may) {
                unknowns_.insert(result.unknowns.begin(), result.unknowns.end());
            }
            if (!worst || result.verdict == Verdict::must_reach ||
                (result.verdict == Verdict::may && *worst == Verdict::must_block)) {
                worst = result.verdict;
            }
        }
        return worst;
    }

    const std::set<std::string>& unknowns() const { return unknowns_; }

  private:
    const reach::Ruleset& ruleset_;
    const std::vector<InterfaceAddress>& addresses_;
    std::set<std::string> unknowns_;
};

}  // namespace

Verdicts judge(const reach::Ruleset& ruleset, const std::vector<Listener>& listeners,
               const std::vector<InterfaceAddress>& addresses, const std::vector<PeerSource>& peers) {
    Judge judge(ruleset, addresses);
    Verdicts out;
    std::vector<std::uint16_t> used;
    used.reserve(listeners.size());
    for (const auto& listener : listeners) {
        used.push_back(listener.port);
    }
    const auto unused = ruleset.unusedPort(used);
    for (const auto family : kFamilies) {
        if (!judge.has(family)) {
            continue;
        }
        const Target nobody{family, "tcp", unused, family == Family::ipv4 ? "0.0.0.0" : "::"};
        const auto verdict = judge.verdict(nobody, ruleset.stranger(family), "");
        DefaultDeny denies{family, std::nullopt};
        if (verdict && *verdict != Verdict::may) {
            denies.denies = *verdict == Verdict::must_block;
        }
        out.defaults.push_back(denies);
    }
    // Sockets on several addresses share the label set: the most reachable one decides.
    std::map<std::tuple<Family, std::string, std::uint16_t, std::string>, Verdict> worst;
    const auto note = [&](const Target& target, const std::string& source, std::optional<Verdict> verdict) {
        if (!verdict) {
            return;
        }
        const auto [entry, fresh] =
            worst.try_emplace({target.family, target.protocol, target.port, source}, *verdict);
        if (!fresh && (*verdict == Verdict::must_reach ||
                       (*verdict == Verdict::may && entry->second == Verdict::must_block))) {
            entry->second = *verdict;
        }
    };
    for (const auto& target : targetsOf(listeners)) {
        note(target, "any", judge.verdict(target, ruleset.stranger(target.family), ""));
        for (const auto& peer : peers) {
            if (peer.address.family == target.family) {
                note(target, peer.address.toString(), judge.verdict(target, peer.address, peer.interface));
            }
        }
    }
    for (const auto& [key, verdict] : worst) {
        const auto& [family, protocol, port, source] = key;
        out.ports.push_back({family, protocol, port, source, verdict});
    }
    out.unknowns.assign(judge.unknowns().begin(), judge.unknowns().end());
    return out;
}

}  // namespace lapwing::agent::firewall
