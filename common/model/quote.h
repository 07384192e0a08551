#pragma once

#include <string>
#include <string_view>

namespace lapwing {

/// Go's strconv.Quote: the text in double quotes, with escapes for quotes, backslashes, invisible characters
/// and bytes that are not UTF-8. Pure, safe from any thread.
std::string quote(std::string_view text);

}  // namespace lapwing
