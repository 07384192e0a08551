#pragma once

#include <string>

namespace lapwing::agent {

/// The question of `lapwing-agent reach`.
struct ReachQuestion {
    std::string target;     ///< "tcp/3306", "udp/53"
    std::string to;         ///< an address; "": every address of the host
    std::string from;       ///< an address or a network; "": every source
    std::string interface;  ///< the incoming interface; "": each by which the packet may come in
    std::string snapshot;   ///< a file; "": the ruleset of this network namespace
    bool json = false;
    bool explain = false;  ///< show the way of each packet, not only of the first and of those that fail
};

/// Prints the ruleset's decision about a connection, and the rules that make it. Returns kFine where every
/// answer is certain, kDegraded where an answer is uncertain, kUsage for a malformed question, kUnreachable
/// where the ruleset could not be read.
int answerReach(const ReachQuestion& question);

}  // namespace lapwing::agent
