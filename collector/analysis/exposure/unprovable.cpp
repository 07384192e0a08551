#include <fmt/format.h>

#include <algorithm>

#include "collector/analysis/exposure/exposed.h"

namespace lapwing::analysis::exposure {

namespace {

/// Ports for the site's own hosts and administrators only.
constexpr int kCriticalPorts[] = {22, 3306, 5432, 6379, 8404, 11211, 27017};

bool isCritical(int port) {
    return std::find(std::begin(kCriticalPorts), std::end(kCriticalPorts), port) != std::end(kCriticalPorts);
}

/// Adds one line for each host that tried. True if a critical port was open.
bool addAttempts(const evidence::Host& host, std::vector<Evidence>& evidence) {
    bool critical = false;
    std::map<std::pair<std::string, std::string>, std::map<std::string, std::set<int>>> by_source;
    for (const auto& attempt : host.attempts) {
        const bool counts = attempt.result != evidence::ConnectResult::silent || attempt.control_ok;
        by_source[{attempt.from, attempt.source + (attempt.second ? " (a second address)" : "")}]
                 [counts ? evidence::connectResultName(attempt.result) : "silent without a control"]
                     .insert(attempt.port);
        critical = critical || (attempt.result == evidence::ConnectResult::open && isCritical(attempt.port));
    }
    for (const auto& [from, results] : by_source) {
        std::vector<std::string> words;
        for (const auto& [result, ports] : results) {
            std::vector<std::string> numbers;
            for (const int port : ports) {
                numbers.push_back(std::to_string(port));
            }
            words.push_back(result + ": tcp/" + joined(numbers));
        }
        std::string text = "tried from " + from.second + ": ";
        for (std::size_t i = 0; i < words.size(); ++i) {
            text += (i == 0 ? "" : "; ") + words[i];
        }
        evidence.push_back({"attempt from " + from.first, std::move(text)});
    }
    return critical;
}

Finding draft(const evidence::Host& host) {
    Finding finding;
    finding.id = "F14";
    finding.subject = host.name;
    finding.confidence = Confidence::unknown;
    const bool critical = addAttempts(host, finding.evidence);
    finding.severity = critical ? Severity::medium : Severity::info;
    finding.not_assessed = notAssessedFromInside();
    if (host.attempts.empty()) {
        finding.not_assessed.emplace_back("no other host has tried to connect: none names " + host.name +
                                          " as a peer");
    }
    return finding;
}

Finding withoutAgent(const Context& context, const evidence::Host& host) {
    auto finding = draft(host);
    finding.title = "What " + host.name + " lets in is unknown: no agent on " + host.name;
    std::vector<std::string> reporting;
    for (const auto& [name, other] : context.network.hosts) {
        if (other.agent_present) {
            reporting.push_back(name);
        }
    }
    finding.evidence.insert(
        finding.evidence.begin(),
        {"agents that report", (reporting.empty() ? "none" : joined(reporting)) + "; none is " + host.name});
    finding.remedy = "Install lapwing-agent on " + host.name +
                     " and run there what `lapwing-collector invite " + host.name +
                     "` prints on the collector. Until then name it as a peer of another agent, so that its "
                     "ports are tried from there.";
    finding.not_assessed.emplace_back("the ruleset, the listeners and the addresses of " + host.name);
    return finding;
}

Finding silentAgent(const evidence::Host& host) {
    auto finding = draft(host);
    finding.title = "What " + host.name + " lets in is unknown: its agent does not report";
    finding.evidence.insert(finding.evidence.begin(),
                            {"samples of " + host.name, "none within the last minutes"});
    finding.remedy = "On " + host.name + ": systemctl status lapwing-agent; lapwing-agent status";
    return finding;
}

Finding unreadable(const evidence::Host& host) {
    auto finding = draft(host);
    finding.title = "What " + host.name + " lets in cannot be proven: its ruleset could not be read";
    finding.evidence.insert(
        finding.evidence.begin(),
        {"firewall probe of " + host.name,
         "failed: " + (host.firewall_failure.empty() ? "no reason given" : host.firewall_failure)});
    finding.remedy =
        "On " + host.name +
        ": systemctl status lapwing-snapshot.timer lapwing-snapshot.service; lapwing-agent probe firewall";
    return finding;
}

Finding notRead(const evidence::Host& host) {
    auto finding = draft(host);
    finding.title = "What " + host.name + " lets in cannot be proven: the collector cannot read its ruleset";
    finding.evidence.insert(finding.evidence.begin(), {"ruleset of " + host.name, host.ruleset_fault});
    finding.remedy =
        "On " + host.name +
        ": `lapwing-agent reach PORT` answers there. A large ruleset becomes smaller if its lists "
        "of addresses are sets of ranges (`flags interval; auto-merge`).";
    return finding;
}

/// Limits of the evaluation that a listener of the host meets.
std::vector<std::string> limitsOf(const Context& context, const evidence::Host& host) {
    std::vector<std::string> out;
    const auto* ruleset = rulesetOf(context, host);
    if (ruleset == nullptr) {
        return out;
    }
    std::set<std::string> limits;
    for (const auto* listener : listenersOf(host, [](const evidence::Listener&) { return true; })) {
        for (const auto& packet : packetsTo(host, listener->family, listener->port, listener)) {
            if (const auto sources = ruleset->sources(packet); !sources) {
                limits.insert("which sources reach tcp/" + std::to_string(listener->port) + ": " +
                              sources.error().message);
            }
        }
    }
    return {limits.begin(), limits.end()};
}

/// The ruleset's answers about the host's listeners: from an address that no rule names, and from each known
/// address of the other hosts.
struct Answers {
    int all = 0;
    int open = 0;
    /// For each unknown fact: the number of answers that it leaves open, and their ports.
    std::map<std::string, std::pair<int, std::set<int>>> by_reason;
};

std::vector<reach::AddressRange> askedSources(const Context& context, const evidence::Host& host,
                                              const reach::Ruleset& ruleset, reach::Family family) {
    std::vector<reach::AddressRange> out{reach::AddressRange::of(ruleset.stranger(family))};
    for (const auto& [name, other] : context.network.hosts) {
        for (const auto& caller :
             name == host.name ? std::vector<reach::AddressRange>{} : callersOf(context, name)) {
            if (caller.family == family) {
                out.push_back(caller);
            }
        }
    }
    evidence::sortUnique(out);
    return out;
}

Answers answersOf(const Context& context, const evidence::Host& host) {
    Answers out;
    const auto* ruleset = rulesetOf(context, host);
    if (ruleset == nullptr) {
        return out;
    }
    for (const auto* listener : listenersOf(host, [](const evidence::Listener&) { return true; })) {
        const auto sources = askedSources(context, host, *ruleset, listener->family);
        for (auto& packet : packetsTo(host, listener->family, listener->port, listener)) {
            for (const auto& source : sources) {
                packet.source = source;
                const auto result = ruleset->evaluate(packet);
                ++out.all;
                if (result.verdict != reach::Verdict::may) {
                    continue;
                }
                ++out.open;
                for (const auto& reason : result.unknowns) {
                    auto& [count, ports] = out.by_reason[reason];
                    ++count;
                    ports.insert(listener->port);
                }
            }
        }
    }
    return out;
}

std::string portsText(const std::set<int>& ports) {
    constexpr std::size_t most = 8;
    std::vector<std::string> words;
    for (const int port : ports) {
        if (words.size() == most) {
            words.push_back("others");
            break;
        }
        words.push_back("tcp/" + std::to_string(port));
    }
    return joined(words);
}

/// The text of the rule in a reason "PLACE: unknown fact"; "" if the ruleset has no text of it.
std::string ruleOf(const reach::Ruleset* ruleset, const std::string& reason) {
    return ruleset == nullptr ? "" : ruleset->textOf(reason.substr(0, reason.find(": ")));
}

/// Names each rule that is not understood, and how much of the answer it leaves open.
void addUnknowns(const Context& context, const evidence::Host& host, Finding& finding) {
    const std::string source = "ruleset of " + host.name;
    const auto answers = answersOf(context, host);
    const auto* ruleset = rulesetOf(context, host);
    if (answers.all > 0) {
        finding.evidence.push_back(
            {source,
             std::to_string(answers.open) + " of " + std::to_string(answers.all) +
                 " answers about its listeners are open (each port, from any address and from the other "
                 "hosts); the others are certain"});
    }
    for (const auto& [reason, left] : answers.by_reason) {
        const auto rule = ruleOf(ruleset, reason);
        const auto place = rule.empty() ? "" : fmt::format(", in the rule `{}`", rule);
        finding.evidence.push_back({source, fmt::format("{}{}: leaves {} open ({})", reason, place,
                                                        left.first, portsText(left.second))});
    }
    for (const auto& reason : host.unknowns) {
        // The agent cuts long reasons.
        const auto same = std::any_of(answers.by_reason.begin(), answers.by_reason.end(),
                                      [&](const auto& each) { return each.first.starts_with(reason); });
        if (!same) {
            finding.evidence.push_back({source, reason});
        }
    }
}

Finding notEvaluated(const Context& context, const evidence::Host& host) {
    auto finding = draft(host);
    finding.title =
        "What " + host.name + " lets in cannot be proven: parts of its ruleset are not understood";
    addUnknowns(context, host, finding);
    finding.remedy =
        "On " + host.name +
        ", `lapwing-agent reach PORT --explain` shows the way of each packet to one port: only "
        "packets that pass the rules named in the evidence are uncertain. Read these rules yourself, or "
        "write "
        "them with the statements that docs/reach.md lists. The attempts of the other hosts go on.";
    return finding;
}

}  // namespace

void judgeUnprovable(const Context& context, Judgement& out) {
    std::set<std::string> names;
    for (const auto& [name, host] : context.network.hosts) {
        names.insert(name);
    }
    for (const auto& [instance, balancer] : context.network.balancers) {
        names.insert(instance);
    }
    if (context.moment != nullptr) {
        for (const auto& [host, balancer] : context.moment->model.balancers) {
            names.insert(host);
        }
    }
    // Agents watch databases of other hosts, too.
    names.insert(context.network.databases.begin(), context.network.databases.end());
    for (const auto& name : names) {
        evidence::Host nothing;
        nothing.name = name;
        const auto found = context.network.hosts.find(name);
        auto host = found == context.network.hosts.end() ? nothing : found->second;
        const auto limits = limitsOf(context, host);
        host.unknowns.insert(host.unknowns.end(), limits.begin(), limits.end());
        if (!host.agent_known) {
            out.findings.push_back(withoutAgent(context, host));
        } else if (!host.agent_present) {
            out.findings.push_back(silentAgent(host));
        } else if (host.firewall_up == false) {
            out.findings.push_back(unreadable(host));
        } else if (!host.ruleset_fault.empty()) {
            out.findings.push_back(notRead(host));
        } else if (!host.unknowns.empty()) {
            out.findings.push_back(notEvaluated(context, host));
        } else if (host.firewall_up == true) {
            out.judged.insert({"F14", name});
        }
    }
}

}  // namespace lapwing::analysis::exposure
