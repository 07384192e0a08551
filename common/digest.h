#pragma once

#include <string>
#include <string_view>

namespace lapwing {

/// SHA-256 in lower-case hexadecimal; the digest of documents.
std::string sha256(std::string_view bytes);

}  // namespace lapwing
