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
/// A host with more series than that gets another group, so that blocks stay of a size that can be rewritten.
constexpr std::size_t kSeriesPerGroup = 4096;

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
    const std::vector<TimeSeries>* batch = nullptr;
    bool done = false;
    Expected<AppendResult> result;
};

struct SqliteStore::Staged {
    Pending* pending = nullptr;
    AppendResult result;
    std::vector<SeriesBatch> series;
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

Expected<AppendResult> SqliteStore::append(const std::vector<TimeSeries>& batch) {
    Pending own;
    own.batch = &batch;
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
        if (mustWait(*one->batch, round)) return false;
        auto staged = stage(*one->batch, round);
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
            staged.pending->result = std::move(staged.result);
        } else {
            staged.pending->result = tl::unexpected(written.error());
        }
    }
    return static_cast<std::size_t>(waiting - pending.begin());
}

/// A batch is checked against what is committed, so two with a series in common cannot be in one round.
bool SqliteStore::mustWait(const std::vector<TimeSeries>& batch, const Round& round) const {
    if (round.staged.empty()) return false;
    return std::any_of(batch.begin(), batch.end(), [&](const TimeSeries& series) {
        if (round.created.contains(series.labels)) return true;
        const auto id = index_->find(series.labels);
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

Expected<SqliteStore::Staged> SqliteStore::stage(const std::vector<TimeSeries>& batch, Round& round) {
    Staged staged;
    staged.series.reserve(batch.size());
    const std::uint32_t number = ++batch_number_;
    for (const auto& series : batch) {
        if (series.samples.empty()) continue;
        if (series.labels.empty()) {
            staged.result.refused += series.samples.size();
            if (staged.result.first_refusal.empty())
                staged.result.first_refusal = "{}: a series without labels";
            continue;
        }
        auto known = index_->find(series.labels);
        if (!known) {
            const auto created = round.created.find(series.labels);
            if (created != round.created.end()) known = created->second;
        }
        if (!known) {
            // A series of nothing but refused samples should not be made.
            const bool any =
                std::any_of(series.samples.begin(), series.samples.end(), [](const Sample& sample) {
                    return sample.timestamp >= 0 && sample.timestamp <= kLatestTime;
                });
            known = any ? createSeries(series.labels, round) : SeriesId{0};
        }
        if (staged_by_.size() <= *known) {
            staged_by_.resize(*known + std::size_t{1});
            staged_at_.resize(*known + std::size_t{1});
        }
        if (staged_by_[*known] != number) {
            staged_by_[*known] = number;
            staged_at_[*known] = static_cast<std::uint32_t>(staged.series.size());
            staged.series.push_back(SeriesBatch{*known, {}});
        }
        auto done = stageSeries(series, *known, staged.series[staged_at_[*known]].samples, staged.result);
        if (!done) return tl::unexpected(done.error());
    }
    std::erase_if(staged.series, [](const SeriesBatch& one) { return one.samples.empty(); });
    for (const auto& series : staged.series) staged.result.stored += series.samples.size();
    return staged;
}

Expected<void> SqliteStore::stageSeries(const TimeSeries& series, SeriesId id, std::vector<Sample>& accepted,
                                        AppendResult& result) {
    const Span span = id < spans_.size() ? spans_[id] : Span{};
    const auto refuse = [&](const Sample& sample, std::string_view why) {
        ++result.refused;
        if (!result.first_refusal.empty()) return;
        result.first_refusal = series.labels.toString() + " at " + std::to_string(sample.timestamp) + ": ";
        result.first_refusal += why;
    };
    for (const auto& sample : series.samples) {
        if (sample.timestamp < 0 || sample.timestamp > kLatestTime) {
            refuse(sample, "its time is not between 1970 and the end of what can be stored");
            continue;
        }
        const TimestampMs newest =
            accepted.empty() ? span.newest : std::max(span.newest, accepted.back().timestamp);
        if (sample.timestamp > newest) {
            accepted.push_back(sample);
            continue;
        }
        const auto place = std::lower_bound(accepted.begin(), accepted.end(), sample, earlier);
        std::optional<double> there;
        if (place != accepted.end() && place->timestamp == sample.timestamp) {
            there = place->value;
        } else if (sample.timestamp >= span.oldest && sample.timestamp <= span.newest) {
            auto found = findStored(id, sample.timestamp);
            if (!found) return tl::unexpected(found.error());
            there = *found;
        }
        if (there && sameBits(*there, sample.value)) {
            ++result.duplicates;
        } else if (there) {
            refuse(sample, "another value is stored for this time");
        } else if (sample.timestamp < newest - options_.out_of_order_ms) {
            refuse(sample, "too far out of order: the series' newest sample is of " + std::to_string(newest));
        } else {
            accepted.insert(place, sample);
        }
    }
    return {};
}

Expected<std::optional<double>> SqliteStore::findStored(SeriesId id, TimestampMs at) {
    for (const Head* head : {&head_, &frozen_}) {
        if (const auto value = head->find(id, at)) return value;
    }
    const auto there = writer_blocks_.load(blockRow(windowOf(at), index_->group(id)));
    if (!there) return tl::unexpected(there.error());
    std::optional<double> value;
    if (*there) {
        const auto* entry = writer_blocks_.directory().find(id);
        std::vector<Sample> samples;
        if (entry != nullptr) {
            auto done = writer_blocks_.read(*entry, at, at, samples);
            if (!done) return tl::unexpected(done.error());
        }
        if (!samples.empty()) value = samples.front().value;
    }
    return value;
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
    log_bytes_ += bytes;
    written_bytes_ += bytes;
    return {};
}

void SqliteStore::apply(const Round& round) {
    if (!round.new_series.empty()) {
        const std::unique_lock lock(index_mutex_);
        for (const auto& series : round.new_series) index_->add(series.id, series.group, *series.labels);
    }
    std::uint64_t stored = 0;
    const std::lock_guard lock(head_mutex_);
    spans_.resize(std::max<std::size_t>(spans_.size(), next_series_));
    for (const auto& staged : round.staged) {
        for (const auto& series : staged.series) {
            head_.append(series.id, series.samples);
            Span& span = spans_[series.id];
            span.oldest = std::min(span.oldest, series.samples.front().timestamp);
            span.newest = std::max(span.newest, series.samples.back().timestamp);
            stored += series.samples.size();
        }
    }
    samples_stored_ += stored;
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
