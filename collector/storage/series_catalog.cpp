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

std::string hostOf(const Labels& labels) {
    const auto agent = labels.get("agent");
    return std::string(agent.empty() ? labels.get("instance") : agent);
}

}  // namespace

SeriesCatalog::SeriesCatalog(Database& database)
    : database_(database), index_(std::make_unique<SeriesIndex>()) {}

Expected<SeriesId> SeriesCatalog::endInTable(const WriteAccess& access) {
    const auto last = access.connection().integer("SELECT ifnull(max(id), 0) FROM series");
    if (!last) {
        return tl::unexpected(last.error());
    }
    if (*last < 0 || *last > kLastSeries) {
        return damagedSeries(*last);
    }
    return static_cast<SeriesId>(*last) + 1;
}

Expected<std::unordered_map<GroupId, SeriesCatalog::Host*>> SeriesCatalog::loadGroups(
    const WriteAccess& access) {
    access.assertHeld(database_);
    auto groups = access.connection().prepare("SELECT id, name FROM groups ORDER BY id", false);
    if (!groups) {
        return tl::unexpected(groups.error());
    }
    std::unordered_map<GroupId, Host*> host_of;
    for (;;) {
        const auto row = groups->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            return host_of;
        }
        const auto id = static_cast<GroupId>(groups->integer(0));
        Host& host = hosts_[std::string(groups->bytes(1))];
        host.groups.push_back(id);
        host_of[id] = &host;
        next_group_ = std::max(next_group_, id + 1);
    }
}

Expected<std::vector<TimeRange>> SeriesCatalog::load(const WriteAccess& access, SeriesId end) {
    access.assertHeld(database_);
    const auto host_of = loadGroups(access);
    if (!host_of) {
        return tl::unexpected(host_of.error());
    }
    const WriterLock lock(mutex);
    index_->reserve(end);
    std::vector<TimeRange> ranges;
    ranges.reserve(end);
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
        const std::int64_t id = series->integer(0);
        const auto group = static_cast<GroupId>(series->integer(1));
        auto decoded = decodeLabels(series->bytes(5), labels);
        if (!decoded) {
            return tl::unexpected(decoded.error());
        }
        const auto host = host_of->find(group);
        if (id <= 0 || host == host_of->end()) {
            return damagedSeries(id);
        }
        index_->add(static_cast<SeriesId>(id), group, labels);
        ++host->second->series;
        ranges.resize(index_->end());
        if (series->integer(2) == 0) {
            ranges.back() = TimeRange{series->integer(3), series->integer(4)};
        }
    }
    next_series_ = std::max<SeriesId>(1, index_->end());
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
    auto group = access.connection().prepare("INSERT INTO groups(id, name) VALUES(?1, ?2)");
    if (!group) {
        return tl::unexpected(group.error());
    }
    auto series = access.connection().prepare("INSERT INTO series(id, group_id, labels) VALUES(?1, ?2, ?3)");
    if (!series) {
        return tl::unexpected(series.error());
    }
    insert_group_ = std::move(*group);
    insert_series_ = std::move(*series);
    return {};
}

SeriesId SeriesCatalog::end(const WriteAccess& access) const {
    access.assertHeld(database_);
    return next_series_;
}

SeriesId SeriesCatalog::create(const WriteAccess& access, const Labels& labels, NewSeries& created) {
    access.assertHeld(database_);
    auto name = hostOf(labels);
    Host& host = hosts_[name];
    if (host.series / kSeriesPerGroup >= host.groups.size()) {
        created.groups.push_back({next_group_, name});
        host.groups.push_back(next_group_++);
    }
    const GroupId group = host.groups[host.series / kSeriesPerGroup];
    ++host.series;
    const SeriesId id = next_series_++;
    const auto [entry, added] = created.ids.emplace(labels, id);
    created.series.push_back({id, group, std::move(name), &entry->first});
    return id;
}

Expected<void> SeriesCatalog::insert(const WriteAccess& access, const NewSeries& created) {
    access.assertHeld(database_);
    for (const auto& group : created.groups) {
        auto inserted = insert_group_.bind(1, group.id).bindText(2, group.host).run();
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
        --hosts_[series.host].series;
    }
    for (const auto& group : created.groups) {
        std::erase(hosts_[group.host].groups, group.id);
    }
    if (!created.series.empty()) {
        next_series_ = created.series.front().id;
    }
    if (!created.groups.empty()) {
        next_group_ = created.groups.front().id;
    }
}

Expected<void> SeriesCatalog::putTimeRanges(const WriteAccess& access,
                                            const std::vector<std::pair<SeriesId, TimeRange>>& ranges) {
    return access.transaction([&]() -> Expected<void> {
        auto update =
            access.connection().prepare("UPDATE series SET oldest = ?2, newest = ?3 WHERE id = ?1", false);
        if (!update) {
            return tl::unexpected(update.error());
        }
        for (const auto& [id, range] : ranges) {
            auto updated = update->bind(1, id).bind(2, range.oldest).bind(3, range.newest).run();
            if (!updated) {
                return updated;
            }
        }
        return {};
    });
}

Expected<void> SeriesCatalog::erase(const WriteAccess& access, const std::vector<SeriesId>& gone) {
    if (gone.empty()) {
        return {};
    }
    // A new index rather than a thinner one: symbols that no series uses any more go with the old one.
    auto left = std::make_unique<SeriesIndex>();
    const SeriesIndex& before = index(access);
    for (const auto id : before.all()) {
        if (!std::binary_search(gone.begin(), gone.end(), id)) {
            left->add(id, before.group(id), *before.labels(id));
        }
    }
    auto done = access.transaction([&]() -> Expected<void> {
        auto series = access.connection().prepare("DELETE FROM series WHERE id = ?1", false);
        if (!series) {
            return tl::unexpected(series.error());
        }
        for (const auto id : gone) {
            auto erased = series->bind(1, id).run();
            if (!erased) {
                return erased;
            }
        }
        return access.connection().exec("DELETE FROM groups WHERE id NOT IN (SELECT group_id FROM series)");
    });
    if (!done) {
        return done;
    }
    regroup(access, *left);
    const WriterLock lock(mutex);
    index_ = std::move(left);
    return {};
}

/// Counts each host's series again, and forgets groups and hosts without any.
void SeriesCatalog::regroup(const WriteAccess& access, const SeriesIndex& left) {
    access.assertHeld(database_);
    std::unordered_map<GroupId, std::size_t> in_group;
    for (const auto id : left.all()) {
        ++in_group[left.group(id)];
    }
    for (auto host = hosts_.begin(); host != hosts_.end();) {
        auto& groups = host->second.groups;
        std::erase_if(groups, [&](GroupId group) { return !in_group.contains(group); });
        host->second.series = 0;
        for (const auto group : groups) {
            host->second.series += in_group[group];
        }
        host = groups.empty() ? hosts_.erase(host) : std::next(host);
    }
}

}  // namespace lapwing::storage
