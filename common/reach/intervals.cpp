#include "common/reach/intervals.h"

#include <algorithm>
#include <utility>

namespace lapwing::reach {

Intervals::Intervals(std::vector<Range> ranges) : ranges_(std::move(ranges)) {
    const auto before = [](const Range& a, const Range& b) { return a.low < b.low; };
    if (!std::is_sorted(ranges_.begin(), ranges_.end(), before)) {
        std::sort(ranges_.begin(), ranges_.end(), before);
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
        if (kept > 0 && (ranges_[i].low <= ranges_[kept - 1].high ||
                         previous(ranges_[i].low) == ranges_[kept - 1].high)) {
            ranges_[kept - 1].high = std::max(ranges_[kept - 1].high, ranges_[i].high);
        } else {
            ranges_[kept++] = ranges_[i];
        }
    }
    ranges_.resize(kept);
    ranges_.shrink_to_fit();
}

Truth Intervals::contain(const Range& range) const {
    const auto found = std::partition_point(ranges_.begin(), ranges_.end(),
                                            [&](const Range& each) { return each.high < range.low; });
    if (found == ranges_.end() || range.high < found->low) {
        return Truth::no;
    }
    return found->low <= range.low && range.high <= found->high ? Truth::yes : Truth::unknown;
}

Truth AddressIndex::contain(const Range& range) const {
    const auto lasts = lasting.contain(range);
    return lasts == Truth::no && timed.contain(range) != Truth::no ? Truth::unknown : lasts;
}

}  // namespace lapwing::reach
