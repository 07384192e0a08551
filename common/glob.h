#pragma once

#include <string>
#include <vector>

namespace lapwing {

/// True if the text is a pattern of glob(7).
bool hasWildcard(const std::string& pattern);

/// The files that match a pattern of glob(7), sorted. Directories that cannot be read have no files.
std::vector<std::string> filesMatching(const std::string& pattern);

}  // namespace lapwing
