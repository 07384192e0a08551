#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/reader.h"

namespace lapwing::analysis::evidence {

/// Agents that have reported different values of one thing for a minute.
struct Contradiction {
    std::string instance;
    std::string job;
    std::string what;                        ///< "mysql answers", "backend web, server web-01 is UP"
    bool answers = false;                    ///< it is about whether the server answers
    std::map<std::string, double> by_agent;  ///< the value of each agent

    /// The agent on the server's own host is one of them.
    bool hasOwn() const { return by_agent.contains(instance); }
};

/// Of every server that several agents observe, by instance and job. Includes the reports that the Reader
/// leaves out elsewhere. Failures: reader.failure().
struct Comparison {
    std::vector<Contradiction> contradictions;
    /// The instances and jobs that several agents have observed for a minute.
    std::set<std::pair<std::string, std::string>> compared;
};
Comparison compareObservers(Reader& reader);

}  // namespace lapwing::analysis::evidence
