#include <algorithm>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

namespace {

constexpr reach::Family kFamilies[] = {reach::Family::ipv4, reach::Family::ipv6};

const char* inWords(Shown shown) {
    switch (shown) {
        case Shown::open:
            return "open";
        case Shown::refused:
            return "answered with a reset or an ICMP error";
        case Shown::silent:
            return "silence, while the control port answered";
        case Shown::nothing:
            return "inconclusive";
    }
    return "inconclusive";
}

struct Observed {
    std::vector<reach::Family> accepting;
    std::vector<reach::Family> denying;
    std::vector<reach::Family> untold;
    Shown canary = Shown::nothing;       ///< from a second address: from anybody
    Shown main_canary = Shown::nothing;  ///< from a main one, which may be allow-listed
    std::vector<Evidence> evidence;
};

void worse(Shown& known, Shown fresh) {
    known = std::min(known, fresh);
}

Observed observe(const Context& context, const evidence::Host& host) {
    Observed out;
    for (const auto family : kFamilies) {
        if (!host.hasFamily(family)) {
            continue;
        }
        const auto denies = host.denies.find(family);
        auto& list = host.firewall_up != true || denies == host.denies.end() ? out.untold
                     : denies->second                                        ? out.denying
                                                                             : out.accepting;
        list.push_back(family);
    }
    if (host.hasFamily(reach::Family::ipv4) && !out.accepting.empty()) {
        std::vector<std::string> words;
        for (const auto family : out.accepting) {
            words.emplace_back(familyText(family));
        }
        out.evidence.push_back(
            {"ruleset of " + host.name,
             "a connection from anywhere to a port that no rule names is let in (" + joined(words) + ")"});
    }
    for (const auto& canary : host.canaries) {
        if (canary.at < context.rules_since(host.name)) {
            continue;
        }
        const auto shown = shownBy(canary.result, canary.control_ok);
        worse(canary.second ? out.canary : out.main_canary, shown);
        out.evidence.push_back({"canary from " + canary.from,
                                "a listener on a random port, tried from " + canary.source +
                                    (canary.second ? " (a second address)" : "") + ": " + inWords(shown)});
    }
    return out;
}

/// Adds the successful attempts from second addresses, which no allow-list names: they show the default, too.
void addAttempts(const Context& context, const evidence::Host& host, std::vector<Evidence>& evidence) {
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> open;
    for (const auto& attempt : host.attempts) {
        if (attempt.second && attempt.result == evidence::ConnectResult::open &&
            attempt.at >= context.rules_since(host.name)) {
            open[{attempt.from, attempt.source}].push_back("tcp/" + std::to_string(attempt.port) + " (" +
                                                           attempt.service + ")");
        }
    }
    for (auto& [from, ports] : open) {
        std::sort(ports.begin(), ports.end());
        evidence.push_back({"attempt from " + from.first,
                            "from " + from.second + " (a second address) these answered: " + joined(ports)});
    }
}

void judgeHost(const Context& context, const evidence::Host& host, Judgement& out) {
    auto seen = observe(context, host);
    const bool accepts = !seen.accepting.empty();
    const bool known = accepts || !seen.denying.empty();
    if (!accepts && seen.canary != Shown::open) {
        if (known && seen.untold.empty()) {
            out.judged.insert({"F1", host.name});
        }
        return;
    }
    Finding finding;
    finding.id = "F1";
    finding.subject = host.name;
    const bool exposed = std::any_of(seen.accepting.begin(), seen.accepting.end(),
                                     [&](auto family) { return host.isPublic(family); });
    finding.severity = exposed ? Severity::critical : Severity::high;
    finding.evidence = std::move(seen.evidence);
    const bool ipv6_only = accepts && seen.accepting == std::vector{reach::Family::ipv6};
    finding.title = std::string("Anybody can connect ") + (ipv6_only ? "over IPv6 " : "") +
                    "to whatever listens on " + host.name + ": its firewall drops nothing by default";
    finding.remedy =
        firewallRemedy(context, host, "Let in what the site uses on " + host.name + ", and drop the rest.");
    finding.not_assessed = notAssessedFromInside();
    if (accepts && !ipv6_only) {
        switch (seen.canary) {
            // A host without rules answers with a reset where nothing listens, which supports the verdict.
            case Shown::open:
            case Shown::refused:
                finding.confidence = Confidence::confirmed;
                break;
            case Shown::silent:
                finding.confidence = Confidence::suspected;
                finding.severity = lowered(finding.severity);
                finding.not_assessed.emplace_back(
                    "why a packet that the rules accept was not answered: something on the way filters, or "
                    "the path is "
                    "broken");
                break;
            case Shown::nothing:
                finding.confidence =
                    seen.main_canary == Shown::open ? Confidence::confirmed : Confidence::suspected;
                finding.not_assessed.emplace_back("not tested from an address that nobody would allow-list");
                break;
        }
    } else if (ipv6_only) {
        finding.confidence = Confidence::suspected;
        finding.not_assessed.emplace_back("not tested over IPv6");
    } else if (known) {
        finding.confidence = Confidence::suspected;
        finding.evidence.push_back(
            {"ruleset of " + host.name, "drops by default: this contradicts the connection above"});
        finding.title = "The firewall on " + host.name + " let a packet in that its rules drop";
        finding.not_assessed.emplace_back(
            "what accepted the packet: XDP, another namespace, or rules that are not listed");
    } else {
        finding.confidence = Confidence::confirmed;
    }
    addAttempts(context, host, finding.evidence);
    if (seen.canary == Shown::nothing && seen.main_canary == Shown::nothing && accepts) {
        finding.not_assessed.emplace_back("whether a connection gets through: no other host has tried yet");
    }
    out.findings.push_back(std::move(finding));
}

}  // namespace

Shown shownBy(evidence::ConnectResult result, bool control_ok) {
    using evidence::ConnectResult;
    if (result == ConnectResult::open) {
        return Shown::open;
    }
    if (result == ConnectResult::refused || result == ConnectResult::rejected) {
        return Shown::refused;
    }
    return result == ConnectResult::silent && control_ok ? Shown::silent : Shown::nothing;
}

Severity lowered(Severity severity) {
    switch (severity) {
        case Severity::critical:
            return Severity::high;
        case Severity::high:
            return Severity::medium;
        case Severity::medium:
            return Severity::low;
        case Severity::low:
        case Severity::info:
            return Severity::info;
    }
    return Severity::info;
}

std::vector<std::string> notAssessedFromInside() {
    return {
        "cloud security groups, the hypervisor and the provider's network: they cannot be seen from inside"};
}

void judgeDefaultDeny(const Context& context, Judgement& out) {
    for (const auto& [name, host] : context.network.hosts) {
        if (host.agent_present) {
            judgeHost(context, host, out);
        }
    }
}

}  // namespace lapwing::analysis::exposure
