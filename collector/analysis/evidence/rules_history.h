#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::analysis::evidence {

/// The changes of a host's ruleset within the last day.
struct RulesChange {
    /// Digests of earlier rulesets of that day: the latest few, newest first, and last the ruleset of a day
    /// ago or, failing that, the first known.
    std::vector<std::string> before;
    TimestampMs first = 0;  ///< time of the first change
    TimestampMs last = 0;
    std::size_t count = 0;  ///< number of changes; if 1, `first` is `last`
};

/// The rulesets of each host within the last day, by digest. Not synchronised.
class RulesHistory {
  public:
    /// The host's present ruleset. Times must not go back.
    void note(const std::string& host, const std::string& digest, TimestampMs now);

    /// The time of the last change; 0 if the host still has the first ruleset that was seen.
    TimestampMs since(const std::string& host) const;
    /// Nothing if it has not changed.
    std::optional<RulesChange> change(const std::string& host) const;

    std::string toText() const;
    /// Parses a text of toText(); skips malformed lines.
    static RulesHistory fromText(const std::string& text);

  private:
    struct Entry {
        std::string digest;
        TimestampMs since = 0;
    };
    std::map<std::string, std::vector<Entry>> hosts_;  ///< the ruleset of a day ago, and its successors
};

}  // namespace lapwing::analysis::evidence
