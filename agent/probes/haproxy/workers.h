#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lapwing::agent::haproxy {

/// The process ID that "show info" states; nothing if it states none.
std::optional<int> pidOf(std::string_view info);

/// The workers of HAProxy from before a reload that still serve connections: the other children of the master
/// whose child `pid` is. Nothing where this cannot be known: without a master (`-W`), for an HAProxy in a PID
/// namespace of its own, or where /proc hides others' processes. `proc` is the root of procfs.
std::optional<std::size_t> oldWorkers(const std::string& proc, int pid);

}  // namespace lapwing::agent::haproxy
