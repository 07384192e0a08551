#pragma once

#include <cstddef>

namespace lapwing::agent {

/// What an answer of the collector means for what was sent.
enum class Verdict {
    stored,   ///< durable there: delete it here
    again,    ///< a passing trouble: keep it, try again soon
    split,    ///< it cannot be taken in one piece: send its parts one by one
    refused,  ///< the collector will never take it (it has stored what was valid): drop it, say so
    keep,     ///< something is set up wrongly: keep it, say so loudly, try again now and then
};

/// `parts`: how many spooled batches the request held.
Verdict verdictOf(int status, std::size_t parts);

}  // namespace lapwing::agent
