#pragma once

#include <string>
#include <string_view>

namespace lapwing::ingest {

/// SHA-256, lower-case hexadecimal.
std::string sha256(std::string_view data);

}  // namespace lapwing::ingest
