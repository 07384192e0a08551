#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::agent::exec {

/// How a command ended.
enum class End {
    exited,     ///< by itself; `number` is its exit status
    signalled,  ///< `number` is the signal
    timeout,    ///< the helper ended it
    too_large,  ///< it printed more than kMostOutputBytes; the helper ended it
    failed,     ///< it was not started; the output says why
};

struct Reply {
    End end = End::failed;
    int number = 0;
    std::string output;
};

/// The helper's answer: a line "lapwing-exec END NUMBER", then the output. Pure.
std::string encode(const Reply& reply);
/// Pure. Error `protocol`.
Expected<Reply> decode(std::string_view text);

/// "timeout": the label `reason`.
const char* nameOf(End end);

}  // namespace lapwing::agent::exec
