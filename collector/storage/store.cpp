#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include "collector/storage/series_row.h"
#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {
namespace {

constexpr std::int64_t kLastSeries = INT32_MAX;

tl::unexpected<Error> unknownInLog(SeriesId id) {
    return fail(ErrorKind::internal,
                "arrival log: an entry names series " + std::to_string(id) + ", which is unknown");
}

}  // namespace

Expected<std::unique_ptr<Store>> Store::open(StoreOptions options) {
    auto store = SqliteStore::open(std::move(options));
    if (!store) return tl::unexpected(store.error());
    return std::unique_ptr<Store>(std::move(*store));
}

Expected<std::unique_ptr<SqliteStore>> SqliteStore::open(StoreOptions options) {
    auto there = ensureFile(options.path);
    if (!there) return tl::unexpected(there.error());
    auto lock = FileLock::take(options.path);
    if (!lock) return tl::unexpected(lock.error());
    const auto damaged = [&options](Error error) {
        if (error.message.find(options.path) == std::string::npos) {
            error.message = options.path + ": cannot be read and was left as it is: " + error.message;
        }
        return tl::unexpected(std::move(error));
    };
    auto writer = openWriter(options.path);
    if (!writer) return damaged(writer.error());
    std::unique_ptr<SqliteStore> store(
        new SqliteStore(std::move(options), std::move(*lock), std::move(*writer)));
    auto loaded = store->load();
    if (!loaded) {
        return tl::unexpected(Error{
            loaded.error().kind,
            store->options_.path + ": cannot be read and was left as it is: " + loaded.error().message});
    }
    store->maintainer_ = std::thread([raw = store.get()] { raw->maintain(); });
    return store;
}

SqliteStore::SqliteStore(StoreOptions options, FileLock lock, Connection writer)
    : options_(std::move(options)),
      lock_(std::move(lock)),
      writer_(std::move(writer)),
      index_(std::make_unique<SeriesIndex>()),
      readers_(options_.path) {}

SqliteStore::~SqliteStore() {
    if (maintainer_.joinable()) {
        {
            const std::lock_guard lock(maintain_mutex_);
            stopping_ = true;
        }
        maintain_wake_.notify_all();
        maintainer_.join();
    }
    if (wal_descriptor_ >= 0) ::close(wal_descriptor_);
}

Expected<void> SqliteStore::load() {
    // Anything that may find damage comes before the first write.
    for (const char* table : {"groups", "series", "log", "chunks", "documents", "states", "meta"}) {
        auto probe = writer_.prepare(std::string("SELECT 1 FROM ") + table + " LIMIT 1", false);
        if (!probe) return tl::unexpected(probe.error());
        auto row = probe->step();
        if (!row) return tl::unexpected(row.error());
    }
    const auto last = writer_.integer("SELECT ifnull(max(id), 0) FROM series");
    if (!last) return tl::unexpected(last.error());
    if (*last < 0 || *last > kLastSeries) {
        return fail(ErrorKind::internal, "series " + std::to_string(*last) + " is damaged");
    }
    const auto end = static_cast<SeriesId>(*last) + 1;
    // After a crash these two take longest, and need nothing of each other.
    auto series = std::async(std::launch::async, [this, end] { return loadSeries(end); });
    auto replayed = replayLog(end);
    auto done = series.get();
    if (done) done = std::move(replayed);
    if (done) done = noteReplayed();
    if (done) done = loadCursors();
    if (done) done = loadSetAside();
    if (done) done = migrate(writer_);
    if (done) done = prepareStatements();
    if (done) done = keepChanges(writer_);
    const auto count_pages = [](void* counter, sqlite3*, const char*, int pages) {
        *static_cast<std::atomic<int>*>(counter) = pages;
        return SQLITE_OK;
    };
    sqlite3_wal_hook(writer_.get(), count_pages, &wal_pages_);
    return done;
}

