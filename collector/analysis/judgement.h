#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/facts.h"
#include "collector/analysis/finding.h"
#include "collector/analysis/replication/verdict.h"
#include "collector/analysis/rules_history.h"
#include "collector/analysis/site.h"
#include "collector/analysis/topology/model.h"
#include "common/reach/ruleset.h"

namespace lapwing::analysis {

/// What the rules of judgement look at.
struct Context {
    const Facts& facts;
    const Site& site;
    /// The host's present ruleset; null where it is not known.
    std::function<const reach::Ruleset*(const HostFacts&)> ruleset;
    /// Since when the host's ruleset has been as it is: an attempt from before shows nothing about it.
    std::function<TimestampMs(const std::string& host)> rules_since;
    /// Of every replica that is seen or declared; null where replication is not watched.
    std::shared_ptr<const std::vector<replication::Verdict>> replicas;
    /// What hangs on what; null where nobody asks (tests of one rule).
    std::shared_ptr<const topology::Moment> moment = nullptr;
    /// The text of the document with that digest; nothing where it is not (yet) at hand.
    std::function<std::optional<std::string>(const std::string& digest)> document = {};
    /// Another ruleset of the host's, by its digest; null where its document is not known.
    std::function<const reach::Ruleset*(const HostFacts&, const std::string& digest)> other_ruleset = {};
    /// How the host's ruleset has changed within the last day; nothing where it has not, or is as it was.
    std::function<std::optional<RulesChange>(const std::string& host)> rules_change = {};
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

/// Addresses by which other hosts know this one: those of the load balancer's servers, of attempts at it, and
/// the ones that it calls from by itself. Not its second addresses.
std::vector<reach::Address> knownAddresses(const Facts& facts, const std::string& host);

/// Addresses of load balancers: where the site is entered.
std::vector<reach::Address> entryAddresses(const Site& site);

/// "web-01, web-02 and monitor"
std::string joined(const std::vector<std::string>& words);

/// "one thing", "2 things"
std::string counted(std::size_t count, const std::string& one, const std::string& several);

/// The first few of the ranges in words.
std::string rangesText(const std::vector<reach::AddressRange>& ranges);

}  // namespace lapwing::analysis
