#pragma once

#include <string>
#include <vector>

#include "collector/storage/queryable.h"

namespace lapwing::notify {

/// While an alert that meets `source` fires, those that meet `target` and have the same values of the labels
/// `equal` are not told (an absent label equals an absent one).
struct InhibitRule {
    storage::Matchers source;
    storage::Matchers target;
    std::vector<std::string> equal;
};

/// What holds if the configuration says nothing: of two severities of one alert the lesser is not told, and a
/// silent agent explains what is missing from its host.
std::vector<InhibitRule> defaultInhibitRules();

/// Those of the firing alerts that inhibit `alert`. As Alertmanager: an alert that is source and target of a
/// rule is not inhibited by another such one, itself among them.
std::vector<Labels> inhibitors(const std::vector<InhibitRule>& rules, const Labels& alert,
                               const std::vector<const Labels*>& firing);

}  // namespace lapwing::notify
