#include "collector/analysis/evidence/track.h"

#include <algorithm>

namespace lapwing::analysis::evidence {

namespace {
constexpr std::int64_t kThinnedMs = 10'000;
}

void Track::add(TimestampMs at, std::int64_t value) {
    while (!points_.empty() && points_.back().at >= at) {
        points_.pop_back();
    }
    if (!points_.empty() && value < points_.back().value) {
        points_.clear();
    }
    const auto count = points_.size();
    if (count >= 2 && points_[count - 1].value == value && points_[count - 2].value == value) {
        points_.back().at = at;
        return;
    }
    points_.push_back({at, value});
}

void Track::thin(TimestampMs oldest, TimestampMs recent) {
    std::vector<Point> kept;
    for (const auto& point : points_) {
        const bool is_last = &point == &points_.back();
        if (!is_last && point.at < oldest) {
            continue;
        }
        if (!is_last && point.at < recent && !kept.empty() && point.at - kept.back().at < kThinnedMs) {
            continue;
        }
        kept.push_back(point);
    }
    points_ = std::move(kept);
}

std::optional<std::int64_t> Track::valueAt(TimestampMs at) const {
    const auto after = std::upper_bound(points_.begin(), points_.end(), at,
                                        [](TimestampMs time, const Point& point) { return time < point.at; });
    if (after == points_.begin()) {
        return std::nullopt;
    }
    return std::prev(after)->value;
}

std::optional<TimestampMs> Track::standingSince() const {
    if (points_.empty()) {
        return std::nullopt;
    }
    const auto first =
        std::lower_bound(points_.begin(), points_.end(), points_.back().value,
                         [](const Point& point, std::int64_t value) { return point.value < value; });
    return first->at;
}

}  // namespace lapwing::analysis::evidence
