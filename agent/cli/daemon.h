#pragma once

#include <string>

namespace lapwing::agent {

/// Sets up threads, memory and signals for a small daemon. Call it first, before any thread begins.
void prepareProcess();

/// Probes and delivers until SIGTERM or SIGINT; returns the exit code. Hung runs and requests stay behind:
/// end the process with std::_Exit.
int runAgent(const std::string& config_file);

}  // namespace lapwing::agent
