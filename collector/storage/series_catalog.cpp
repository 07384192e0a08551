#include "collector/storage/series_catalog.h"

#include <algorithm>
#include <iterator>

#include "collector/storage/series_row.h"

namespace lapwing::storage {
namespace {

constexpr std::int64_t kLastSeries = INT32_MAX;
/// A host with more series than that gets another group, so that a block stays small enough to be rewritten.
constexpr std::size_t kSeriesPerGroup = 4096;

tl::unexpected<Error> damagedSeries(std::int64_t id) {
    return fail(ErrorKind::internal, "series " + std::to_string(id) + " is damaged");
}

/// The samples of one host share blocks; the collector's own series are few.
std::string hostOf(const std::string& sender, const Labels& labels) {
    if (isOwn(sender)) {
        return {};
    }
    const auto agent = labels.get("agent");
    return std::string(agent.empty() ? labels.get("instance") : agent);
}

/// So many series of the archive expire in one transaction.
constexpr std::size_t kExpiredAtOnce = 1000;

}  // namespace

SeriesCatalog::SeriesCatalog(const StoreOptions& options, Database& database)
    : database_(database),
      archive_(database),
      budget_(options.limits),
      index_(std::make_unique<SeriesIndex>()) {}

Expected<SeriesId> SeriesCatalog::endInTable(const WriteAccess& access) {
    auto last = access.connection().integer("SELECT ifnull(max(id), 0) FROM series");
    if (last && SeriesArchive::isInFile(access)) {
        last = access.connection().integer("SELECT max(" + std::to_string(*last) +
                                           ", ifnull(max(id), 0)) FROM archived");
    }
    if (!last) {
        return tl::unexpected(last.error());
    }
    if (*last < 0 || *last > kLastSeries) {
        return damagedSeries(*last);
    }
    return static_cast<SeriesId>(*last) + 1;
}

std::shared_ptr<const Labels> SeriesCatalog::labels(SeriesId id) const {
    const ReaderLock lock(mutex);
    return index_->contains(id) ? index_->labels(id) : nullptr;
}

Expected<void> SeriesCatalog::loadGroups(const WriteAccess& access) {
    access.assertHeld(database_);
    auto groups = access.connection().prepare(SeriesArchive::isInFile(access)
                                                  ? "SELECT id, name, sender FROM groups ORDER BY id"
                                                  : "SELECT id, name, name FROM groups ORDER BY id",
                                              false);
    if (!groups) {
        return tl::unexpected(groups.error());
    }
    return groups->eachRow([&]() -> Expected<void> {
        access.assertHeld(database_);
        const auto id = static_cast<GroupId>(groups->integer(0));
        const std::string sender(groups->bytes(2));
        Host& host = hosts_[{sender, std::string(groups->bytes(1))}];
        host.sender = sender;
        host.groups.push_back(id);
        groups_[id] = Group{&host, 0};
        next_group_ = std::max(next_group_, id + 1);
        return {};
    });
}

Expected<SeriesCatalog::TimeRanges> SeriesCatalog::load(const WriteAccess& access, SeriesId end) {
    access.assertHeld(database_);
    if (auto loaded = loadGroups(access); !loaded) {
        return tl::unexpected(loaded.error());
    }
    const auto archived = archive_.load(access);
    if (!archived) {
        return tl::unexpected(archived.error());
    }
    for (const auto& [group, count] : *archived) {
        groups_[group].kept += count;
        kept_ += count;
    }
    const WriterLock lock(mutex);
    TimeRanges ranges;
    std::vector<LabelView> labels;
    auto series = access.connection().prepare(
        "SELECT id, group_id, oldest IS NULL, oldest, newest, labels FROM series ORDER BY id", false);
    if (!series) {
        return tl::unexpected(series.error());
    }
    for (;;) {
        const auto row = series->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            break;
        }
        const auto id = static_cast<SeriesId>(series->integer(0));
        const auto group = static_cast<GroupId>(series->integer(1));
        auto decoded = decodeLabels(series->bytes(5), labels);
        if (!decoded) {
            return tl::unexpected(decoded.error());
        }
        const auto known = groups_.find(group);
        if (series->integer(0) <= 0 || known == groups_.end() || known->second.host == nullptr) {
            return damagedSeries(series->integer(0));
        }
        index_->add(id, group, labels);
        ++known->second.kept;
        ++kept_;
        countActive(access, group, index_->labelBytes(id));
        ranges.emplace_back(
            id, series->integer(2) == 0 ? TimeRange{series->integer(3), series->integer(4)} : TimeRange{});
    }
    next_series_ = std::max<SeriesId>(1, end);
    const auto next = access.connection().integer("SELECT value FROM meta WHERE name = 'next_series'");
    if (next) {
        next_series_ = std::max(next_series_, static_cast<SeriesId>(*next));
    } else if (next.error().kind != ErrorKind::not_found) {
        return tl::unexpected(next.error());
    }
    return ranges;
}

