#include "collector/storage/series_archive.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "collector/limits/query_limits.h"
#include "collector/storage/salvage.h"
#include "collector/storage/series_row.h"
#include "common/digest.h"

namespace lapwing::storage {
namespace {

constexpr const char* kSelect = "SELECT id, group_id, oldest, newest, labels FROM archived ";

/// The file keeps it.
std::int64_t hashOf(std::string_view text) {
    return static_cast<std::int64_t>(fnv1a(text));
}

Expected<Labels> labelsOf(std::string_view encoded) {
    std::vector<LabelView> views;
    if (auto decoded = decodeLabels(encoded, views); !decoded) {
        return tl::unexpected(decoded.error());
    }
    std::vector<Label> labels;
    labels.reserve(views.size());
    for (const auto& view : views) {
        labels.push_back({std::string(view.name), std::string(view.value)});
    }
    return Labels(std::move(labels));
}

Expected<ArchivedSeries> seriesOf(const Statement& row) {
    ArchivedSeries out;
    out.id = static_cast<SeriesId>(row.integer(0));
    out.group = static_cast<GroupId>(row.integer(1));
    out.range = TimeRange{row.integer(2), row.integer(3)};
    auto labels = labelsOf(row.bytes(4));
    if (!labels) {
        return tl::unexpected(labels.error());
    }
    out.labels = std::move(*labels);
    return out;
}

/// A row with damaged labels is left out, and dropped by the next salvage: it must not make queries fail that
/// have nothing to do with it.
void noteDamage(const Connection& connection) {
    if (const char* file = sqlite3_db_filename(connection.get(), "main")) {
        markDamaged(file);
    }
}

bool meets(const Labels& labels, const Matchers& matchers) {
    return std::all_of(matchers.begin(), matchers.end(),
                       [&](const Matcher& matcher) { return matcher.matches(labels); });
}

const std::string* metricOf(const Matchers& matchers) {
    const auto name = std::find_if(matchers.begin(), matchers.end(), [](const Matcher& matcher) {
        return matcher.type() == Matcher::Type::equal && matcher.name() == "__name__";
    });
    return name == matchers.end() ? nullptr : &name->value();
}

Expected<Statement> candidates(Connection& connection, const Matchers& matchers, TimestampMs from,
                               TimestampMs to) {
    const auto* metric = metricOf(matchers);
    auto query = connection.prepare(std::string(kSelect) + "WHERE newest >= ?1 AND oldest <= ?2" +
                                        (metric == nullptr ? "" : " AND metric_hash = ?3"),
                                    false);
    if (query) {
        query->bind(1, from).bind(2, to);
        if (metric != nullptr) {
            query->bind(3, hashOf(*metric));
        }
    }
    return query;
}

}  // namespace

bool SeriesArchive::isInFile(const WriteAccess& access) {
    return access.connection().integer("PRAGMA user_version").value_or(0) >= 2;
}

Expected<std::map<GroupId, std::size_t>> SeriesArchive::load(const WriteAccess& access) {
    std::map<GroupId, std::size_t> out;
    auto& connection = access.connection();
    if (!isInFile(access)) {
        return out;
    }
    auto groups = connection.prepare("SELECT group_id, count(*) FROM archived GROUP BY group_id", false);
    if (!groups) {
        return tl::unexpected(groups.error());
    }
    const auto counted = groups->eachRow([&]() -> Expected<void> {
        const auto count = static_cast<std::size_t>(groups->integer(1));
        out[static_cast<GroupId>(groups->integer(0))] = count;
        size_ += count;
        return {};
    });
    if (!counted) {
        return tl::unexpected(counted.error());
    }
    if (size_ > 0) {
        const auto newest = connection.integer("SELECT max(newest) FROM archived");
        if (!newest) {
            return tl::unexpected(newest.error());
        }
        newest_ = *newest;
    }
    return out;
}

Expected<void> SeriesArchive::prepare(const WriteAccess& access) {
    access.assertHeld(database_);
    auto find = access.connection().prepare(std::string(kSelect) + "WHERE labels_hash = ?1");
    if (!find) {
        return tl::unexpected(find.error());
    }
    auto erase = access.connection().prepare("DELETE FROM archived WHERE id = ?1 RETURNING group_id");
    if (!erase) {
        return tl::unexpected(erase.error());
    }
    find_ = std::move(*find);
    erase_ = std::move(*erase);
    return {};
}

Expected<std::optional<ArchivedSeries>> SeriesArchive::find(const WriteAccess& access, const Labels& labels) {
    access.assertHeld(database_);
    std::optional<ArchivedSeries> found;
    if (size_ == 0) {
        return found;
    }
    find_.bind(1, hashOf(encodeLabels(labels)));
    const auto read = find_.eachRow([&]() -> Expected<void> {
        access.assertHeld(database_);
        auto series = seriesOf(find_);
        if (!series) {
            noteDamage(access.connection());
        } else if (series->labels == labels) {
            found = std::move(*series);
        }
        return {};
    });
    if (!read) {
        return tl::unexpected(read.error());
    }
    return found;
}

Expected<std::optional<ArchivedSeries>> SeriesArchive::get(const WriteAccess& access, SeriesId id) {
    auto query = access.connection().prepare(std::string(kSelect) + "WHERE id = ?1", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    const auto row = query->bind(1, id).step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return std::optional<ArchivedSeries>();
    }
    auto series = seriesOf(*query);
    if (!series) {
        return tl::unexpected(series.error());
    }
    return std::optional(std::move(*series));
}

Expected<void> SeriesArchive::put(const WriteAccess& access, const std::vector<ArchivedSeries>& series) {
    auto insert = access.connection().prepare(
        "INSERT INTO archived(id, group_id, oldest, newest, labels_hash, metric_hash, digest, labels)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, ''), ?8)",
        false);
    if (!insert) {
        return tl::unexpected(insert.error());
    }
    auto erase = access.connection().prepare("DELETE FROM series WHERE id = ?1", false);
    if (!erase) {
        return tl::unexpected(erase.error());
    }
    for (const auto& each : series) {
        const auto encoded = encodeLabels(each.labels);
        insert->bind(1, each.id).bind(2, each.group).bind(3, each.range.oldest).bind(4, each.range.newest);
        insert->bind(5, hashOf(encoded)).bind(6, hashOf(each.labels.metricName()));
        insert->bindText(7, each.labels.get("digest")).bindBlob(8, encoded);
        auto done = insert->run();
        if (done) {
            done = erase->bind(1, each.id).run();
        }
        if (!done) {
            return done;
        }
    }
    for (const auto& each : series) {
        newest_ = std::max(newest_.load(), each.range.newest);
    }
    size_ += series.size();
    return {};
}

Expected<void> SeriesArchive::takeBack(const WriteAccess& access, SeriesId id, const TimeRange& range) {
    auto insert = access.connection().prepare(
        "INSERT INTO series(id, group_id, oldest, newest, labels)"
        " SELECT id, group_id, ?2, ?3, labels FROM archived WHERE id = ?1",
        false);
    if (!insert) {
        return tl::unexpected(insert.error());
    }
    auto done = insert->bind(1, id).bind(2, range.oldest).bind(3, range.newest).run();
    if (done) {
        done = erase(access, id).map([](const auto&) {});
    }
    return done;
}

Expected<void> SeriesArchive::putTimeRange(const WriteAccess& access, SeriesId id, const TimeRange& range) {
    auto update =
        access.connection().prepare("UPDATE archived SET oldest = ?2, newest = ?3 WHERE id = ?1", false);
    if (!update) {
        return tl::unexpected(update.error());
    }
    return update->bind(1, id).bind(2, range.oldest).bind(3, range.newest).run();
}

Expected<std::optional<GroupId>> SeriesArchive::erase(const WriteAccess& access, SeriesId id) {
    access.assertHeld(database_);
    const auto row = erase_.bind(1, id).step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return std::optional<GroupId>();
    }
    const auto group = static_cast<GroupId>(erase_.integer(0));
    erase_.reset();
    --size_;
    return std::optional(group);
}

