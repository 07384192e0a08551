#pragma once

#include <string>
#include <vector>

namespace lapwing {

/// Whether glob(7) would look for more than one file.
bool hasWildcard(const std::string& pattern);

/// The files that match a pattern as glob(7) has it, sorted; none where a directory cannot be read.
std::vector<std::string> filesMatching(const std::string& pattern);

}  // namespace lapwing
