#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/error.h"

namespace lapwing::agent::units {

/// What the kernel counts for a service or a slice, with everything below it (the kernel's cgroup-v2.rst). A
/// value is absent where its controller is off.
struct Usage {
    std::optional<double> cpu_seconds;
    std::optional<double> memory_bytes;  ///< with the page cache
    std::optional<double> memory_limit_bytes;
    std::optional<double> oom_kills;
    std::optional<double> tasks;
    std::optional<double> tasks_limit;
};

struct UsageRead {
    std::map<std::string, Usage> by_unit;
    bool cut = false;  ///< there are more units, or deeper ones, than the limits
};

struct TreeLimits {
    std::size_t units = 512;
    std::size_t depth = 8;
};

/// Reads the cgroup v2 tree below a mount of it, such as /sys/fs/cgroup: services, and the slices of the
/// first level. `not_found` where there is no such tree. A service's own cgroups are not entered. Services
/// that end meanwhile are left out.
Expected<UsageRead> readCgroups(const std::string& mount, const TreeLimits& limits = {});

/// Where the tree is below `sys` ("/sys"): also beside version 1 (a hybrid hierarchy). "" for none.
std::string cgroupMount(const std::string& sys);

}  // namespace lapwing::agent::units
