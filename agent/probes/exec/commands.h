#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lapwing::config {
class Node;
}

namespace lapwing::agent::exec {

enum class Format { nagios, prometheus };

/// A command of `probes.exec`.
struct Command {
    std::string name;               ///< the label `command`: letters, digits, "_", "-", "."; at most 64 bytes
    std::vector<std::string> argv;  ///< argv[0] is an absolute path; no shell reads it
    std::int64_t interval_ms = 60'000;
    std::int64_t timeout_ms = 10'000;
    Format format = Format::nagios;
};

inline constexpr std::size_t kMostCommands = 64;
inline constexpr std::size_t kMostNameBytes = 64;
/// The most that a command may print.
inline constexpr std::size_t kMostOutputBytes = 1U << 20;
/// Of the helper, by systemd.
inline constexpr const char* kSocket = "/run/lapwing-exec.sock";

/// Reads the list of commands; mistakes become problems of the node, and such commands are left out.
std::vector<Command> readCommands(const config::Node& node);

}  // namespace lapwing::agent::exec
