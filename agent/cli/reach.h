#pragma once

#include <string>

namespace lapwing::agent {

/// What `lapwing-agent reach` is asked.
struct ReachQuestion {
    std::string target;     ///< "tcp/3306", "udp/53"
    std::string to;         ///< an address; "": every address of the host
    std::string from;       ///< an address or a network; "": from whom at all
    std::string interface;  ///< by which packets come in; "": that which has the address
    std::string snapshot;   ///< a file; "": the ruleset of this network namespace
    bool json = false;
};

/// Prints what the ruleset does with a connection, and by which rules. kFine where every answer is certain,
/// kDegraded where one is not, kUsage for a question that is none, kUnreachable where the ruleset could not
/// be read.
int answerReach(const ReachQuestion& question);

}  // namespace lapwing::agent
