#pragma once

#include <string>

#include "collector/analysis/evidence/network.h"
#include "collector/analysis/topology/vrrp.h"
#include "common/truth.h"

namespace lapwing::analysis::topology {

/// Whether an address moves, and if not, why: in plain words, with the priorities.
struct Contest {
    Truth moves = Truth::unknown;
    std::string why;  ///< "" if it moves
};

/// A program that stops.
struct StoppedProgram {
    std::string process;  ///< "haproxy"; "" if unknown
    std::string title;    ///< as people write it: "HAProxy"
};

/// The contest for an address between the host that holds it and one that stands by, after the program has
/// stopped on the first. Both keepalived run. `why` supposes that they hear each other. Tries both outcomes
/// of a check whose subject is unknown: the answer is unknown if they differ. Pure.
Contest contestAfterStop(const evidence::Network& network, const vrrp::Router& active,
                         const vrrp::Router& standby, const StoppedProgram& program,
                         const vrrp::Hears& hears);

}  // namespace lapwing::analysis::topology
