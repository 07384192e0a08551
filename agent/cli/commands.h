#pragma once

#include <string>

namespace lapwing::agent {

/// Exit codes of every verb: 0 fine, 1 degraded, 2 wrong usage or configuration, 3 the agent cannot be
/// reached.
inline constexpr int kFine = 0;
inline constexpr int kDegraded = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;

/// The verbs that end by themselves. They print data to stdout and problems to stderr.

/// Prints every problem of the configuration as file:line:column. Files that it names are judged as `user`
/// has them; "": as the running agent, or the user of its unit. An expired certificate is a problem.
int checkConfig(const std::string& config_file, const std::string& user);
/// Runs one probe once, in the foreground, and prints its samples in Prometheus' text format. A hung run may
/// stay behind: end the process with std::_Exit.
int probeOnce(const std::string& config_file, const std::string& name);
int listProbes(const std::string& config_file);
/// Asks the running agent for its status.
int showStatus(const std::string& config_file, const std::string& socket, bool json);

}  // namespace lapwing::agent
