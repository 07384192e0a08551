#include "collector/promql/windows.h"

namespace lapwing::promql {

Window WindowCursor::at(TimestampMs time) {
    const auto end = range_.fixed.value_or(time) - range_.offset_ms;
    const auto start = end - range_.range_ms;
    for (; past_ < samples_.size() && samples_[past_].timestamp <= end; ++past_) {
        if (past_ > 0 && samples_[past_].value < samples_[past_ - 1].value) {
            fallen_ = past_;
        }
    }
    while (first_ < past_ &&
           (samples_[first_].timestamp < start || (!closed_ && samples_[first_].timestamp == start))) {
        ++first_;
    }
    Window window;
    window.samples = std::span(samples_).subspan(first_, past_ - first_);
    window.at = time;
    window.start = start;
    window.end = end;
    window.compat2 = closed_;
    window.falls = fallen_ > first_;
    return window;
}

}  // namespace lapwing::promql