void SeriesArchive::recount(const WriteAccess& access) {
    if (const auto count = access.connection().integer("SELECT count(*) FROM archived")) {
        size_ = static_cast<std::size_t>(*count);
    }
}

Expected<std::vector<SeriesId>> SeriesArchive::endedBefore(const WriteAccess& access, TimestampMs before,
                                                           std::size_t most) const {
    std::vector<SeriesId> out;
    auto query = access.connection().prepare(
        "SELECT id FROM archived WHERE newest < ?1 ORDER BY newest LIMIT ?2", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    query->bind(1, before).bind(2, static_cast<std::int64_t>(most));
    return query
        ->eachRow([&]() -> Expected<void> {
            out.push_back(static_cast<SeriesId>(query->integer(0)));
            return {};
        })
        .map([&] { return std::move(out); });
}

Expected<std::vector<std::string>> SeriesArchive::digests(const WriteAccess& access) const {
    std::vector<std::string> out;
    auto query =
        access.connection().prepare("SELECT DISTINCT digest FROM archived WHERE digest IS NOT NULL", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    return query
        ->eachRow([&]() -> Expected<void> {
            out.emplace_back(query->bytes(0));
            return {};
        })
        .map([&] { return std::move(out); });
}

Expected<void> SeriesArchive::select(Connection& connection, const std::vector<Matchers>& any,
                                     TimestampMs from, TimestampMs to,
                                     const std::function<Expected<void>(ArchivedSeries)>& use) {
    const std::vector<Matchers> all(1);
    std::set<SeriesId> seen;
    for (const auto& matchers : any.empty() ? all : any) {
        auto rows = candidates(connection, matchers, from, to);
        if (!rows) {
            return tl::unexpected(rows.error());
        }
        auto used = rows->eachRow([&]() -> Expected<void> {
            if (auto go_on = QueryLimits::check(); !go_on) {
                return go_on;
            }
            auto series = seriesOf(*rows);
            if (!series) {
                noteDamage(connection);
                return {};
            }
            const bool wanted =
                meets(series->labels, matchers) && (any.size() <= 1 || seen.insert(series->id).second);
            return wanted ? use(std::move(*series)) : Expected<void>();
        });
        if (!used) {
            return used;
        }
    }
    return {};
}

Expected<std::optional<Labels>> SeriesArchive::labels(Connection& connection, SeriesId id) {
    auto query = connection.prepare(
        "SELECT labels FROM series WHERE id = ?1 UNION ALL SELECT labels FROM archived WHERE id = ?1", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    const auto row = query->bind(1, id).step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return std::optional<Labels>();
    }
    return labelsOf(query->bytes(0)).map([](Labels labels) { return std::optional(std::move(labels)); });
}

}  // namespace lapwing::storage
