#include "common/model/clock.h"

#include <atomic>
#include <chrono>
#include <utility>

namespace lapwing {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

std::atomic<const ClockCorrection::Function*> correction{nullptr};

std::int64_t wallUs() {
    return duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

ClockReading readClocks() {
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    return {wallUs() / 1000, duration_cast<milliseconds>(steady).count()};
}

ClockCorrection::ClockCorrection(Function function) : function_(std::move(function)) {
    correction = &function_;
}

ClockCorrection::~ClockCorrection() {
    correction = nullptr;
}

TimestampMs nowMs() {
    const auto reading = readClocks();
    const auto* function = correction.load();
    return function == nullptr ? reading.wall : reading.wall + (*function)(reading);
}

std::int64_t nowUs() {
    const auto* function = correction.load();
    const auto wall = wallUs();
    return function == nullptr ? wall : wall + (*function)(readClocks()) * 1000;
}

}  // namespace lapwing
