#include "collector/promql/windows.h"

namespace lapwing::promql {

Window WindowCursor::at(TimestampMs time) {
    const auto end = range_.fixed.value_or(time) - range_.offset_ms;
    const auto start = end - range_.range_ms;
    while (past_ < samples_.size() && samples_[past_].timestamp <= end) ++past_;
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
    return window;
}

}  // namespace lapwing::promql
