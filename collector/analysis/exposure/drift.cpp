#include <algorithm>

#include "collector/analysis/exposure/compare.h"
#include "collector/analysis/exposure/remedy.h"
#include "common/time_text.h"

namespace lapwing::analysis::exposure {

namespace {

constexpr std::size_t kMostLines = 12;
constexpr reach::StepOutcome kAccepts{true, false, false, false};
constexpr reach::StepOutcome kDrops{false, false, true, false};

std::string whenText(const evidence::RulesChange& change) {
    return change.count == 1
               ? "changed at " + dateAndTime(change.last) + " UTC"
               : "changed " + std::to_string(change.count) + " times between " + dateAndTime(change.first) +
                     " UTC" + " and " + dateAndTime(change.last) + " UTC";
}

/// The opening is deliberate: the rules that are loaded at boot let it in as well.
bool isMeant(const evidence::Host& host, const reach::Ruleset* rehearsed, const Opening& opening) {
    if (rehearsed != nullptr && !host.boot.sources.empty()) {
        return verdictOf(host, *rehearsed, opening) == reach::Verdict::must_reach;
    }
    // ufw stores its rules itself.
    const auto& makers = host.boot.makers;
    const auto& rules = opening.after.decided_by;
    return std::find(makers.begin(), makers.end(), "ufw.service") != makers.end() && !rules.empty() &&
           std::all_of(rules.begin(), rules.end(),
                       [](const auto& place) { return place.find(" ufw") != std::string::npos; });
}

/// The site needs it. Where no source of ssh is declared, ssh from anywhere is no such need.
bool isNeeded(const std::vector<Flow>& flows, const Opening& opening) {
    return std::any_of(flows.begin(), flows.end(), [&](const Flow& flow) {
        if (flow.protocol != reach::Protocol::tcp || flow.port == 0 || flow.port != opening.port) {
            return false;
        }
        return flow.from.empty()
                   ? flow.port != kSsh
                   : !opening.from_anybody &&
                         std::any_of(flow.from.begin(), flow.from.end(),
                                     [&](const auto& range) { return range.contains(opening.source); });
    });
}

bool isPolicy(const std::string& place) {
    return place.find(" policy ") != std::string::npos;
}

/// Commands that close the openings again, where a chain dropped the packet by its policy before and now
/// accepts it by a rule or by another policy. Where a dropping rule is gone, no command is known: its text is
/// not.
std::string closing(const std::vector<Opening>& openings) {
    std::set<std::string> commands;
    for (const auto& opening : openings) {
        for (const auto& step : opening.after.path) {
            const auto& path = opening.before.path;
            const auto was = std::find_if(path.begin(), path.end(), [&](const reach::Step& one) {
                return one.chain == step.chain && one.packet == step.packet;
            });
            if (was == path.end() || step.chain.starts_with("legacy ") || was->outcome != kDrops ||
                step.outcome != kAccepts || !std::all_of(was->rules.begin(), was->rules.end(), isPolicy)) {
                continue;
            }
            for (const auto& place : step.rules) {
                if (isPolicy(place)) {
                    commands.insert("nft chain " + step.chain + " '{ policy drop; }'\n");
                } else if (place.find(" handle ") != std::string::npos) {
                    commands.insert("nft delete rule " + place + "\n");
                }
            }
        }
    }
    std::string out;
    for (const auto& command : commands) {
        out += command;
    }
    return out;
}

std::string remedyFor(const evidence::Host& host, const std::vector<Opening>& openings, bool boot_closes) {
    std::string out =
        "If nobody meant it, on " + host.name + " as root (`nft -a list ruleset` shows the rules):\n";
    if (boot_closes) {
        out += "load again what the boot loads, which keeps this closed: " + loadAgain(host) +
               "\nor take back the change alone:\n";
    }
    const auto commands = closing(openings);
    out += commands.empty()
               ? "load the rules from before again: the evidence says which of them kept it out\n"
               : commands;
    return out +
           "If it is meant, put it into the file that is loaded at boot, too: then this finding goes. "
           "Or accept it, on the collector:\nlapwing-collector accept F11 " +
           host.name + " --until DATE --reason TEXT";
}

/// Adds the attempts that tried the openings.
void addAttempts(const Context& context, const evidence::Host& host, const std::vector<Opening>& openings,
                 Finding& finding) {
    for (const auto& attempt : host.attempts) {
        const auto source = reach::Address::parse(attempt.source);
        const bool concerned = source && attempt.at >= context.rules_since(host.name) &&
                               std::any_of(openings.begin(), openings.end(), [&](const Opening& one) {
                                   return one.port == attempt.port && one.family == source->family &&
                                          (one.from_anybody ? attempt.second : one.source.contains(*source));
                               });
        if (!concerned) {
            continue;
        }
        finding.evidence.push_back({"attempt from " + attempt.from,
                                    attempt.source + " to " + endpointText(attempt) +
                                        " since then: " + evidence::connectResultName(attempt.result)});
        if (attempt.result == evidence::ConnectResult::open) {
            finding.confidence = Confidence::confirmed;
        }
    }
}

/// Openings since any of the earlier rulesets; where several blocked the same packet, the newest counts.
Openings openedWithin(const Context& context, const evidence::Host& host,
                      const std::vector<std::string>& before, const reach::Ruleset& now) {
    Openings out;
    for (const auto& digest : before) {
        const auto* one = context.other_ruleset(host, digest);
        if (one == nullptr) {
            out.known = false;
            continue;
        }
        auto found = openings(context, host, *one, now);
        out.known = out.known && found.known;
        for (auto& opening : found.list) {
            const bool known = std::any_of(out.list.begin(), out.list.end(),
                                           [&](const Opening& other) { return other.what == opening.what; });
            if (!known) {
                out.list.push_back(std::move(opening));
            }
        }
    }
    return out;
}

void judgeHost(const Context& context, const evidence::Host& host, const reach::Ruleset& now,
               Judgement& out) {
    const FindingKey key{"F11", host.name};
    if (!context.rules_change || !context.other_ruleset) {
        return;
    }
    const auto change = context.rules_change(host.name);
    if (!change) {
        conclude(out, key, std::nullopt);
        return;
    }
    if (!host.listeners_known) {
        return;
    }
    auto opened = openedWithin(context, host, change->before, now);
    const auto* rehearsed =
        host.boot.digest.empty() ? nullptr : context.other_ruleset(host, host.boot.digest);
    const auto needed = neededFlows(context, host, FlowScope::watching).list;
    std::erase_if(opened.list,
                  [&](const Opening& one) { return isNeeded(needed, one) || isMeant(host, rehearsed, one); });
    if (opened.list.empty()) {
        if (opened.known) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    Finding finding;
    finding.severity = Severity::medium;
    finding.confidence = Confidence::suspected;
    finding.title = "A change of the firewall of " + host.name + " has opened something";
    finding.evidence.push_back({"rulesets of " + host.name, whenText(*change)});
    for (const auto& one : opened.list) {
        finding.parts.push_back({one.what});
    }
    for (std::size_t i = 0; i < std::min(opened.list.size(), kMostLines); ++i) {
        const auto& one = opened.list[i];
        finding.evidence.push_back({"rulesets of " + host.name + ", before and now",
                                    one.what + ": before blocked (" + joined(one.before.decided_by) +
                                        "), now let in (" + joined(one.after.decided_by) + ")"});
    }
    addAttempts(context, host, opened.list, finding);
    finding.not_assessed = notAssessedFromInside();
    finding.not_assessed.emplace_back("who changed it, and whether it was meant");
    if (rehearsed == nullptr) {
        finding.not_assessed.push_back(
            host.boot.makers.empty()
                ? "whether the rules that are loaded at boot have it too: these are not known"
                : "whether " + joined(host.boot.makers) + " would make it again at boot");
    }
    const bool boot_closes = rehearsed != nullptr && !host.boot.sources.empty() &&
                             std::all_of(opened.list.begin(), opened.list.end(), [&](const Opening& one) {
                                 return verdictOf(host, *rehearsed, one) == reach::Verdict::must_block;
                             });
    finding.remedy = remedyFor(host, opened.list, boot_closes);
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeDrift(const Context& context, Judgement& out) {
    eachRuleset(context, [&](const evidence::Host& host, const reach::Ruleset& ruleset) {
        judgeHost(context, host, ruleset, out);
    });
}

}  // namespace lapwing::analysis::exposure
