#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/client.h"

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

/// Retry-After: seconds or an HTTP date (against `now`, seconds since 1970). Nothing beyond five minutes is
/// believed.
std::optional<std::chrono::milliseconds> retryAfter(std::string_view header, std::int64_t now);

/// Exponential backoff with jitter: from half a second to 15 s, each between half and the whole of its step,
/// so that the agents of a site do not all come back at one moment.
class Backoff {
  public:
    /// `random` in [0, 1).
    std::chrono::milliseconds next(double random);
    void reset() { step_ = kFirst; }

  private:
    static constexpr std::chrono::milliseconds kFirst{500};
    static constexpr std::chrono::milliseconds kMost{15'000};
    std::chrono::milliseconds step_ = kFirst;
};

/// The first line of an answer's body, printable and short: for a log.
std::string firstLine(std::string_view body);

}  // namespace lapwing::agent
