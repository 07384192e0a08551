#include "collector/forward/batch.h"

#include <algorithm>
#include <iterator>

namespace lapwing::forward {
namespace {

/// A sample on the wire: tags, length, eight bytes of value, six of time.
constexpr std::size_t kSampleBytes = 18;
constexpr std::size_t kLabelBytes = 6;

std::size_t bytesOf(const Labels& labels) {
    std::size_t bytes = 0;
    for (const auto& label : labels) {
        bytes += label.name.size() + label.value.size() + kLabelBytes;
    }
    return bytes;
}

}  // namespace

bool Gatherer::wants(const storage::LoggedSeries& series) {
    if (destination_.match.empty()) {
        return true;
    }
    if (series.id >= wanted_.size()) {
        wanted_.resize(series.id + std::size_t{1});
    }
    auto& known = wanted_[series.id];
    if (known == 0) {
        const bool any = std::any_of(
            destination_.match.begin(), destination_.match.end(), [&](const storage::Matchers& all) {
                return std::all_of(all.begin(), all.end(), [&](const storage::Matcher& matcher) {
                    return matcher.matches(*series.labels);
                });
            });
        known = any ? 1 : -1;
    }
    return known > 0;
}

std::size_t Gatherer::wanted(const storage::LoggedBatch& batch) {
    std::size_t count = 0;
    for (const auto& series : batch.series) {
        if (series.labels && wants(series)) {
            count += series.samples.size();
        }
    }
    return count;
}

void Gatherer::add(storage::LoggedBatch batch) {
    for (auto& logged : batch.series) {
        if (!logged.labels) {
            deleted_ += logged.samples.size();
            continue;
        }
        if (!wants(logged)) {
            continue;
        }
        samples_ += logged.samples.size();
        const auto [place, added] = places_.emplace(logged.id, series_.size());
        if (added) {
            TimeSeries series{*logged.labels, std::move(logged.samples)};
            for (const auto& label : destination_.external_labels) {
                if (!series.labels.has(label.name)) {
                    series.labels.set(label.name, label.value);
                }
            }
            series_.push_back(std::move(series));
        } else {
            auto& samples = series_[place->second].samples;
            samples.insert(samples.end(), logged.samples.begin(), logged.samples.end());
        }
    }
}

std::deque<Request> Gatherer::take(const RequestLimits& limits) {
    std::deque<Request> requests;
    std::size_t bytes = 0;
    for (auto& series : series_) {
        // Samples that arrived out of order are sent in order.
        std::stable_sort(series.samples.begin(), series.samples.end(),
                         [](const Sample& a, const Sample& b) { return a.timestamp < b.timestamp; });
        const std::size_t head = bytesOf(series.labels);
        auto from = series.samples.begin();
        while (from != series.samples.end()) {
            if (requests.empty() || requests.back().samples >= limits.samples ||
                bytes + head + kSampleBytes > limits.bytes) {
                requests.emplace_back();
                bytes = 0;
            }
            Request& request = requests.back();
            const std::size_t room = bytes + head < limits.bytes ? limits.bytes - bytes - head : 0;
            const auto count =
                std::min({limits.samples - request.samples, std::max<std::size_t>(1, room / kSampleBytes),
                          static_cast<std::size_t>(series.samples.end() - from)});
            const auto to = from + static_cast<std::ptrdiff_t>(count);
            request.samples += count;
            bytes += head + count * kSampleBytes;
            if (count == series.samples.size()) {
                request.series.push_back(std::move(series));
                break;
            }
            request.series.push_back({series.labels, {from, to}});
            from = to;
        }
    }
    series_.clear();
    places_.clear();
    samples_ = 0;
    deleted_ = 0;
    return requests;
}

std::pair<Request, Request> halve(Request request) {
    std::pair<Request, Request> halves;
    const std::size_t half = request.samples / 2;
    for (auto& series : request.series) {
        const std::size_t count = series.samples.size();
        const std::size_t room = half - halves.first.samples;
        const std::size_t first = std::min(count, room);
        if (first == count) {
            halves.first.series.push_back(std::move(series));
        } else if (first == 0) {
            halves.second.series.push_back(std::move(series));
        } else {
            const auto middle = series.samples.begin() + static_cast<std::ptrdiff_t>(first);
            halves.first.series.push_back({series.labels, {series.samples.begin(), middle}});
            halves.second.series.push_back({std::move(series.labels), {middle, series.samples.end()}});
        }
        halves.first.samples += first;
        halves.second.samples += count - first;
    }
    return halves;
}

}  // namespace lapwing::forward
