#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lapwing::http {

/// Reads Retry-After: seconds or an HTTP date (against `now`, seconds since 1970). At most five minutes.
std::optional<std::chrono::milliseconds> retryAfter(std::string_view header, std::int64_t now);

/// Exponential backoff with jitter: from half a second to 15 s, each pause between half and the whole of its
/// step, so that many senders do not come back at the same moment. Not synchronised.
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

/// The first line of an answer's body, printable and short, for a log.
std::string firstLine(std::string_view body);

}  // namespace lapwing::http