Expected<void> SeriesCatalog::prepare(const WriteAccess& access) {
    access.assertHeld(database_);
    auto group = access.connection().prepare("INSERT INTO groups(id, name, sender) VALUES(?1, ?2, ?3)");
    if (!group) {
        return tl::unexpected(group.error());
    }
    auto series = access.connection().prepare("INSERT INTO series(id, group_id, labels) VALUES(?1, ?2, ?3)");
    if (!series) {
        return tl::unexpected(series.error());
    }
    insert_group_ = std::move(*group);
    insert_series_ = std::move(*series);
    return archive_.prepare(access);
}

void SeriesCatalog::countActive(const WriteAccess& access, GroupId group, std::size_t label_bytes) {
    access.assertHeld(database_);
    Host& host = *groups_.at(group).host;
    ++host.active;
    budget_.add(host.sender, label_bytes);
}

void SeriesCatalog::uncountActive(const WriteAccess& access, GroupId group, std::size_t label_bytes) {
    access.assertHeld(database_);
    Host& host = *groups_.at(group).host;
    --host.active;
    budget_.remove(host.sender, label_bytes);
}

SeriesId SeriesCatalog::end(const WriteAccess& access) const {
    access.assertHeld(database_);
    return next_series_;
}

SeriesId SeriesCatalog::create(const WriteAccess& access, const std::string& sender, const Labels& labels,
                               NewSeries& created) {
    access.assertHeld(database_);
    auto name = hostOf(sender, labels);
    Host& host = hosts_[{sender, name}];
    host.sender = sender;
    if (host.active / kSeriesPerGroup >= host.groups.size()) {
        groups_[next_group_] = Group{&host, 0};
        created.groups.push_back({next_group_, sender, std::move(name)});
        host.groups.push_back(next_group_++);
    }
    const GroupId group = host.groups[host.active / kSeriesPerGroup];
    const SeriesId id = next_series_++;
    const auto [entry, added] = created.ids.emplace(labels, id);
    created.series.push_back({id, group, bytesOf(labels), &entry->first});
    ++groups_[group].kept;
    ++kept_;
    countActive(access, group, created.series.back().label_bytes);
    return id;
}

Expected<void> SeriesCatalog::insert(const WriteAccess& access, const NewSeries& created) {
    access.assertHeld(database_);
    for (const auto& group : created.groups) {
        auto inserted =
            insert_group_.bind(1, group.id).bindText(2, group.host).bindText(3, group.sender).run();
        if (!inserted) {
            return inserted;
        }
    }
    for (const auto& series : created.series) {
        const auto labels = encodeLabels(*series.labels);
        auto inserted = insert_series_.bind(1, series.id).bind(2, series.group).bindBlob(3, labels).run();
        if (!inserted) {
            return inserted;
        }
    }
    return {};
}

void SeriesCatalog::publish(const WriteAccess& access, const NewSeries& created) {
    access.assertHeld(database_);
    const WriterLock lock(mutex);
    for (const auto& series : created.series) {
        index_->add(series.id, series.group, *series.labels);
    }
}

void SeriesCatalog::withdraw(const WriteAccess& access, const NewSeries& created) {
    access.assertHeld(database_);
    for (const auto& series : created.series) {
        uncountActive(access, series.group, series.label_bytes);
        --groups_[series.group].kept;
        --kept_;
    }
    for (const auto& group : created.groups) {
        std::erase(groups_[group.id].host->groups, group.id);
        groups_.erase(group.id);
    }
    if (!created.series.empty()) {
        next_series_ = created.series.front().id;
    }
    if (!created.groups.empty()) {
        next_group_ = created.groups.front().id;
    }
}

void SeriesCatalog::revive(const WriteAccess& access, const ArchivedSeries& series) {
    access.assertHeld(database_);
    revived_.insert(series.id);
    countActive(access, series.group, bytesOf(series.labels));
    const WriterLock lock(mutex);
    index_->add(series.id, series.group, series.labels);
}

Expected<void> SeriesCatalog::archive(const WriteAccess& access, const TimeRanges& series) {
    access.assertHeld(database_);
    std::vector<ArchivedSeries> rows;
    rows.reserve(series.size());
    for (const auto& [id, range] : series) {
        if (!revived_.contains(id)) {
            rows.push_back({id, index(access).group(id), range, *index(access).labels(id)});
        }
    }
    auto done = access.transaction([&] { return archive_.put(access, rows); });
    if (!done) {
        archive_.recount(access);
        return done;
    }
    for (const auto& row : rows) {
        revived_.insert(row.id);
    }
    return done;
}

bool SeriesCatalog::isArchived(const WriteAccess& access, SeriesId id) const {
    access.assertHeld(database_);
    return revived_.contains(id);
}

