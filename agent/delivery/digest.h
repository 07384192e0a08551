#pragma once

#include <string>
#include <string_view>

namespace lapwing::agent {

/// SHA-256 in lower-case hexadecimal: a document's name, as the collector computes it too.
std::string sha256(std::string_view bytes);

}  // namespace lapwing::agent
