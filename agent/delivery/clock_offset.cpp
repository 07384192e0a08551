#include "agent/delivery/clock_offset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace lapwing::agent {
namespace {
// Slewing changes the offset less than this between two exchanges. A clock that was set changes it by more,
// or by too little to matter.
constexpr std::int64_t kStepUs = 20'000;
}  // namespace

void ClockOffset::add(std::int64_t t0, std::int64_t t1, std::int64_t t2, std::int64_t t3,
                      std::chrono::steady_clock::time_point steady) {
    const std::int64_t round_trip = (t3 - t0) - (t2 - t1);
    if (t3 < t0 || t2 < t1 || round_trip < 0) {
        return;
    }
    const auto steady_us =
        std::chrono::duration_cast<std::chrono::microseconds>(steady.time_since_epoch()).count();
    const MutexLock lock(mutex_);
    const std::int64_t relation = t3 - steady_us;
    if (wall_minus_steady_ && std::abs(relation - *wall_minus_steady_) > kStepUs) {
        filled_ = next_ = 0;
    }
    wall_minus_steady_ = relation;
    const Estimate fresh{static_cast<double>((t1 - t0) + (t2 - t3)) / 2e6,
                         static_cast<double>(round_trip) / 2e6};
    // Two estimates that contradict each other: the collector's clock was set.
    if (filled_ > 0) {
        const auto& last = window_[(next_ + window_.size() - 1) % window_.size()];
        if (std::abs(fresh.offset_seconds - last.offset_seconds) >
            fresh.error_seconds + last.error_seconds + kStepUs / 1e6) {
            filled_ = next_ = 0;
        }
    }
    window_[next_] = fresh;
    next_ = (next_ + 1) % window_.size();
    filled_ = std::min(filled_ + 1, window_.size());
}

std::optional<ClockOffset::Estimate> ClockOffset::estimate() const {
    const MutexLock lock(mutex_);
    if (filled_ == 0) {
        return std::nullopt;
    }
    return *std::min_element(
        window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(filled_),
        [](const Estimate& a, const Estimate& b) { return a.error_seconds < b.error_seconds; });
}

std::optional<CollectorTimes> parseLapwingTime(std::string_view header) {
    CollectorTimes times;
    const char* end = header.data() + header.size();
    const auto first = std::from_chars(header.data(), end, times.received);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != ' ') {
        return std::nullopt;
    }
    const auto second = std::from_chars(first.ptr + 1, end, times.sent);
    if (second.ec != std::errc() || second.ptr != end) {
        return std::nullopt;
    }
    return times;
}

}  // namespace lapwing::agent
