#include <algorithm>
#include <bit>
#include <unordered_set>

#include "collector/storage/series_row.h"
#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {
namespace {

/// A block's row number has 24 bits for the group; times beyond this (the year 287396) would not fit beside
/// it.
constexpr TimestampMs kLatestTime = TimestampMs{1} << 53;
constexpr const char* kBadTime = "its time is not between 1970 and the end of what can be stored";
/// A host with more series than that gets another group, so that blocks stay of a size that can be rewritten.
constexpr std::size_t kSeriesPerGroup = 4096;

bool validTime(const Sample& sample) {
    return sample.timestamp >= 0 && sample.timestamp <= kLatestTime;
}

bool sameBits(double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool earlier(const Sample& a, const Sample& b) {
    return a.timestamp < b.timestamp;
}

std::string hostOf(const Labels& labels) {
    const auto agent = labels.get("agent");
    return std::string(agent.empty() ? labels.get("instance") : agent);
}

}  // namespace

struct SqliteStore::Pending {
    std::span<BatchSeries> batch;
    bool done = false;
    Expected<AppendResult> result;
};

struct SqliteStore::Staged {
    Pending* pending = nullptr;
    AppendResult result;
    std::vector<SeriesBatch> series;  ///< look into `samples`
    std::vector<Sample> samples;
    std::vector<std::pair<std::size_t, SeriesId>> found;  ///< positions in the batch that had no `ref`
};

/// What one commit writes.
struct SqliteStore::Round {
    struct NewSeries {
        SeriesId id = 0;
        GroupId group = 0;
        std::string host;
        const Labels* labels = nullptr;
    };
    struct NewGroup {
        GroupId id = 0;
        std::string name;
    };
    std::uint32_t first_batch = 0;
    std::vector<Staged> staged;
    std::vector<NewSeries> new_series;
    std::vector<NewGroup> new_groups;
    std::unordered_map<Labels, SeriesId, LabelsHash> created;
};

Expected<AppendResult> Store::append(const std::vector<TimeSeries>& batch) {
    std::vector<BatchSeries> views;
    views.reserve(batch.size());
    for (const auto& series : batch) views.push_back({0, &series.labels, series.samples});
    return append(views);
}

Expected<AppendResult> SqliteStore::append(std::span<BatchSeries> batch) {
    Pending own;
    own.batch = batch;
    std::unique_lock lock(queue_mutex_);
    queue_.push_back(&own);
    while (!own.done) {
        if (round_running_) {
            round_done_.wait(lock);
            continue;
        }
        round_running_ = true;
        auto pending = std::exchange(queue_, {});
        lock.unlock();
        const std::size_t finished = commitRound(pending);
        lock.lock();
        const auto waiting = pending.begin() + static_cast<std::ptrdiff_t>(finished);
        std::for_each(pending.begin(), waiting, [](Pending* one) { one->done = true; });
        queue_.insert(queue_.begin(), waiting, pending.end());
        round_running_ = false;
        round_done_.notify_all();
    }
    return std::move(own.result);
}

/// Returns how many are finished; they come first in `pending` then, and those that must wait behind them.
/// Without memory half way there is no going on: after a restart the log tells what is true.
std::size_t SqliteStore::commitRound(std::vector<Pending*>& pending) noexcept {
    const std::lock_guard write_lock(write_mutex_);
    Round round;
    round.first_batch = batch_number_ + 1;
    const auto handle = [&](Pending* one) {
        if (sync_failed_) {
            one->result = fail(ErrorKind::unavailable, "database: the last write did not reach the disk");
            return true;
        }
        if (mustWait(one->batch, round)) return false;
        auto staged = stage(one->batch, round);
        if (staged) {
            staged->pending = one;
            round.staged.push_back(std::move(*staged));
        } else {
            one->result = tl::unexpected(staged.error());
        }
        return true;
    };
    const auto waiting = std::stable_partition(pending.begin(), pending.end(), handle);
    const auto written = write(round);
    if (written) {
        apply(round);
    } else {
        forget(round);
    }
    for (auto& staged : round.staged) {
        if (written) {
            for (const auto& [position, id] : staged.found) staged.pending->batch[position].ref = id;
            staged.pending->result = std::move(staged.result);
        } else {
            staged.pending->result = tl::unexpected(written.error());
        }
    }
    return static_cast<std::size_t>(waiting - pending.begin());
}

/// A batch is checked against what is committed, so two with a series in common cannot be in one round.
bool SqliteStore::mustWait(std::span<const BatchSeries> batch, const Round& round) const {
    if (round.staged.empty()) return false;
    return std::any_of(batch.begin(), batch.end(), [&](const BatchSeries& series) {
        std::optional<SeriesId> id;
        if (series.ref != 0 && index_->contains(series.ref)) {
            id = series.ref;
        } else if (series.labels != nullptr) {
            if (round.created.contains(*series.labels)) return true;
            id = index_->find(*series.labels);
        }
        return id && *id < staged_by_.size() && staged_by_[*id] >= round.first_batch;
    });
}

SeriesId SqliteStore::createSeries(const Labels& labels, Round& round) {
    auto name = hostOf(labels);
    Host& host = hosts_[name];
    if (host.series / kSeriesPerGroup >= host.groups.size()) {
        round.new_groups.push_back({next_group_, name});
        host.groups.push_back(next_group_++);
    }
    const GroupId group = host.groups[host.series / kSeriesPerGroup];
    ++host.series;
    const SeriesId id = next_series_++;
    const auto [it, added] = round.created.emplace(labels, id);
    round.new_series.push_back({id, group, std::move(name), &it->first});
    return id;
}

Expected<SqliteStore::Staged> SqliteStore::stage(std::span<const BatchSeries> batch, Round& round) {
    struct Part {
        SeriesId id = 0;
        std::uint32_t place = 0;  ///< of the series' first part
        const BatchSeries* series = nullptr;
    };
    Staged staged;
    std::vector<Part> parts;
    parts.reserve(batch.size());
    std::size_t total = 0;
    bool twice = false;
    const std::uint32_t number = ++batch_number_;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const BatchSeries& series = batch[i];
        if (series.samples.empty()) continue;
        std::optional<SeriesId> id;
        if (series.ref != 0 && index_->contains(series.ref)) {
            id = series.ref;
        } else if (series.labels != nullptr) {
            id = identify(*series.labels, series.samples, round, staged.result);
        } else {
            staged.result.gone.push_back(i);
        }
        if (!id) continue;
        if (*id != series.ref) staged.found.emplace_back(i, *id);
        if (staged_by_.size() <= *id) {
            staged_by_.resize(*id + std::size_t{1});
            staged_at_.resize(*id + std::size_t{1});
        }
        if (staged_by_[*id] != number) {
            staged_by_[*id] = number;
            staged_at_[*id] = static_cast<std::uint32_t>(parts.size());
        } else {
            twice = true;
        }
        parts.push_back({*id, staged_at_[*id], &series});
        total += series.samples.size();
    }
    if (twice) {
        std::stable_sort(parts.begin(), parts.end(),
                         [](const Part& a, const Part& b) { return a.place < b.place; });
    }
    staged.series.reserve(parts.size());
    // What looks into it must not see it move.
    staged.samples.reserve(total);
    for (auto part = parts.begin(); part != parts.end();) {
        const auto [id, place, first] = *part;
        const std::size_t start = staged.samples.size();
        for (; part != parts.end() && part->id == id; ++part) {
            const auto& samples = part->series->samples;
            staged.samples.insert(staged.samples.end(), samples.begin(), samples.end());
        }
        const auto kept = sift(id, first->labels, std::span(staged.samples).subspan(start), staged.result);
        if (!kept) return tl::unexpected(kept.error());
        staged.samples.resize(start + *kept);
        if (*kept > 0) staged.series.push_back({id, std::span(staged.samples).subspan(start)});
        staged.result.stored += *kept;
    }
    return staged;
}

