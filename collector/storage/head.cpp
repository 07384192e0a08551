#include "collector/storage/head.h"

#include <algorithm>

namespace lapwing::storage {
namespace {

bool earlier(const Sample& a, const Sample& b) {
    return a.timestamp < b.timestamp;
}

}  // namespace

void mergeInto(std::vector<Sample> samples, std::vector<Sample>& out) {
    if (samples.empty()) {
        return;
    }
    const bool sorted = std::is_sorted(samples.begin(), samples.end(), earlier);
    if (sorted && (out.empty() || out.back().timestamp < samples.front().timestamp)) {
        if (out.empty()) {
            out = std::move(samples);
        } else {
            out.insert(out.end(), samples.begin(), samples.end());
        }
        return;
    }
    if (!sorted) {
        std::stable_sort(samples.begin(), samples.end(), earlier);
    }
    const auto middle = static_cast<std::ptrdiff_t>(out.size());
    out.insert(out.end(), samples.begin(), samples.end());
    std::inplace_merge(out.begin(), out.begin() + middle, out.end(), earlier);
    const auto same = [](const Sample& a, const Sample& b) { return a.timestamp == b.timestamp; };
    out.erase(std::unique(out.begin(), out.end(), same), out.end());
}

void mergeInto(const HeadPart& part, TimestampMs from, TimestampMs to, std::vector<Sample>& out) {
    const auto outside = [&](const Sample& s) { return s.timestamp < from || s.timestamp > to; };
    std::vector<Sample> samples;
    SampleStream::decode(part.stream, samples);
    std::erase_if(samples, outside);
    mergeInto(std::move(samples), out);
    if (part.late.empty()) {
        return;
    }
    samples = part.late;
    std::erase_if(samples, outside);
    mergeInto(std::move(samples), out);
}

void Head::append(SeriesId id, std::span<const Sample> samples) {
    if (samples.empty()) {
        return;
    }
    SampleStream& stream = series_.at(id);
    for (const auto& sample : samples) {
        if (stream.empty() || stream.last() < sample.timestamp) {
            stream.append(sample);
        } else {
            auto& late = late_[id];
            late.insert(std::lower_bound(late.begin(), late.end(), sample, earlier), sample);
        }
    }
    samples_ += samples.size();
}

TimestampMs Head::oldest(SeriesId id) const {
    const auto first = series_[id].first();
    const auto late = late_.find(id);
    return late == late_.end() ? first : std::min(first, late->second.front().timestamp);
}

HeadPart Head::copy(SeriesId id, TimestampMs from, TimestampMs to) const {
    HeadPart part;
    if (!contains(id)) {
        return part;
    }
    const SampleStream& stream = series_[id];
    if (stream.last() >= from && stream.first() <= to) {
        part.stream = stream.bytes();
    }
    if (const auto late = late_.find(id); late != late_.end()) {
        part.late = late->second;
    }
    return part;
}

}  // namespace lapwing::storage
