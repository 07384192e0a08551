#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace lapwing {

/// The result of reading one part that needs a tool or privileges.
enum class ReadStatus {
    ok,
    absent,  ///< this host does not have it, or has no tool that reads it
    denied,
    failed,
};

/// The output of one tool.
struct ToolOutput {
    std::string tool;  ///< "/usr/sbin/nft"
    ReadStatus status = ReadStatus::absent;
    std::string output;
    std::string error;  ///< its stderr, or why it did not run
};

/// The most that a tool may print, in bytes.
inline constexpr std::size_t kMostToolOutput = 16U << 20;
/// The same for a tool that lists rules: half a million elements with timeouts.
inline constexpr std::size_t kMostRulesOutput = 64U << 20;

/// Runs a program with that argument vector (argv[0] is its absolute path). Its environment is LC_ALL=C, a
/// lock file for iptables that a sandbox lets it open, and `environment` ("NAME=value"). Kills the program at
/// the deadline, and once it has printed more than `most` bytes.
ToolOutput runTool(const std::vector<std::string>& argv, std::chrono::milliseconds deadline, std::size_t most,
                   const std::vector<std::string>& environment = {});

}  // namespace lapwing
