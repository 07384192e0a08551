#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::analysis::evidence {

/// How a host's ruleset has changed within the last day.
struct RulesChange {
    /// Digests of the rulesets that were in force within the day and are not now: the latest few, newest
    /// first, and last the one of a day ago, or the first that was seen.
    std::vector<std::string> before;
    TimestampMs first = 0;  ///< when it was first changed
    TimestampMs last = 0;
    std::size_t count = 0;  ///< how often; 1: `first` is `last`
};

/// Which rulesets, by their digests, each host has had within the last day. Not synchronised.
class RulesHistory {
  public:
    /// The host's present ruleset. Times must not go back.
    void note(const std::string& host, const std::string& digest, TimestampMs now);

    /// Since when the host's ruleset has been as it is. 0 for the first ever seen: when that came, nobody
    /// knows.
    TimestampMs since(const std::string& host) const;
    /// Nothing if it has not changed.
    std::optional<RulesChange> change(const std::string& host) const;

    std::string toText() const;
    /// Reads what toText() wrote; lines that are not understood are left out.
    static RulesHistory fromText(const std::string& text);

  private:
    struct Entry {
        std::string digest;
        TimestampMs since = 0;
    };
    std::map<std::string, std::vector<Entry>>
        hosts_;  ///< the one in force a day ago, and those that followed
};

}  // namespace lapwing::analysis::evidence
