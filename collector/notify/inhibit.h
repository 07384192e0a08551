#pragma once

#include <string>
#include <vector>

#include "collector/storage/queryable.h"

namespace lapwing::notify {

/// While an alert that matches `source` fires, alerts that match `target` and have equal values of the
/// labels `equal` are not sent (absent labels equal each other).
struct InhibitRule {
    storage::Matchers source;
    storage::Matchers target;
    std::vector<std::string> equal;
};

/// The rules without configuration: of two severities of one alert the lower is not sent, and a silent
/// agent explains the missing data of its host.
std::vector<InhibitRule> defaultInhibitRules();

/// The firing alerts that inhibit `alert`. As in Alertmanager, an alert that is both source and target of a
/// rule is not inhibited by other such alerts or by itself.
std::vector<Labels> inhibitors(const std::vector<InhibitRule>& rules, const Labels& alert,
                               const std::vector<const Labels*>& firing);

}  // namespace lapwing::notify