Expected<void> SqliteStore::prepareStatements() {
    const auto prepare = [this](Statement& into, const char* sql) -> Expected<void> {
        auto statement = writer_.prepare(sql);
        if (!statement) return tl::unexpected(statement.error());
        into = std::move(*statement);
        return {};
    };
    auto done = prepare(begin_, "BEGIN IMMEDIATE");
    if (done) done = prepare(commit_, "COMMIT");
    if (done) done = prepare(insert_group_, "INSERT INTO groups(id, name) VALUES(?1, ?2)");
    if (done) done = prepare(insert_series_, "INSERT INTO series(id, group_id, labels) VALUES(?1, ?2, ?3)");
    if (done) done = prepare(insert_log_, "INSERT INTO log(seq, received, payload) VALUES(?1, ?2, ?3)");
    if (!done) return done;
    auto blocks = BlockTable::open(writer_);
    if (!blocks) return tl::unexpected(blocks.error());
    writer_blocks_ = std::move(*blocks);
    return {};
}

Expected<void> SqliteStore::loadSeries(SeriesId end) {
    std::unordered_map<GroupId, Host*> host_of;
    auto groups = writer_.prepare("SELECT id, name FROM groups ORDER BY id", false);
    if (!groups) return tl::unexpected(groups.error());
    for (;;) {
        const auto row = groups->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) break;
        const auto id = static_cast<GroupId>(groups->integer(0));
        Host& host = hosts_[std::string(groups->bytes(1))];
        host.groups.push_back(id);
        host_of[id] = &host;
        next_group_ = std::max(next_group_, id + 1);
    }
    index_->reserve(end);
    spans_.reserve(end);
    std::vector<LabelView> labels;
    auto series = writer_.prepare(
        "SELECT id, group_id, oldest IS NULL, oldest, newest, labels FROM series ORDER BY id", false);
    if (!series) return tl::unexpected(series.error());
    for (;;) {
        const auto row = series->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) break;
        const std::int64_t id = series->integer(0);
        const auto group = static_cast<GroupId>(series->integer(1));
        auto decoded = decodeLabels(series->bytes(5), labels);
        if (!decoded) return decoded;
        const auto host = host_of.find(group);
        if (id <= 0 || host == host_of.end()) {
            return fail(ErrorKind::internal, "series " + std::to_string(id) + " is damaged");
        }
        index_->add(static_cast<SeriesId>(id), group, labels);
        ++host->second->series;
        spans_.resize(index_->end());
        if (series->integer(2) == 0) spans_.back() = Span{series->integer(3), series->integer(4)};
    }
    next_series_ = std::max<SeriesId>(1, index_->end());
    const auto next = writer_.integer("SELECT value FROM meta WHERE name = 'next_series'");
    if (next) next_series_ = std::max(next_series_, static_cast<SeriesId>(*next));
    if (!next && next.error().kind != ErrorKind::not_found) return tl::unexpected(next.error());
    return {};
}

Expected<void> SqliteStore::loadSetAside() {
    auto rows = writer_.prepare("SELECT id FROM chunks WHERE id < 0", false);
    if (!rows) return tl::unexpected(rows.error());
    for (;;) {
        const auto row = rows->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return {};
        set_aside_.insert(-rows->integer(0));
    }
}

/// Touches nothing but the head and last_seq_.
Expected<void> SqliteStore::replayLog(SeriesId end) {
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto& connection = (*reader)->connection;
    const auto compacted = connection.integer("SELECT value FROM meta WHERE name = 'compacted_seq'");
    if (compacted) last_seq_ = *compacted;
    if (!compacted && compacted.error().kind != ErrorKind::not_found)
        return tl::unexpected(compacted.error());
    // Earlier entries are in blocks; they are there for readers alone.
    auto log = connection.prepare("SELECT seq, payload FROM log WHERE seq > ?1 ORDER BY seq", false);
    if (!log) return tl::unexpected(log.error());
    log->bind(1, last_seq_);
    head_.reserve(end);
    LogEntry entry;
    for (;;) {
        const auto row = log->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return {};
        last_seq_ = log->integer(0);
        auto done = entry.decode(log->bytes(1));
        if (!done) return done;
        for (const auto& series : entry.series()) {
            if (series.id >= end || series.samples.empty()) return unknownInLog(series.id);
            head_.append(series.id, series.samples);
        }
    }
}

