#include "collector/analysis/exposure/compare.h"

#include <algorithm>

namespace lapwing::analysis::exposure {

namespace {

using reach::Family;
using reach::Verdict;

constexpr Family kFamilies[] = {Family::ipv4, Family::ipv6};

/// The most open result of packets from that source to any address of the host.
std::optional<reach::Result> met(const evidence::Host& host, const reach::Ruleset& ruleset, Family family,
                                 int port, const reach::AddressRange& source,
                                 const evidence::Listener* bound) {
    std::optional<reach::Result> out;
    for (auto& packet : packetsTo(host, family, port, bound)) {
        packet.source = source;
        auto result = ruleset.evaluate(packet);
        if (!out || result.verdict == Verdict::must_reach ||
            (result.verdict == Verdict::may && out->verdict == Verdict::must_block)) {
            out = std::move(result);
        }
    }
    return out;
}

reach::AddressRange strangerTo(const reach::Ruleset& ruleset, Family family) {
    return reach::AddressRange::of(ruleset.stranger(family));
}

int unusedPort(const evidence::Host& host, const reach::Ruleset& ruleset) {
    std::vector<std::uint16_t> used;
    used.reserve(host.listeners.size());
    for (const auto& listener : host.listeners) {
        used.push_back(static_cast<std::uint16_t>(listener.port));
    }
    return ruleset.unusedPort(used);
}

/// Addresses of the site's other hosts, and sources of flows that this one needs.
std::vector<reach::AddressRange> knownSources(const Context& context, const evidence::Host& host) {
    std::vector<reach::AddressRange> out;
    const auto add = [&](const reach::AddressRange& source) {
        if (!isOwn(host, source) && std::find(out.begin(), out.end(), source) == out.end()) {
            out.push_back(source);
        }
    };
    for (const auto& [name, other] : context.network.hosts) {
        for (const auto& address : evidence::knownAddresses(context.network, name)) {
            add(reach::AddressRange::of(address));
        }
    }
    for (const auto& address : evidence::entryAddresses(context.site)) {
        add(reach::AddressRange::of(address));
    }
    for (const auto& flow : neededFlows(context, host, FlowScope::watching).list) {
        for (const auto& source : flow.from) {
            add(source);
        }
    }
    return out;
}

std::string portText(int port, const evidence::Listener* listener) {
    if (listener == nullptr) {
        return port == 0 ? "a port that no rule names" : "tcp/" + std::to_string(port);
    }
    const auto name = "tcp/" + std::to_string(port);
    const auto service = listener->service();
    return service == name ? name : name + " (" + service + ")";
}

/// Decided by fail2ban, which adds and removes bans all the time.
bool isBan(const reach::Result& result) {
    return std::any_of(result.decided_by.begin(), result.decided_by.end(),
                       [](const auto& place) { return place.find(" f2b-") != std::string::npos; });
}

class Comparison {
  public:
    Comparison(const Context& context, const evidence::Host& host, const reach::Ruleset& before,
               const reach::Ruleset& after)
        : host_(host), before_(before), after_(after), sources_(knownSources(context, host)) {}

    Openings run() {
        std::set<std::tuple<Family, int, std::string>> seen;
        for (const auto family : kFamilies) {
            compare(family, 0, nullptr);
            const auto listeners = listenersOf(host_, [&](const evidence::Listener& one) {
                return one.family == family &&
                       seen.emplace(family, one.port, one.isWildcard() ? "" : one.address).second;
            });
            for (const auto* listener : listeners) {
                compare(family, listener->port, listener);
            }
        }
        return std::move(out_);
    }

