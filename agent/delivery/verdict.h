#pragma once

#include <cstddef>

namespace lapwing::agent {

/// The consequence of a collector's answer for the data that was sent.
enum class Verdict {
    stored,   ///< durable at the collector: delete it here
    again,    ///< a temporary failure: keep it, try again soon
    split,    ///< too large as a whole: send its parts one by one
    refused,  ///< never acceptable, wholly or (X-Lapwing-Refused) in part: drop it and log it
    keep,     ///< a wrong set-up: keep it, log a warning, try again now and then
};

/// `parts`: how many spooled batches the request held.
Verdict verdictOf(int status, std::size_t parts);

}  // namespace lapwing::agent
