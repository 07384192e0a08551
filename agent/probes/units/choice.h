#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent::units {

/// Which units are reported. Patterns are those of fnmatch(3), over names such as "nginx.service".
struct Choice {
    std::vector<std::string> watch;   ///< with all their states, besides those of kWatched
    std::vector<std::string> ignore;  ///< never: not even when they fail
};

/// Whether the unit is of Lapwing or of a program that its probes watch, or is to be watched.
bool watched(const Choice& choice, const std::string& unit);
bool ignored(const Choice& choice, const std::string& unit);

/// Whether the service lives for one connection (Accept=yes) or one command of systemd-run: there is no bound
/// to such names. "sshd@0-10.0.0.1:22-10.0.0.2:4567.service", "run-u12.service"
bool isPassing(std::string_view unit);

}  // namespace lapwing::agent::units
