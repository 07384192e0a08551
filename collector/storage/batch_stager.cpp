#include "collector/storage/batch_stager.h"

#include <algorithm>
#include <bit>
#include <string>

#include "collector/storage/series_row.h"
#include "common/model/label_text.h"

namespace lapwing::storage {
namespace {

/// A block's row number has 24 bits for the group; times beyond this (the year 287396) would not fit beside
/// it.
constexpr TimestampMs kLatestTime = TimestampMs{1} << 53;
constexpr const char* kExpired = "its time is before the retention time";
constexpr const char* kBadTime = "its time is not between 1970 and the end of what can be stored";

/// So that series which are not in memory any more leave this memory, too.
constexpr std::uint32_t kBatchesBetweenClears = 10'000;

bool validTime(const Sample& sample) {
    return sample.timestamp >= 0 && sample.timestamp <= kLatestTime;
}

/// Retention deletes samples before this time.
TimestampMs firstKept(const StoreOptions& options) {
    if (options.retention_ms <= 0) {
        return 0;
    }
    const TimestampMs now = options.expiry_clock ? options.expiry_clock() : options.clock();
    return std::max<TimestampMs>(windowOf(now - options.retention_ms), 0) * kWindowMs;
}

bool sameBits(double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool earlier(const Sample& a, const Sample& b) {
    return a.timestamp < b.timestamp;
}

bool ascending(std::span<const Sample> samples) {
    const auto not_after = [](const Sample& a, const Sample& b) { return a.timestamp >= b.timestamp; };
    return std::adjacent_find(samples.begin(), samples.end(), not_after) == samples.end();
}

}  // namespace

BatchStager::BatchStager(const StoreOptions& options, Database& database, SeriesCatalog& catalog,
                         Heads& heads)
    : options_(options), database_(database), catalog_(catalog), heads_(heads) {}

CommitGroup BatchStager::newGroup(const WriteAccess& access) {
    access.assertHeld(database_);
    // Only the batches of one group are compared.
    if (batch_number_ - cleared_at_ > kBatchesBetweenClears) {
        touched_ = {};
        cleared_at_ = batch_number_;
    }
    first_kept_ = firstKept(options_);
    CommitGroup group;
    group.first_batch = batch_number_ + 1;
    return group;
}

bool BatchStager::mustWait(const WriteAccess& access, std::span<const BatchSeries> batch,
                           const CommitGroup& group) const {
    access.assertHeld(database_);
    if (group.staged.empty()) {
        return false;
    }
    const SeriesIndex& index = catalog_.index(access);
    for (const auto& series : batch) {
        std::optional<SeriesId> id;
        if (series.ref != 0 && index.contains(series.ref)) {
            id = series.ref;
        } else if (series.labels != nullptr) {
            if (group.created.ids.contains(*series.labels)) {
                return true;
            }
            id = index.find(*series.labels);
        }
        if (id && touched_[*id].batch >= group.first_batch) {
            return true;
        }
    }
    return false;
}

Expected<void> BatchStager::stage(const WriteAccess& access, PendingBatch& pending, CommitGroup& group) {
    StagedBatch staged;
    staged.pending = &pending;
    const auto identified = identifyAll(access, staged, group.created);
    if (!identified) {
        return tl::unexpected(identified.error());
    }
    const auto& parts = *identified;
    std::size_t total = 0;
    for (const auto& part : parts) {
        total += part.series->samples.size();
    }
    staged.series.reserve(parts.size());
    // The spans of `staged.series` look into it, so it must not move.
    staged.samples.reserve(total);
    for (auto part = parts.begin(); part != parts.end();) {
        const auto [id, place, first] = *part;
        const std::size_t start = staged.samples.size();
        for (; part != parts.end() && part->id == id; ++part) {
            const auto& samples = part->series->samples;
            staged.samples.insert(staged.samples.end(), samples.begin(), samples.end());
        }
        const auto fresh = std::span(staged.samples).subspan(start);
        const auto kept = sift(access, id, first->labels, fresh, staged.result);
        if (!kept) {
            return tl::unexpected(kept.error());
        }
        staged.samples.resize(start + *kept);
        if (*kept > 0) {
            staged.series.push_back({id, std::span(staged.samples).subspan(start)});
        }
        staged.result.stored += *kept;
    }
    if (isOwn(*pending.sender)) {
        own_refused_ += staged.result.refused;
    }
    group.staged.push_back(std::move(staged));
    return {};
}

/// The series of a batch that may be stored, with those together that occur more than once.
Expected<std::vector<BatchStager::Part>> BatchStager::identifyAll(const WriteAccess& access,
                                                                  StagedBatch& staged, NewSeries& created) {
    access.assertHeld(database_);
    const auto batch = staged.pending->batch;
    std::vector<Part> parts;
    parts.reserve(batch.size());
    bool repeated = false;
    const std::uint32_t number = ++batch_number_;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const BatchSeries& series = batch[i];
        if (series.samples.empty()) {
            continue;
        }
        std::optional<SeriesId> id;
        if (series.ref != 0 && catalog_.index(access).contains(series.ref)) {
            id = series.ref;
        } else if (series.labels != nullptr) {
            auto identified = identify(access, *staged.pending->sender, *series.labels, series.samples,
                                       created, staged.result);
            if (!identified) {
                return tl::unexpected(identified.error());
            }
            id = *identified;
        } else {
            staged.result.gone.push_back(i);
        }
        if (!id) {
            continue;
        }
        if (*id != series.ref) {
            staged.found.emplace_back(i, *id);
        }
        Touch& touch = touched_.at(*id);
        if (touch.batch != number) {
            touch = {number, static_cast<std::uint32_t>(parts.size())};
        } else {
            repeated = true;
        }
        parts.push_back({*id, touch.place, &series});
    }
    if (repeated) {
        std::stable_sort(parts.begin(), parts.end(),
                         [](const Part& a, const Part& b) { return a.place < b.place; });
    }
    return parts;
}

/// Nothing if the series itself is refused, and all its samples with it.
Expected<std::optional<SeriesId>> BatchStager::identify(const WriteAccess& access, const std::string& sender,
                                                        const Labels& labels, std::span<const Sample> samples,
                                                        NewSeries& created, AppendResult& result) {
    const auto refuse = [&](Refusal reason, const std::string& why) {
        result.refused += samples.size();
        if (result.first_refusal.empty()) {
            result.reason = reason;
            result.first_refusal = shortText(labels) + ": " + why;
        }
        if (reason == Refusal::limit) {
            catalog_.budget().countRefused(sender, samples.size());
        }
        return std::optional<SeriesId>();
    };
    if (labels.empty()) {
        return refuse(Refusal::wrong, "a series without labels");
    }
    if (const auto known = catalog_.index(access).find(labels)) {
        return known;
    }
    const auto new_id = created.ids.find(labels);
    if (new_id != created.ids.end()) {
        return new_id->second;
    }
    // No series is created for refused samples only.
    if (std::none_of(samples.begin(), samples.end(), validTime)) {
        return refuse(Refusal::wrong, kBadTime);
    }
    if (std::all_of(samples.begin(), samples.end(),
                    [this](const Sample& sample) { return sample.timestamp < first_kept_; })) {
        result.refused_times += samples.size();
        return refuse(Refusal::out_of_order, kExpired);
    }
    if (const auto why = catalog_.budget().refusal(sender, bytesOf(labels))) {
        return refuse(Refusal::limit, *why);
    }
    auto archived = catalog_.findArchived(access, labels);
    if (!archived) {
        return tl::unexpected(archived.error());
    }
    if (*archived) {
        heads_.add(access, (*archived)->id, (*archived)->range);
        catalog_.revive(access, **archived);
        return (*archived)->id;
    }
    const auto most = options_.limits.kept_series;
    if (!isOwn(sender) && most > 0 && catalog_.size() >= most) {
        return refuse(Refusal::limit, "a new series, and the store keeps " + std::to_string(most) +
                                          " already (ingest.max_kept_series)");
    }
    return catalog_.create(access, sender, labels, created);
}

/// Moves the samples that may be stored to the front of `samples`, sorted, and returns their number. Without
/// `labels` the series is in the index.
Expected<std::size_t> BatchStager::sift(const WriteAccess& access, SeriesId id, const Labels* labels,
                                        std::span<Sample> samples, AppendResult& result) const {
    const TimeRange range = heads_.timeRange(access, id);
    const auto refuse = [&](const Sample& sample, Refusal reason, const std::string& why) {
        ++result.refused;
        if (result.first_refusal.empty()) {
            result.reason = reason;
            const auto name = shortText(labels != nullptr ? *labels : *catalog_.index(access).labels(id));
            result.first_refusal = name + " at " + std::to_string(sample.timestamp) + ": " + why;
        }
    };
    if (!ascending(samples)) {
        std::stable_sort(samples.begin(), samples.end(), earlier);
    } else if (validTime(samples.front()) && validTime(samples.back()) &&
               samples.front().timestamp > range.newest && samples.front().timestamp >= first_kept_) {
        return samples.size();
    }
    // A sample from the future, written while a clock was wrong, does not judge those that follow it.
    const TimestampMs newest = std::min(range.newest, options_.clock());
    std::vector<Sample> present;
    std::int64_t present_window = -1;
    std::size_t kept = 0;
    for (const Sample sample : samples) {
        if (!validTime(sample)) {
            refuse(sample, Refusal::wrong, kBadTime);
            continue;
        }
        // Before it costs a window of its own.
        if (sample.timestamp < first_kept_) {
            ++result.refused_times;
            refuse(sample, Refusal::out_of_order, kExpired);
            continue;
        }
        std::optional<double> known;
        if (kept > 0 && samples[kept - 1].timestamp == sample.timestamp) {
            known = samples[kept - 1].value;
        } else if (sample.timestamp >= range.oldest && sample.timestamp <= range.newest) {
            if (const auto window = windowOf(sample.timestamp); window != present_window) {
                auto read = stored(access, id, sample.timestamp, (window + 1) * kWindowMs - 1);
                if (!read) {
                    return tl::unexpected(read.error());
                }
                present = std::move(*read);
                present_window = window;
            }
            const auto it = std::lower_bound(present.begin(), present.end(), sample, earlier);
            if (it != present.end() && it->timestamp == sample.timestamp) {
                known = it->value;
            }
        }
        if (known && sameBits(*known, sample.value)) {
            ++result.duplicates;
        } else if (known) {
            refuse(sample, Refusal::contradiction, "another value is stored for this time");
        } else if (sample.timestamp < newest && newest - sample.timestamp > options_.out_of_order_ms) {
            ++result.refused_times;
            refuse(sample, Refusal::out_of_order,
                   "too far out of order: the series' newest sample is of " + std::to_string(range.newest));
        } else {
            samples[kept++] = sample;
        }
    }
    return kept;
}

/// The samples of a series in [from, to], which lie in one window.
Expected<std::vector<Sample>> BatchStager::stored(const WriteAccess& access, SeriesId id, TimestampMs from,
                                                  TimestampMs to) const {
    std::vector<Sample> samples;
    BlockTable& blocks = access.blocks();
    const auto loaded = blocks.load(blockRow(windowOf(from), catalog_.index(access).group(id)));
    Expected<void> read;
    if (!loaded) {
        read = tl::unexpected(loaded.error());
    } else if (const auto* entry = *loaded ? blocks.directory().find(id) : nullptr; entry != nullptr) {
        read = blocks.read(*entry, from, to, samples);
    }
    // A damaged block must not keep new samples out: the next compaction sets it aside.
    if (!read && read.error().kind != ErrorKind::internal) {
        return tl::unexpected(read.error());
    }
    if (const auto* frozen = heads_.frozen(access); frozen != nullptr) {
        mergeInto(frozen->head.copy(id, from, to), from, to, samples);
    }
    mergeInto(heads_.head(access).copy(id, from, to), from, to, samples);
    return samples;
}

}  // namespace lapwing::storage
