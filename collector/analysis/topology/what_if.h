#pragma once

#include <set>
#include <string>
#include <vector>

#include "collector/analysis/topology/model.h"

namespace lapwing::analysis::topology {

/// The answer for one service.
struct Outcome {
    ServiceKind service = ServiceKind::read;
    std::string title;
    Truth before = Truth::unknown;  ///< now
    Truth after = Truth::unknown;   ///< now, with the failures and the additions
    CutSets design;                 ///< with everything healthy, but for the failures and with the additions
};

struct WhatIf {
    std::set<std::string> failed;   ///< components, as asked
    std::set<std::string> stopped;  ///< components that stop with them, since they run there
    std::vector<Outcome> outcomes;
};

/// Parses "KIND@HOST". Error `invalid` for a kind that cannot be added; it names the kinds that can.
Expected<Addition> parseAddition(const std::string& text);

/// Error `not_found` for an unknown component; it names the known components.
Expected<WhatIf> whatIf(const Moment& moment, const std::vector<std::string>& failed,
                        const std::vector<Addition>& additions);

}  // namespace lapwing::analysis::topology
