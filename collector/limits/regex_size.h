#pragma once

#include <cstddef>
#include <string_view>

namespace lapwing {

/// The largest regular expression that is given to RE2. RE2 refuses programs of more than 131,072
/// instructions (RE2::Options::max_mem, 8 MiB, divided by 4 and by the 16 bytes of an instruction).
/// Alternatives with common beginnings share instructions, so this is four times as much.
inline constexpr std::size_t kMostRegexSize = 524'288;

/// The size of a regular expression: its characters, those of a repeated part as often as it is repeated. RE2
/// writes out all repetitions before it judges the size, at some hundred bytes each.
std::size_t regexSize(std::string_view pattern);

}  // namespace lapwing
