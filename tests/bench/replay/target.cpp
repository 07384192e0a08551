#include "tests/bench/replay/target.h"

#include <array>

namespace lapwing::bench {
namespace {

constexpr std::array<double, 10> kPowers = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

}  // namespace

Target::Target(const Capture& capture, const std::string& instance, std::uint32_t seed)
    : capture_(&capture), random_(seed), sums_(capture.series.size()) {
    for (std::size_t i = 0; i < capture.series.size(); ++i) {
        const auto& captured = capture.series[i];
        Labels labels = captured.labels;
        labels.set("instance", instance);
        series_.push_back({std::move(labels), {Sample{0, captured.values.front()}}});
        if (captured.decimals >= 0) sums_[i] = captured.scaled.front();
    }
}

const std::vector<TimeSeries>& Target::scrape(TimestampMs at) {
    const std::size_t scrapes = capture_->scrapes();
    // Counters take any of the increments that were seen between two scrapes; gauges wander along the
    // capture, forwards and backwards, so that what was smooth stays smooth and nothing repeats with a
    // period.
    const std::size_t step = random_() % (scrapes - 1);
    position_ = (position_ + scrapes + random_() % 3 - 1) % scrapes;
    at += capture_->jitter_ms[step];
    for (std::size_t i = 0; i < series_.size(); ++i) {
        const auto& captured = capture_->series[i];
        Sample& sample = series_[i].samples.front();
        sample.timestamp = at;
        switch (captured.course) {
            case Course::constant:
                break;
            case Course::gauge:
                sample.value = captured.values[position_];
                break;
            case Course::counter:
                if (captured.decimals < 0) {
                    sample.value += captured.values[step + 1] - captured.values[step];
                } else {
                    sums_[i] += captured.scaled[step + 1] - captured.scaled[step];
                    sample.value = static_cast<double>(sums_[i]) / kPowers[captured.decimals];
                }
        }
    }
    return series_;
}

}  // namespace lapwing::bench
