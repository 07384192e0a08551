#pragma once

#include "agent/probes/exec/commands.h"
#include "agent/probes/exec/reply.h"

namespace lapwing::agent::exec {

/// Runs the command without a shell, in a process group of its own, with nothing on its standard input and an
/// environment of PATH and LC_ALL=C. Kills the whole group at the command's end, at its timeout, and beyond
/// kMostOutputBytes. Does not wait for descendants that hold the standard output.
Reply run(const Command& command);

}  // namespace lapwing::agent::exec
