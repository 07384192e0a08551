#pragma once

#include <string>

namespace lapwing::test {

/// Where the file NAME of tests/fixtures is. "../../docs/metrics.md" leaves the folder.
std::string fixturePath(const std::string& name);

/// The content of the file NAME of tests/fixtures. Throws std::runtime_error for a file that is missing or
/// empty.
std::string fixture(const std::string& name);

}  // namespace lapwing::test