/// Nothing where all of its samples are refused because of what the series is.
std::optional<SeriesId> SqliteStore::identify(const Labels& labels, std::span<const Sample> samples,
                                              Round& round, AppendResult& result) {
    const auto refuse = [&](const std::string& why) {
        result.refused += samples.size();
        if (result.first_refusal.empty()) result.first_refusal = labels.toString() + ": " + why;
        return std::nullopt;
    };
    if (labels.empty()) return refuse("a series without labels");
    if (const auto known = index_->find(labels)) return known;
    const auto created = round.created.find(labels);
    if (created != round.created.end()) return created->second;
    // A series of nothing but refused samples should not be made.
    if (std::none_of(samples.begin(), samples.end(), validTime)) return refuse(kBadTime);
    if (options_.max_series > 0 && index_->size() + round.new_series.size() >= options_.max_series) {
        over_series_limit_ += samples.size();
        return refuse("a new series, and there are " + std::to_string(options_.max_series) +
                      " already (ingest.max_series)");
    }
    return createSeries(labels, round);
}

/// Moves what may be stored to the front of `samples`, sorted, and says how many those are. Without `labels`
/// the index has the series.
Expected<std::size_t> SqliteStore::sift(SeriesId id, const Labels* labels, std::span<Sample> samples,
                                        AppendResult& result) {
    const Span span = id < spans_.size() ? spans_[id] : Span{};
    const auto refuse = [&](const Sample& sample, const std::string& why) {
        ++result.refused;
        if (!result.first_refusal.empty()) return;
        const auto name = labels != nullptr ? labels->toString() : index_->labels(id)->toString();
        result.first_refusal = name + " at " + std::to_string(sample.timestamp) + ": " + why;
    };
    const auto not_after = [](const Sample& a, const Sample& b) { return a.timestamp >= b.timestamp; };
    bool ascending = std::adjacent_find(samples.begin(), samples.end(), not_after) == samples.end();
    if (ascending && validTime(samples.front()) && validTime(samples.back()) &&
        samples.front().timestamp > span.newest) {
        return samples.size();
    }
    if (!ascending) std::stable_sort(samples.begin(), samples.end(), earlier);
    std::vector<Sample> stored;
    std::int64_t stored_window = -1;
    std::size_t kept = 0;
    for (const Sample sample : samples) {
        if (!validTime(sample)) {
            refuse(sample, kBadTime);
            continue;
        }
        std::optional<double> there;
        if (kept > 0 && samples[kept - 1].timestamp == sample.timestamp) {
            there = samples[kept - 1].value;
        } else if (sample.timestamp >= span.oldest && sample.timestamp <= span.newest) {
            if (const auto window = windowOf(sample.timestamp); window != stored_window) {
                auto found = readStored(id, sample.timestamp, (window + 1) * kWindowMs - 1);
                if (!found) return tl::unexpected(found.error());
                stored = std::move(*found);
                stored_window = window;
            }
            const auto it = std::lower_bound(stored.begin(), stored.end(), sample, earlier);
            if (it != stored.end() && it->timestamp == sample.timestamp) there = it->value;
        }
        if (there && sameBits(*there, sample.value)) {
            ++result.duplicates;
        } else if (there) {
            refuse(sample, "another value is stored for this time");
        } else if (sample.timestamp < span.newest &&
                   span.newest - sample.timestamp > options_.out_of_order_ms) {
            refuse(sample,
                   "too far out of order: the series' newest sample is of " + std::to_string(span.newest));
        } else {
            samples[kept++] = sample;
        }
    }
    return kept;
}

