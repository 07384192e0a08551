#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

std::string valueText(const evidence::Contradiction& contradiction, double value) {
    const std::string said = value == 0 ? "0" : value == 1 ? "1" : std::to_string(value);
    return contradiction.what + ": " + said;
}

Finding contradictionFinding(const std::string& subject,
                             const std::vector<const evidence::Contradiction*>& contradictions) {
    Finding finding;
    // Without a word of the host itself, an agent that calls the server healthy keeps its alerts away.
    const bool hides = std::any_of(contradictions.begin(), contradictions.end(),
                                   [](const auto* each) { return each->answers && !each->hasOwn(); });
    finding.severity = hides ? Severity::critical : Severity::medium;
    finding.confidence = Confidence::confirmed;
    finding.title = "Agents contradict each other about " + subject;
    std::vector<std::string> agents;
    for (const auto* each : contradictions) {
        for (const auto& [agent, value] : each->by_agent) {
            finding.evidence.push_back({"agent on " + agent, valueText(*each, value)});
            agents.push_back(agent);
        }
    }
    std::sort(agents.begin(), agents.end());
    agents.erase(std::unique(agents.begin(), agents.end()), agents.end());
    finding.remedy = "Run `sudo -u lapwing lapwing-agent probe " + contradictions.front()->job + "` on " +
                     joined(agents) +
                     ". If the results differ, look at the network between these hosts and the server. If "
                     "they agree, an agent sends other values than its probe finds: take that machine for "
                     "compromised, and run `lapwing-collector revoke HOST`.";
    finding.not_assessed = {"which of the agents is right"};
    return finding;
}

}  // namespace

void judgeContradictions(const Context& context, Judgement& out) {
    const auto& comparison = context.network.comparison;
    std::map<std::pair<std::string, std::string>, std::vector<const evidence::Contradiction*>> found;
    for (const auto& each : comparison.contradictions) {
        found[{each.instance, each.job}].push_back(&each);
    }
    std::set<std::string> subjects;
    for (const auto& place : comparison.compared) {
        const std::string subject = place.second + "@" + place.first;
        subjects.insert(subject);
        const auto contradictions = found.find(place);
        if (contradictions == found.end()) {
            conclude(out, {"R18", subject}, std::nullopt);
        } else {
            conclude(out, {"R18", subject}, contradictionFinding(subject, contradictions->second));
        }
    }
    // Where only one agent is left, nobody contradicts it.
    out.vanished.emplace_back(
        [subjects](const FindingKey& key) { return key.first == "R18" && !subjects.contains(key.second); });
}

}  // namespace lapwing::analysis::redundancy
