#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::promql {

/// The value of a string literal's body, with Go's escapes: \a \b \f
///  \r \t \v \\ \' \" \ooo \xhh \uhhhh \Uhhhhhhhh. Error `invalid`, worded as Prometheus words it.
Expected<std::string> unquote(std::string_view body, char quote_character);

}  // namespace lapwing::promql
