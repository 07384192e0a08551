#include "agent/runner/series_tracker.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace lapwing::agent {
namespace {

void putLength(std::string& out, std::size_t length) {
    for (; length > 0x7f; length >>= 7) {
        out += static_cast<char>(0x80 | (length & 0x7f));
    }
    out += static_cast<char>(length);
}

std::size_t takeLength(std::string_view& text) {
    std::size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(text.front());
        text.remove_prefix(1);
        length |= static_cast<std::size_t>(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return length;
        }
    }
}

std::string textOf(const Labels& labels) {
    std::string out;
    for (const auto& label : labels) {
        putLength(out, label.name.size());
        out += label.name;
        putLength(out, label.value.size());
        out += label.value;
    }
    return out;
}

using Hashes = std::vector<std::uint64_t>;

bool contains(const Hashes& sorted, std::uint64_t hash) {
    return std::binary_search(sorted.begin(), sorted.end(), hash);
}

Hashes sorted(Hashes hashes) {
    std::sort(hashes.begin(), hashes.end());
    return hashes;
}

/// Drops the series with these hashes.
void drop(const Hashes& sorted, PackedSeries& series) {
    const auto& hashes = series.hashes();
    if (std::none_of(hashes.begin(), hashes.end(), [&](auto hash) { return contains(sorted, hash); })) {
        return;
    }
    PackedSeries left;
    series.forEach([&](std::uint64_t hash, PackedSeries::Packed labels) {
        if (!contains(sorted, hash)) {
            left.add(hash, labels);
        }
    });
    series = std::move(left);
}

}  // namespace

Labels PackedSeries::unpack(Packed text) {
    const auto take = [&text] {
        const auto length = takeLength(text);
        std::string out(text.substr(0, length));
        text.remove_prefix(length);
        return out;
    };
    std::vector<Label> labels;
    while (!text.empty()) {
        auto name = take();
        labels.push_back({std::move(name), take()});
    }
    return Labels(std::move(labels));
}

void PackedSeries::add(const Labels& labels) {
    add(labels.hash(), textOf(labels));
}

void PackedSeries::add(std::uint64_t hash, Packed labels) {
    const auto differs = std::mismatch(last_.begin(), last_.end(), labels.begin(), labels.end());
    const auto shared = static_cast<std::size_t>(differs.first - last_.begin());
    putLength(packed_, shared);
    putLength(packed_, labels.size() - shared);
    packed_ += labels.substr(shared);
    last_ = labels;
    hashes_.push_back(hash);
}

void PackedSeries::forEach(const Use& use) const {
    std::string_view rest(packed_);
    std::string text;
    for (const auto hash : hashes_) {
        text.resize(takeLength(rest));
        const auto length = takeLength(rest);
        text += rest.substr(0, length);
        rest.remove_prefix(length);
        use(hash, text);
    }
}

void PackedSeries::shrink() {
    hashes_.shrink_to_fit();
    packed_.shrink_to_fit();
}

void SeriesTracker::see(const std::vector<TimeSeries>& series) {
    for (const auto& each : series) {
        seen_.add(each.labels);
    }
}

void SeriesTracker::finishUpTo(std::size_t pace, TimestampMs at, const Emit& emit) {
    const auto present = sorted(seen_.hashes());
    Hashes ended;
    Hashes faster;
    for (std::size_t i = 0; i <= pace; ++i) {
        known_[i].forEach([&](std::uint64_t hash, PackedSeries::Packed labels) {
            if (!contains(present, hash) && !contains(faster, hash)) {
                ended.push_back(hash);
                emit({PackedSeries::unpack(labels), {{at, staleNaN()}}});
            }
        });
        if (i < pace) {
            faster.insert(faster.end(), known_[i].hashes().begin(), known_[i].hashes().end());
            std::sort(faster.begin(), faster.end());
        }
    }
    known_[pace] = std::exchange(seen_, {});
    drop(faster, known_[pace]);
    known_[pace].shrink();
    if (!ended.empty()) {
        ended = sorted(std::move(ended));
        for (auto& series : known_) {
            drop(ended, series);
        }
    }
}

void SeriesTracker::finish(TimestampMs at, const Emit& emit) {
    finishUpTo(kPaces - 1, at, emit);
}

void SeriesTracker::finishPart(TimestampMs at, const Emit& emit, unsigned depth) {
    finishUpTo(std::min<std::size_t>(depth, kPaces - 2), at, emit);
}

void SeriesTracker::finish(std::vector<TimeSeries>& current, TimestampMs at) {
    see(current);
    finish(at, [&current](TimeSeries series) { current.push_back(std::move(series)); });
}

void SeriesTracker::finishPart(std::vector<TimeSeries>& current, TimestampMs at, unsigned depth) {
    see(current);
    finishPart(
        at, [&current](TimeSeries series) { current.push_back(std::move(series)); }, depth);
}

}  // namespace lapwing::agent
