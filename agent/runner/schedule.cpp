#include "agent/runner/schedule.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace lapwing::agent {
namespace {
constexpr TimestampMs kTolerance = 50;
}

std::chrono::milliseconds spreadOf(std::string_view job, std::chrono::milliseconds interval) {
    // FNV-1a: the same on every host, unlike std::hash.
    std::uint32_t hash = 2166136261U;
    for (const char c : job) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    }
    const auto window = std::clamp<std::int64_t>(interval.count() / 10, 1, 1000);
    return std::chrono::milliseconds(hash % window);
}

TimestampMs firstSlot(TimestampMs now, std::chrono::milliseconds interval, std::chrono::milliseconds offset) {
    const auto step = interval.count();
    return now - (now - offset.count()) % step + step;
}

TimestampMs nextSlot(TimestampMs now, std::chrono::milliseconds interval, std::chrono::milliseconds offset) {
    const auto next = firstSlot(now, interval, offset);
    const bool is_near = next - now < interval.count() / 2;
    return is_near ? next + interval.count() : next;
}

TimestampMs stampOf(TimestampMs slot, TimestampMs now) {
    return std::abs(now - slot) <= kTolerance ? slot : now;
}

}  // namespace lapwing::agent