Expected<void> SqliteStore::noteReplayed() {
    for (SeriesId id = 0; id < head_.end(); ++id) {
        if (!head_.contains(id)) continue;
        if (!index_->contains(id)) return unknownInLog(id);
        spans_[id].widen(head_.oldest(id), head_.newest(id));
    }
    weighHead();
    seq_ = static_cast<std::uint64_t>(last_seq_);
    return {};
}

Expected<void> SqliteStore::transaction(const std::function<Expected<void>()>& body) {
    auto done = begin_.run();
    if (done) done = body();
    if (done) done = commit_.run();
    if (!done) {
        writer_.rollback();
        return done;
    }
    committed();
    return done;
}

Expected<void> SqliteStore::putDocument(const Document& document) {
    const std::lock_guard lock(write_mutex_);
    auto insert = writer_.prepare(
        "INSERT INTO documents(digest, kind, host, received, body) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(digest) DO UPDATE SET kind = ?2, host = ?3, received = ?4",
        false);
    if (!insert) return tl::unexpected(insert.error());
    return transaction([&] {
        insert->bindText(1, document.digest).bindText(2, document.kind).bindText(3, document.host);
        return insert->bind(4, document.received).bindBlob(5, document.body).run();
    });
}

Expected<std::optional<Document>> SqliteStore::document(const std::string& digest) const {
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto query = (*reader)->connection.prepare(
        "SELECT kind, host, received, body FROM documents WHERE digest = ?1", false);
    if (!query) return tl::unexpected(query.error());
    const auto row = query->bindText(1, digest).step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return std::optional<Document>();
    return Document{digest, std::string(query->bytes(0)), std::string(query->bytes(1)), query->integer(2),
                    std::string(query->bytes(3))};
}

Expected<void> SqliteStore::putState(const std::string& name, const std::string& value) {
    const std::lock_guard lock(write_mutex_);
    auto insert = writer_.prepare(
        "INSERT INTO states(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2", false);
    if (!insert) return tl::unexpected(insert.error());
    return transaction([&] { return insert->bindText(1, name).bindBlob(2, value).run(); });
}

Expected<std::optional<std::string>> SqliteStore::state(const std::string& name) const {
    auto reader = readers_.acquire();
    if (!reader) return tl::unexpected(reader.error());
    auto query = (*reader)->connection.prepare("SELECT value FROM states WHERE name = ?1", false);
    if (!query) return tl::unexpected(query.error());
    const auto row = query->bindText(1, name).step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return std::optional<std::string>();
    return std::string(query->bytes(0));
}

StoreStats SqliteStore::stats() const {
    StoreStats stats;
    {
        const std::shared_lock lock(index_mutex_);
        stats.series = index_->size();
    }
    {
        const std::lock_guard lock(trouble_mutex_);
        stats.trouble = trouble_;
    }
    {
        const std::lock_guard lock(head_mutex_);
        stats.damaged_blocks = set_aside_.size();
    }
    stats.over_series_limit = over_series_limit_;
    stats.size_dropped_samples = size_dropped_samples_;
    stats.size_dropped_before = size_dropped_before_;
    stats.samples = samples_stored_;
    stats.last_seq = seq_;
    for (const char* suffix : {"", "-wal"}) {
        struct stat status {};
        if (::stat((options_.path + suffix).c_str(), &status) == 0) stats.file_bytes += status.st_size;
    }
    return stats;
}

Expected<void> SqliteStore::limitPages(std::int64_t pages) {
    const std::lock_guard lock(write_mutex_);
    return writer_.exec(
        ("PRAGMA max_page_count=" + std::to_string(pages == 0 ? 0xfffffffeLL : pages)).c_str());
}

}  // namespace lapwing::storage
