#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/addresses.h"
#include "collector/analysis/evidence/network.h"
#include "collector/analysis/evidence/rules_history.h"
#include "collector/analysis/finding.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/site.h"
#include "collector/analysis/topology/model.h"
#include "common/reach/ruleset.h"
#include "common/text.h"

namespace lapwing::analysis {

/// What the rules of judgement look at.
struct Context {
    const evidence::Network& network;
    const Site& site;
    /// The host's present ruleset; null where it is not known.
    std::function<const reach::Ruleset*(const evidence::Host&)> ruleset;
    /// Since when the host's ruleset has been as it is: an attempt from before shows nothing about it.
    std::function<TimestampMs(const std::string& host)> rules_since;
    /// Of every replica that is seen or declared; null where replication is not watched.
    std::shared_ptr<const std::vector<replication::Verdict>> replicas;
    /// What hangs on what; null where nobody asks (tests of one rule).
    std::shared_ptr<const topology::Moment> moment = nullptr;
    /// The text of the document with that digest; nothing where it is not (yet) at hand.
    std::function<std::optional<std::string>(const std::string& digest)> document = {};
    /// Another ruleset of the host's, by its digest; null where its document is not known.
    std::function<const reach::Ruleset*(const evidence::Host&, const std::string& digest)> other_ruleset = {};
    /// How the host's ruleset has changed within the last day; nothing where it has not, or is as it was.
    std::function<std::optional<evidence::RulesChange>(const std::string& host)> rules_change = {};
};

using FindingKey = std::pair<std::string, std::string>;  ///< id, subject

/// What one rule says. A finding that is neither among `findings` nor `judged` could not be judged: it is not
/// gone, unless what it is about is.
struct Judgement {
    std::vector<Finding> findings;
    std::set<FindingKey> judged;
    /// Each tells of any finding whether what it is about is known to be there no longer.
    std::vector<std::function<bool(const FindingKey&)>> vanished;

    /// A finding that is not among `findings` is gone.
    bool ends(const FindingKey& key) const;
};

/// Adds the finding, with the key's id and subject, or marks it as gone where there is none.
void conclude(Judgement& out, const FindingKey& key, std::optional<Finding> finding);

/// The first few of the ranges in words.
std::string rangesText(const std::vector<reach::AddressRange>& ranges);

}  // namespace lapwing::analysis
