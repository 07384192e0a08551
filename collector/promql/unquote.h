#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::promql {

/// The value of a string literal's body, escapes as in Go: \a \b \f \n \r \t \v \\ \' \" \ooo \xhh \uhhhh
/// \Uhhhhhhhh. Error `invalid` with Prometheus' words.
Expected<std::string> unquote(std::string_view body, char quote_character);

}  // namespace lapwing::promql
