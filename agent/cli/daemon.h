#pragma once

#include <string>

namespace lapwing::agent {

/// Threads, memory and signals of a small daemon. Before anything else, and before any thread.
void prepareProcess();

/// Probes and delivers until SIGTERM or SIGINT; returns the exit code. Whatever still hangs then is left
/// behind: end the process with std::_Exit.
int runAgent(const std::string& config_file);

}  // namespace lapwing::agent