/// The samples in [from, to], which lie in one window.
Expected<std::vector<Sample>> SqliteStore::readStored(SeriesId id, TimestampMs from, TimestampMs to) {
    std::vector<Sample> stored;
    const auto there = writer_blocks_.load(blockRow(windowOf(from), index_->group(id)));
    Expected<void> read;
    if (!there) {
        read = tl::unexpected(there.error());
    } else if (const auto* entry = *there ? writer_blocks_.directory().find(id) : nullptr; entry != nullptr) {
        read = writer_blocks_.read(*entry, from, to, stored);
    }
    // A damaged block must not keep out what comes in; compaction will set it aside.
    if (!read && read.error().kind != ErrorKind::internal) return tl::unexpected(read.error());
    for (const Head* head : {&frozen_, &head_}) mergeInto(head->copy(id, from, to), from, to, stored);
    return stored;
}

Expected<void> SqliteStore::write(const Round& round) {
    writer_blocks_.release();
    const bool any = std::any_of(round.staged.begin(), round.staged.end(),
                                 [](const Staged& staged) { return !staged.series.empty(); });
    if (!any && round.new_series.empty()) return {};
    std::int64_t seq = last_seq_;
    std::size_t bytes = 0;
    auto done = transaction([&]() -> Expected<void> {
        for (const auto& group : round.new_groups) {
            auto inserted = insert_group_.bind(1, group.id).bindText(2, group.name).run();
            if (!inserted) return inserted;
        }
        for (const auto& series : round.new_series) {
            const auto labels = encodeLabels(*series.labels);
            auto inserted = insert_series_.bind(1, series.id).bind(2, series.group).bindBlob(3, labels).run();
            if (!inserted) return inserted;
        }
        for (const auto& staged : round.staged) {
            if (staged.series.empty()) continue;
            const auto payload = encodeLogEntry(staged.series);
            bytes += payload.size();
            auto inserted = insert_log_.bind(1, ++seq).bind(2, options_.clock()).bindBlob(3, payload).run();
            if (!inserted) return inserted;
        }
        return {};
    });
    if (!done) return done;
    last_seq_ = seq;
    written_bytes_ += bytes;
    return {};
}

void SqliteStore::apply(const Round& round) {
    if (!round.new_series.empty()) {
        const std::unique_lock lock(index_mutex_);
        for (const auto& series : round.new_series) index_->add(series.id, series.group, *series.labels);
    }
    std::size_t stored = 0;
    const std::lock_guard lock(head_mutex_);
    spans_.resize(std::max<std::size_t>(spans_.size(), next_series_));
    for (const auto& staged : round.staged) {
        for (const auto& series : staged.series) {
            head_.append(series.id, series.samples);
            spans_[series.id].widen(series.samples.front().timestamp, series.samples.back().timestamp);
            stored += series.samples.size();
        }
    }
    samples_stored_ += stored;
    weighHead();
    seq_ = static_cast<std::uint64_t>(last_seq_);
    logged_bytes_ = written_bytes_;
}

/// The commit failed: nothing of the round has happened.
void SqliteStore::forget(const Round& round) {
    for (const auto& series : round.new_series) --hosts_[series.host].series;
    for (const auto& group : round.new_groups) std::erase(hosts_[group.name].groups, group.id);
    if (!round.new_series.empty()) next_series_ = round.new_series.front().id;
    if (!round.new_groups.empty()) next_group_ = round.new_groups.front().id;
}

}  // namespace lapwing::storage
