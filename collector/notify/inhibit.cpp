#include "collector/notify/inhibit.h"

#include <algorithm>

#include "collector/notify/matchers.h"

namespace lapwing::notify {
namespace {

storage::Matchers matchers(std::initializer_list<const char*> texts) {
    storage::Matchers out;
    for (const auto* text : texts) {
        if (auto matcher = parseMatcher(text)) {
            out.push_back(std::move(*matcher));
        }
    }
    return out;
}

}  // namespace

std::vector<InhibitRule> defaultInhibitRules() {
    return {{matchers({"severity=critical"}),
             matchers({"severity=warning"}),
             {"alertname", "instance", "channel", "cause", "mountpoint"}},
            // Nothing more is known than that its agent is silent.
            {matchers({"alertname=AgentSilent"}),
             matchers({"alertname=~ObservationMissing|MysqlReplicationUnknown"}),
             {"instance"}}};
}

std::vector<Labels> inhibitors(const std::vector<InhibitRule>& rules, const Labels& alert,
                               const std::vector<const Labels*>& firing) {
    std::vector<Labels> out;
    for (const auto& rule : rules) {
        if (!matchesAll(rule.target, alert)) {
            continue;
        }
        const bool two_sided = matchesAll(rule.source, alert);
        for (const auto* source : firing) {
            if (!matchesAll(rule.source, *source) || (two_sided && matchesAll(rule.target, *source))) {
                continue;
            }
            const bool same = std::all_of(rule.equal.begin(), rule.equal.end(), [&](const std::string& name) {
                return source->get(name) == alert.get(name);
            });
            if (same) {
                out.push_back(*source);
            }
        }
    }
    return out;
}

}  // namespace lapwing::notify