void SeriesCatalog::retire(const WriteAccess& access, const std::vector<SeriesId>& gone) {
    access.assertHeld(database_);
    for (const auto id : gone) {
        revived_.erase(id);
    }
    removeFromMemory(access, gone);
}

/// `gone` is ascending, and its series are active.
void SeriesCatalog::removeFromMemory(const WriteAccess& access, const std::vector<SeriesId>& gone) {
    if (gone.empty()) {
        return;
    }
    const SeriesIndex& before = index(access);
    for (const auto id : gone) {
        uncountActive(access, before.group(id), before.labelBytes(id));
    }
    auto left = before.without(gone);
    const WriterLock lock(mutex);
    index_ = std::move(left);
}

Expected<void> SeriesCatalog::putTimeRanges(const WriteAccess& access, const TimeRanges& ranges) {
    access.assertHeld(database_);
    auto done = access.transaction([&]() -> Expected<void> {
        access.assertHeld(database_);
        auto update =
            access.connection().prepare("UPDATE series SET oldest = ?2, newest = ?3 WHERE id = ?1", false);
        if (!update) {
            return tl::unexpected(update.error());
        }
        for (const auto& [id, range] : ranges) {
            Expected<void> updated;
            if (revived_.contains(id)) {
                updated = archive_.takeBack(access, id, range);
            } else if (index(access).contains(id)) {
                updated = update->bind(1, id).bind(2, range.oldest).bind(3, range.newest).run();
            } else {
                updated = archive_.putTimeRange(access, id, range);
            }
            if (!updated) {
                return updated;
            }
        }
        return {};
    });
    if (!done) {
        archive_.recount(access);
        return done;
    }
    for (const auto& [id, range] : ranges) {
        revived_.erase(id);
    }
    return done;
}

Expected<void> SeriesCatalog::erase(const WriteAccess& access, const std::vector<SeriesId>& gone) {
    access.assertHeld(database_);
    if (gone.empty()) {
        return {};
    }
    std::vector<SeriesId> active;
    std::vector<GroupId> groups;
    auto done = access.transaction([&]() -> Expected<void> {
        auto series =
            access.connection().prepare("DELETE FROM series WHERE id = ?1 RETURNING group_id", false);
        if (!series) {
            return tl::unexpected(series.error());
        }
        for (const auto id : gone) {
            if (index(access).contains(id)) {
                active.push_back(id);
            }
            const auto row = series->bind(1, id).step();
            if (!row) {
                return tl::unexpected(row.error());
            }
            if (*row) {
                groups.push_back(static_cast<GroupId>(series->integer(0)));
                series->reset();
                continue;
            }
            const auto group = archive_.erase(access, id);
            if (!group) {
                return tl::unexpected(group.error());
            }
            if (*group) {
                groups.push_back(**group);
            }
        }
        return {};
    });
    if (!done) {
        archive_.recount(access);
        return done;
    }
    for (const auto id : active) {
        revived_.erase(id);
    }
    removeFromMemory(access, active);
    return forgetKept(access, groups);
}

/// Uncounts deleted series, by their groups, and deletes groups without any.
Expected<void> SeriesCatalog::forgetKept(const WriteAccess& access,
                                         const std::vector<GroupId>& groups_of_gone) {
    access.assertHeld(database_);
    kept_ -= groups_of_gone.size();
    std::vector<GroupId> empty;
    for (const auto group : groups_of_gone) {
        if (--groups_[group].kept == 0) {
            empty.push_back(group);
        }
    }
    if (empty.empty()) {
        return {};
    }
    auto done = access.transaction([&]() -> Expected<void> {
        auto erase = access.connection().prepare("DELETE FROM groups WHERE id = ?1", false);
        if (!erase) {
            return tl::unexpected(erase.error());
        }
        for (const auto group : empty) {
            if (auto erased = erase->bind(1, group).run(); !erased) {
                return erased;
            }
        }
        return {};
    });
    if (!done) {
        return done;
    }
    for (const auto group : empty) {
        std::erase(groups_[group].host->groups, group);
        groups_.erase(group);
    }
    std::erase_if(hosts_, [](const auto& host) { return host.second.groups.empty(); });
    return {};
}

Expected<bool> SeriesCatalog::expireArchived(const WriteAccess& access, TimestampMs before) {
    const auto ended = archive_.endedBefore(access, before, kExpiredAtOnce);
    if (!ended) {
        return tl::unexpected(ended.error());
    }
    std::vector<SeriesId> gone;
    for (const auto id : *ended) {
        // An active series has newer samples, which its row of the archive does not tell.
        if (!index(access).contains(id)) {
            gone.push_back(id);
        }
    }
    std::sort(gone.begin(), gone.end());
    auto done = erase(access, gone);
    if (!done) {
        return tl::unexpected(done.error());
    }
    return !gone.empty();
}

}  // namespace lapwing::storage
