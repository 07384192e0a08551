#include "collector/storage/log_table.h"

#include <algorithm>

namespace lapwing::storage {
namespace {

/// Names in the table `meta`: this and the reader's name.
constexpr std::string_view kCursorPrefix = "cursor/";
constexpr std::int64_t kRowsAtOnce = 500;

}  // namespace

Expected<Head> LogTable::replay(SeriesId end) {
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto& connection = (*reader)->connection;
    std::int64_t last = 0;
    const auto compacted = connection.integer("SELECT value FROM meta WHERE name = 'compacted_seq'");
    if (compacted) {
        last = *compacted;
    } else if (compacted.error().kind != ErrorKind::not_found) {
        return tl::unexpected(compacted.error());
    }
    // Earlier entries are in blocks, and are kept for readers of the log alone.
    auto log = connection.prepare("SELECT seq, payload FROM log WHERE seq > ?1 ORDER BY seq", false);
    if (!log) {
        return tl::unexpected(log.error());
    }
    log->bind(1, last);
    Head head;
    LogEntry entry;
    const auto read = log->eachRow([&]() -> Expected<void> {
        last = log->integer(0);
        auto done = entry.decode(log->bytes(1));
        if (!done) {
            return tl::unexpected(done.error());
        }
        for (const auto& series : entry.series()) {
            if (series.id >= end || series.samples.empty()) {
                return unknownInLog(series.id);
            }
            head.append(series.id, series.samples);
        }
        return {};
    });
    if (!read) {
        return tl::unexpected(read.error());
    }
    const MutexLock lock(mutex_);
    end_.seq = static_cast<std::uint64_t>(last);
    return head;
}

Expected<void> LogTable::load(const WriteAccess& access) {
    access.assertHeld(database_);
    auto insert = access.connection().prepare("INSERT INTO log(seq, received, payload) VALUES(?1, ?2, ?3)");
    if (!insert) {
        return tl::unexpected(insert.error());
    }
    insert_ = std::move(*insert);
    auto query =
        access.connection().prepare("SELECT name, value FROM meta WHERE name >= ?1 AND name < ?2", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    std::string beyond(kCursorPrefix);
    ++beyond.back();
    query->bindText(1, kCursorPrefix).bindText(2, beyond);
    for (;;) {
        const auto row = query->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            return {};
        }
        cursors_[std::string(query->bytes(0).substr(kCursorPrefix.size()))] =
            static_cast<std::uint64_t>(query->integer(1));
    }
}

LogEnd LogTable::end() const {
    const MutexLock lock(mutex_);
    return end_;
}

Expected<void> LogTable::insert(const WriteAccess& access, std::uint64_t seq, TimestampMs received,
                                std::string_view payload) {
    access.assertHeld(database_);
    return insert_.bind(1, static_cast<std::int64_t>(seq)).bind(2, received).bindBlob(3, payload).run();
}

void LogTable::publish(const WriteAccess& access, LogEnd end) {
    access.assertHeld(database_);
    const MutexLock lock(mutex_);
    end_ = end;
}

Expected<std::vector<LoggedBatch>> LogTable::read(std::uint64_t after, std::size_t max_samples) const {
    // The series of later entries may not be in the index yet.
    const auto last = static_cast<std::int64_t>(end().seq);
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto query = (*reader)->connection.prepare(
        "SELECT seq, received, payload FROM log WHERE seq > ?1 AND seq <= ?2 ORDER BY seq", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    query->bind(1, static_cast<std::int64_t>(after)).bind(2, last);
    std::vector<LoggedBatch> batches;
    LogEntry entry;
    std::size_t samples = 0;
    while (samples < max_samples) {
        const auto row = query->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        if (!*row) {
            break;
        }
        const auto payload = query->bytes(2);
        LoggedBatch batch;
        batch.seq = static_cast<std::uint64_t>(query->integer(0));
        batch.received = query->integer(1);
        batch.bytes = payload.size();
        auto done = entry.decode(payload);
        if (!done) {
            return tl::unexpected(done.error());
        }
        for (const auto& series : entry.series()) {
            samples += series.samples.size();
            auto labels = catalog_.labels(series.id);
            if (!labels) {
                auto archived = SeriesArchive::labels((*reader)->connection, series.id);
                if (!archived) {
                    return tl::unexpected(archived.error());
                }
                if (*archived) {
                    labels = std::make_shared<const Labels>(std::move(**archived));
                }
            }
            batch.series.push_back(
                {series.id, std::move(labels), {series.samples.begin(), series.samples.end()}});
        }
        batches.push_back(std::move(batch));
    }
    return batches;
}

Expected<std::uint64_t> LogTable::bytes(std::uint64_t after, std::uint64_t last) const {
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto query = (*reader)->connection.prepare(
        "SELECT total(length(payload)) FROM log WHERE seq > ?1 AND seq <= ?2", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    query->bind(1, static_cast<std::int64_t>(after)).bind(2, static_cast<std::int64_t>(last));
    const auto row = query->step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    return static_cast<std::uint64_t>(query->integer(0));
}

std::map<std::string, std::uint64_t> LogTable::cursors() const {
    const WriteAccess access(database_);
    return cursors_;
}

Expected<void> LogTable::putCursor(const std::string& reader, std::uint64_t seq) {
    const WriteAccess access(database_);
    auto put = access.connection().prepare(
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2", false);
    if (!put) {
        return tl::unexpected(put.error());
    }
    const auto name = std::string(kCursorPrefix) + reader;
    auto done = access.transaction(
        [&] { return put->bindText(1, name).bind(2, static_cast<std::int64_t>(seq)).run(); });
    if (done) {
        cursors_[reader] = seq;
    }
    return done;
}

Expected<void> LogTable::dropCursor(const std::string& reader) {
    const WriteAccess access(database_);
    auto erase = access.connection().prepare("DELETE FROM meta WHERE name = ?1", false);
    if (!erase) {
        return tl::unexpected(erase.error());
    }
    const auto name = std::string(kCursorPrefix) + reader;
    auto done = access.transaction([&] { return erase->bindText(1, name).run(); });
    if (done) {
        cursors_.erase(reader);
    }
    return done;
}

Expected<void> LogTable::markCompacted(const WriteAccess& access, std::uint64_t seq, SeriesId next_series) {
    auto mark = access.connection().prepare(
        "INSERT INTO meta(name, value) VALUES('compacted_seq', ?1), ('next_series', ?2)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
        false);
    if (!mark) {
        return tl::unexpected(mark.error());
    }
    return access.transaction(
        [&] { return mark->bind(1, static_cast<std::int64_t>(seq)).bind(2, next_series).run(); });
}

Expected<void> LogTable::shorten(std::uint64_t compacted) {
    // Few rows at a time, so that other writers do not wait long.
    for (bool more = true; more;) {
        const WriteAccess access(database_);
        auto last = compacted;
        for (const auto& [reader, seq] : cursors_) {
            last = std::min(last, seq);
        }
        auto done = access.transaction([&]() -> Expected<void> {
            auto erase = access.connection().prepare(
                "DELETE FROM log WHERE seq <= ?1 AND seq < (SELECT min(seq) FROM log) + ?2", false);
            if (!erase) {
                return tl::unexpected(erase.error());
            }
            auto erased = erase->bind(1, static_cast<std::int64_t>(last)).bind(2, kRowsAtOnce).run();
            if (erased) {
                more = sqlite3_changes(access.connection().get()) > 0;
            }
            return erased;
        });
        if (!done) {
            return done;
        }
    }
    return {};
}

}  // namespace lapwing::storage
