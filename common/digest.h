#pragma once

#include <string>
#include <string_view>

namespace lapwing {

/// SHA-256 in lower-case hexadecimal: what a document is called.
std::string sha256(std::string_view bytes);

}  // namespace lapwing
