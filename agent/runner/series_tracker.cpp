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

Labels labelsOf(std::string_view text) {
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

std::vector<std::pair<std::uint64_t, std::uint64_t>> runsByHash(const PackedSeries& series) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    out.reserve(series.items().size());
    for (const auto& item : series.items()) {
        out.emplace_back(item.hash, item.part_run);
    }
    std::sort(out.begin(), out.end());
    return out;
}

auto findHash(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& runs, std::uint64_t hash) {
    const auto found = std::lower_bound(runs.begin(), runs.end(), std::pair(hash, std::uint64_t{0}));
    return found != runs.end() && found->first == hash ? found : runs.end();
}

}  // namespace

void PackedSeries::add(const Labels& labels, std::uint64_t part_run) {
    auto text = textOf(labels);
    const auto differs = std::mismatch(last_.begin(), last_.end(), text.begin(), text.end());
    const auto shared = static_cast<std::size_t>(differs.first - last_.begin());
    putLength(packed_, shared);
    putLength(packed_, text.size() - shared);
    packed_.append(text, shared);
    last_ = std::move(text);
    items_.push_back({labels.hash(), part_run});
}

void PackedSeries::forEach(
    const std::function<void(const Item&, const std::function<Labels()>&)>& use) const {
    std::string_view rest(packed_);
    std::string text;
    const std::function<Labels()> labels = [&text] { return labelsOf(text); };
    for (const auto& item : items_) {
        text.resize(takeLength(rest));
        const auto length = takeLength(rest);
        text += rest.substr(0, length);
        rest.remove_prefix(length);
        use(item, labels);
    }
}

void PackedSeries::shrink() {
    items_.shrink_to_fit();
    packed_.shrink_to_fit();
}

void SeriesTracker::see(const std::vector<TimeSeries>& series) {
    for (const auto& each : series) {
        seen_.add(each.labels, 0);
    }
}

void SeriesTracker::finish(TimestampMs at, const Emit& emit) {
    {
        const auto before = runsByHash(known_);
        for (std::size_t i = 0; i < seen_.items().size(); ++i) {
            if (const auto found = findHash(before, seen_.items()[i].hash); found != before.end()) {
                seen_.setPartRun(i, found->second);
            }
        }
    }
    const auto present = runsByHash(seen_);
    known_.forEach([&](const PackedSeries::Item& item, const std::function<Labels()>& labels) {
        if (findHash(present, item.hash) == present.end()) {
            emit({labels(), {{at, staleNaN()}}});
        }
    });
    known_ = std::exchange(seen_, {});
    known_.shrink();
}

void SeriesTracker::finishPart(TimestampMs at, const Emit& emit) {
    const auto last = part_run_++;
    const auto present = runsByHash(seen_);
    PackedSeries merged;
    known_.forEach([&](const PackedSeries::Item& item, const std::function<Labels()>& labels) {
        if (findHash(present, item.hash) != present.end()) {
            return;
        }
        if (item.part_run == last) {
            emit({labels(), {{at, staleNaN()}}});
        } else {
            merged.add(labels(), item.part_run);
        }
    });
    seen_.forEach([&](const PackedSeries::Item&, const std::function<Labels()>& labels) {
        merged.add(labels(), part_run_);
    });
    seen_ = {};
    known_ = std::move(merged);
    known_.shrink();
}

void SeriesTracker::finish(std::vector<TimeSeries>& current, TimestampMs at) {
    see(current);
    finish(at, [&current](TimeSeries series) { current.push_back(std::move(series)); });
}

void SeriesTracker::finishPart(std::vector<TimeSeries>& current, TimestampMs at) {
    see(current);
    finishPart(at, [&current](TimeSeries series) { current.push_back(std::move(series)); });
}

}  // namespace lapwing::agent
