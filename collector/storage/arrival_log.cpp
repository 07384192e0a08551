#include "collector/storage/arrival_log.h"

#include <algorithm>

#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {
namespace {

/// In the table `meta`, followed by the reader's name.
constexpr std::string_view kCursorPrefix = "cursor/";
constexpr std::int64_t kRowsAtOnce = 500;

}  // namespace

Expected<std::vector<LoggedBatch>> SqliteStore::readLog(std::uint64_t after, std::size_t max_samples) const {
    // Of later entries the series may not be in the index yet.
    const auto end = static_cast<std::int64_t>(seq_.load());
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto query = (*reader)->connection.prepare(
        "SELECT seq, received, payload FROM log WHERE seq > ?1 AND seq <= ?2 ORDER BY seq", false);
    if (!query) return tl::unexpected(query.error());
    query->bind(1, static_cast<std::int64_t>(after)).bind(2, end);
    std::vector<LoggedBatch> batches;
    LogEntry entry;
    std::size_t samples = 0;
    while (samples < max_samples) {
        const auto row = query->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) break;
        const auto payload = query->bytes(2);
        LoggedBatch batch;
        batch.seq = static_cast<std::uint64_t>(query->integer(0));
        batch.received = query->integer(1);
        batch.bytes = payload.size();
        auto done = entry.decode(payload);
        if (!done) return tl::unexpected(done.error());
        const std::shared_lock lock(index_mutex_);
        for (const auto& series : entry.series()) {
            samples += series.samples.size();
            auto labels = index_->contains(series.id) ? index_->labels(series.id) : nullptr;
            batch.series.push_back(
                {series.id, std::move(labels), {series.samples.begin(), series.samples.end()}});
        }
        batches.push_back(std::move(batch));
    }
    return batches;
}

LogEnd SqliteStore::logEnd() const {
    const std::lock_guard lock(head_mutex_);
    return {seq_.load(), logged_bytes_};
}

Expected<std::uint64_t> SqliteStore::logBytes(std::uint64_t after, std::uint64_t last) const {
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto query = (*reader)->connection.prepare(
        "SELECT total(length(payload)) FROM log WHERE seq > ?1 AND seq <= ?2", false);
    if (!query) return tl::unexpected(query.error());
    query->bind(1, static_cast<std::int64_t>(after)).bind(2, static_cast<std::int64_t>(last));
    const auto row = query->step();
    if (!row) return tl::unexpected(row.error());
    return static_cast<std::uint64_t>(query->integer(0));
}

std::map<std::string, std::uint64_t> SqliteStore::logCursors() const {
    const std::lock_guard lock(write_mutex_);
    return cursors_;
}

Expected<void> SqliteStore::putLogCursor(const std::string& reader, std::uint64_t seq) {
    const std::lock_guard lock(write_mutex_);
    auto put = writer_.prepare(
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2", false);
    if (!put) return tl::unexpected(put.error());
    const auto name = std::string(kCursorPrefix) + reader;
    auto done =
        transaction([&] { return put->bindText(1, name).bind(2, static_cast<std::int64_t>(seq)).run(); });
    if (done) cursors_[reader] = seq;
    return done;
}

Expected<void> SqliteStore::dropLogCursor(const std::string& reader) {
    const std::lock_guard lock(write_mutex_);
    auto erase = writer_.prepare("DELETE FROM meta WHERE name = ?1", false);
    if (!erase) return tl::unexpected(erase.error());
    const auto name = std::string(kCursorPrefix) + reader;
    auto done = transaction([&] { return erase->bindText(1, name).run(); });
    if (done) cursors_.erase(reader);
    return done;
}

Expected<void> SqliteStore::loadCursors() {
    auto query = writer_.prepare("SELECT name, value FROM meta WHERE name >= ?1 AND name < ?2", false);
    if (!query) return tl::unexpected(query.error());
    std::string beyond(kCursorPrefix);
    ++beyond.back();
    query->bindText(1, kCursorPrefix).bindText(2, beyond);
    for (;;) {
        const auto row = query->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return {};
        cursors_[std::string(query->bytes(0).substr(kCursorPrefix.size()))] =
            static_cast<std::uint64_t>(query->integer(1));
    }
}

/// Whatever becomes of the series that these entries name, no other may get their numbers as long as a reader
/// may come to the entries.
Expected<void> SqliteStore::markCompacted(std::int64_t seq) {
    auto mark = writer_.prepare(
        "INSERT INTO meta(name, value) VALUES('compacted_seq', ?1), ('next_series', ?2)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
        false);
    if (!mark) return tl::unexpected(mark.error());
    return transaction([&] { return mark->bind(1, seq).bind(2, next_series_).run(); });
}

/// Piece by piece, so that nobody waits long for writing.
Expected<void> SqliteStore::shortenLog(std::int64_t compacted) {
    for (bool more = true; more;) {
        const std::lock_guard lock(write_mutex_);
        auto last = static_cast<std::uint64_t>(compacted);
        for (const auto& [reader, seq] : cursors_) last = std::min(last, seq);
        auto done = transaction([&]() -> Expected<void> {
            auto erase = writer_.prepare(
                "DELETE FROM log WHERE seq <= ?1 AND seq < (SELECT min(seq) FROM log) + ?2", false);
            if (!erase) return tl::unexpected(erase.error());
            auto erased = erase->bind(1, static_cast<std::int64_t>(last)).bind(2, kRowsAtOnce).run();
            if (erased) more = sqlite3_changes(writer_.get()) > 0;
            return erased;
        });
        if (!done) return done;
    }
    return {};
}

}  // namespace lapwing::storage
