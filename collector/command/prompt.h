#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace lapwing::collector {

/// How often a terminal is asked for a secret: twice where a mistake would only show later.
enum class Ask { once, twice };

/// One line of the standard input; from a terminal without echo, after the question. Nothing if it is empty,
/// longer than `most` bytes or of two kinds, after the reason was printed.
std::optional<std::string> askSecret(const std::string& question, std::size_t most, Ask ask);

}  // namespace lapwing::collector
