#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace lapwing::agent::nginx {

/// Looks through the processes of `proc` for workers of Nginx whose master has ended, by the titles that
/// Nginx gives its processes ("nginx: worker process"). Such workers serve on, but nothing replaces them when
/// they end, and no reload reaches them. Nothing if no process of Nginx is seen: it does not run, or procfs
/// hides the processes of other users (hidepid).
std::optional<std::size_t> workersWithoutMaster(const std::string& proc);

}  // namespace lapwing::agent::nginx