  private:
    void compare(Family family, int port, const evidence::Listener* listener) {
        const auto before_port = port == 0 ? unusedPort(host_, before_) : port;
        const auto after_port = port == 0 ? unusedPort(host_, after_) : port;
        auto before = met(host_, before_, family, before_port, strangerTo(before_, family), listener);
        auto after = met(host_, after_, family, after_port, strangerTo(after_, family), listener);
        if (!before || !after) {
            return;
        }
        Opening opening{family, port,  listener, portText(port, listener) + " over " + familyText(family),
                        {},     false, {},       {}};
        const bool anybody_before = before->verdict == Verdict::must_reach;
        const bool anybody_after = after->verdict == Verdict::must_reach;
        if (opens(*before, *after)) {
            add(opening, strangerTo(after_, family), true, std::move(*before), std::move(*after));
        }
        for (const auto& source :
             anybody_before || anybody_after ? std::vector<reach::AddressRange>{} : sources_) {
            if (source.family != family) {
                continue;
            }
            before = met(host_, before_, family, before_port, source, listener);
            after = met(host_, after_, family, after_port, source, listener);
            if (!isBan(*before) && opens(*before, *after)) {
                add(opening, source, false, std::move(*before), std::move(*after));
            }
        }
    }

    bool opens(const reach::Result& before, const reach::Result& after) {
        if (before.verdict == after.verdict || before.verdict == Verdict::must_reach ||
            after.verdict == Verdict::must_block) {
            return false;
        }
        const bool certain = before.verdict == Verdict::must_block && after.verdict == Verdict::must_reach;
        out_.known = out_.known && certain;
        return certain;
    }

    void add(Opening opening, const reach::AddressRange& source, bool from_anybody, reach::Result before,
             reach::Result after) {
        opening.source = source;
        opening.from_anybody = from_anybody;
        opening.what += from_anybody ? " from anywhere" : " from " + source.toString();
        opening.before = std::move(before);
        opening.after = std::move(after);
        out_.list.push_back(std::move(opening));
    }

    const evidence::Host& host_;
    const reach::Ruleset& before_;
    const reach::Ruleset& after_;
    const std::vector<reach::AddressRange> sources_;
    Openings out_;
};

}  // namespace

Openings openings(const Context& context, const evidence::Host& host, const reach::Ruleset& before,
                  const reach::Ruleset& after) {
    return Comparison(context, host, before, after).run();
}

std::optional<Verdict> verdictOf(const evidence::Host& host, const reach::Ruleset& ruleset,
                                 const Opening& opening) {
    const auto port = opening.port == 0 ? unusedPort(host, ruleset) : opening.port;
    const auto source = opening.from_anybody ? strangerTo(ruleset, opening.family) : opening.source;
    const auto result = met(host, ruleset, opening.family, port, source, opening.listener);
    return result ? std::optional(result->verdict) : std::nullopt;
}

std::string loadAgain(const evidence::Host& host) {
    std::string units;
    std::string_view rest = host.boot.sources;
    while (!rest.empty()) {
        const auto unit = " " + std::string(rest.substr(0, rest.find(' ')));
        units += units.find(unit) == std::string::npos ? unit : "";
        const auto comma = rest.find(", ");
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 2);
    }
    return "systemctl restart" + units;
}

LostFlows lostFlows(const Context& context, const evidence::Host& host, const reach::Ruleset& before,
                    const reach::Ruleset& after) {
    LostFlows out;
    for (const auto& flow : neededFlows(context, host, FlowScope::site).list) {
        const bool listens =
            !listenersOf(host, [&](const auto& one) { return one.port == flow.port; }).empty();
        auto sources = flow.from;
        if (sources.empty() && listens) {
            for (const auto family : kFamilies) {
                sources.push_back(strangerTo(before, family));
            }
        }
        for (const auto& source : sources) {
            for (const auto& packet : packetsOf(context, host, flow, source)) {
                const auto now = before.evaluate(packet);
                const auto then = after.evaluate(packet);
                if (now.verdict != Verdict::must_reach || then.verdict == Verdict::must_reach) {
                    continue;
                }
                // A container's port is published when the container starts, by rules that no file holds.
                if (then.verdict == Verdict::may || !now.translated_to.empty()) {
                    out.known = false;
                    continue;
                }
                out.list.push_back({flow.name() + " from " +
                                        (flow.from.empty() ? "anywhere" : source.toString()) + " to " +
                                        packet.destination.toString() + " (" + flow.why + ")",
                                    then.decided_by});
            }
        }
    }
    return out;
}

}  // namespace lapwing::analysis::exposure
