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
#include "collector/analysis/memo.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/site.h"
#include "collector/analysis/topology/model.h"
#include "common/reach/ruleset.h"
#include "common/text.h"

namespace lapwing::analysis {

/// Everything that a judge may read.
struct Context {
    const evidence::Network& network;
    const Site& site;
    /// The host's present ruleset; null if unknown.
    std::function<const reach::Ruleset*(const evidence::Host&)> ruleset;
    /// The time of the last change of the host's ruleset: earlier attempts show nothing about it.
    std::function<TimestampMs(const std::string& host)> rules_since;
    /// For every observed or declared replica; null if replication is not watched.
    std::shared_ptr<const std::vector<replication::Verdict>> replicas;
    /// The evidence and the model; null in tests of a judge that needs neither.
    std::shared_ptr<const topology::Moment> moment = nullptr;
    /// The text of the document with that digest; nothing if it has not arrived.
    std::function<std::optional<std::string>(const std::string& digest)> document = {};
    /// Another ruleset of the host, by its digest; null if its document has not arrived.
    std::function<const reach::Ruleset*(const evidence::Host&, const std::string& digest)> other_ruleset = {};
    /// The changes of the host's ruleset within the last day; nothing if there were none.
    std::function<std::optional<evidence::RulesChange>(const std::string& host)> rules_change = {};
    /// The round must end: its result does not count any more. Judges look at it before each costly step.
    std::function<bool()> is_over = [] { return false; };
    /// Of functions of the other members. One thread uses a context.
    std::shared_ptr<Memo> memo = std::make_shared<Memo>();
};

using FindingKey = std::pair<std::string, std::string>;  ///< id, subject

/// The result of judges. Keys in neither `findings` nor `judged` were not evaluated this round: their old
/// findings stay, unless their subject has disappeared.
struct Judgement {
    std::vector<Finding> findings;
    std::set<FindingKey> judged;
    /// Each returns true for keys whose subject is known to have disappeared.
    std::vector<std::function<bool(const FindingKey&)>> vanished;

    /// The finding with this key, which is not among `findings`, has ended.
    bool ends(const FindingKey& key) const;
};

/// Adds the finding, with the key's id and subject; without a finding, marks the key as judged and in order.
void conclude(Judgement& out, const FindingKey& key, std::optional<Finding> finding);

/// Adds a part for each range of sources.
void addParts(const std::string& what, const std::vector<reach::AddressRange>& from, std::vector<Part>& out);

/// The first few of the ranges: "10.0.0.0/8, 192.0.2.1 (and 3 more ranges)".
std::string rangesText(const std::vector<reach::AddressRange>& ranges);

}  // namespace lapwing::analysis
