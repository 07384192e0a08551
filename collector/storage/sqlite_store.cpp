#include "collector/storage/sqlite_store.h"

#include <filesystem>
#include <future>
#include <system_error>
#include <utility>

#include "collector/storage/salvage.h"

namespace lapwing::storage {

Expected<std::unique_ptr<Store>> Store::open(StoreOptions options) {
    auto store = SqliteStore::open(std::move(options));
    if (!store) {
        return tl::unexpected(store.error());
    }
    return std::unique_ptr<Store>(std::move(*store));
}

Expected<AppendResult> Store::append(const std::vector<TimeSeries>& batch, const std::string& sender) {
    std::vector<BatchSeries> views;
    views.reserve(batch.size());
    for (const auto& series : batch) {
        views.push_back({0, &series.labels, series.samples});
    }
    return append(views, sender);
}

Expected<std::unique_ptr<SqliteStore>> SqliteStore::open(StoreOptions options) {
    auto database = Database::open(options.path);
    if (!database) {
        return tl::unexpected(database.error());
    }
    std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(options), std::move(*database)));
    auto loaded = store->load();
    if (!loaded) {
        Error error = std::move(loaded.error());
        error.message = store->options_.path + ": cannot be read and was left as it is: " + error.message;
        return tl::unexpected(std::move(error));
    }
    store->maintenance_.start();
    return store;
}

SqliteStore::SqliteStore(StoreOptions options, std::unique_ptr<Database> database)
    : options_(std::move(options)),
      database_(std::move(database)),
      catalog_(options_, *database_),
      heads_(options_, *database_),
      damaged_(*database_),
      log_(*database_, catalog_),
      documents_(options_, *database_,
                 [this](const WriteAccess& access) { return catalog_.index(access).values("digest"); }),
      writer_(options_, *database_, catalog_, heads_, log_),
      querier_(*database_, catalog_, heads_, damaged_),
      compactor_(*database_, catalog_, heads_, damaged_, log_),
      idle_(*database_, catalog_, heads_),
      retention_(options_, *database_, catalog_, heads_, damaged_, documents_),
      deleter_(*database_, catalog_, heads_, damaged_, compactor_),
      maintenance_(options_, *database_, catalog_, heads_, compactor_, idle_, retention_) {}

/// Everything that may find damage comes before the first write.
Expected<void> SqliteStore::load() {
    const WriteAccess access(*database_);
    for (const char* table : {"groups", "series", "log", "chunks", "documents", "states", "meta"}) {
        auto probe = access.connection().prepare(std::string("SELECT 1 FROM ") + table + " LIMIT 1", false);
        if (!probe) {
            return tl::unexpected(probe.error());
        }
        auto row = probe->step();
        if (!row) {
            return tl::unexpected(row.error());
        }
    }
    const auto end = SeriesCatalog::endInTable(access);
    if (!end) {
        return tl::unexpected(end.error());
    }
    // After a crash these two take longest, and neither needs the other.
    auto loading = std::async(std::launch::async, [&] { return catalog_.load(access, *end); });
    auto head = log_.replay(*end);
    auto ranges = loading.get();
    if (!ranges) {
        return tl::unexpected(ranges.error());
    }
    if (!head) {
        return tl::unexpected(head.error());
    }
    auto done = reviveLogged(access, *head, *ranges);
    if (done) {
        done = heads_.load(access, catalog_.index(access), std::move(*head), *ranges);
    }
    if (done) {
        done = damaged_.load(access);
    }
    if (done) {
        done = log_.load(access);
    }
    if (done) {
        done = documents_.load(access);
    }
    if (done) {
        done = access.startWriting();
    }
    if (done) {
        done = catalog_.prepare(access);
    }
    if (const auto text = done ? documents_.state(kSalvagedState) : tl::unexpected(done.error());
        text && *text) {
        salvaged_ = salvagedFromText(**text);
    }
    return done;
}

/// Nothing once the damaged file is gone.
std::optional<Salvaged> SqliteStore::salvaged() const {
    std::error_code none;
    return salvaged_ && std::filesystem::exists(salvaged_->file, none) ? salvaged_ : std::nullopt;
}

/// An archived series is active if samples have arrived for it since the last compaction.
Expected<void> SqliteStore::reviveLogged(const WriteAccess& access, const Head& head,
                                         SeriesCatalog::TimeRanges& ranges) {
    if (catalog_.archived().size() == 0) {
        return {};
    }
    Expected<void> done;
    head.forEachSeries([&](SeriesId id) {
        if (!done || catalog_.index(access).contains(id)) {
            return;
        }
        const auto archived = catalog_.getArchived(access, id);
        if (!archived) {
            done = tl::unexpected(archived.error());
        } else if (*archived) {
            catalog_.revive(access, **archived);
            ranges.emplace_back(id, (*archived)->range);
        }
    });
    return done;
}

Expected<std::vector<SeriesSamples>> SqliteStore::select(const Matchers& matchers, TimestampMs from,
                                                         TimestampMs to, std::size_t max_samples) const {
    return querier_.select(matchers, from, to, max_samples);
}

Expected<std::vector<Labels>> SqliteStore::series(const std::vector<Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const {
    return querier_.series(any, from, to);
}

Expected<std::vector<std::string>> SqliteStore::labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                           TimestampMs to) const {
    return querier_.labelNames(any, from, to);
}

Expected<std::vector<std::string>> SqliteStore::labelValues(const std::string& name,
                                                            const std::vector<Matchers>& any,
                                                            TimestampMs from, TimestampMs to) const {
    return querier_.labelValues(name, any, from, to);
}

Expected<AppendResult> SqliteStore::append(std::span<BatchSeries> batch, const std::string& sender) {
    return writer_.append(batch, sender);
}

Expected<void> SqliteStore::deleteSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to) {
    return deleter_.deleteSeries(any, from, to);
}

Expected<void> SqliteStore::putDocument(const Document& document) {
    return documents_.put(document);
}

Expected<void> SqliteStore::dropDocument(const std::string& digest) {
    return documents_.drop(digest);
}

Expected<std::optional<Document>> SqliteStore::document(const std::string& digest, std::size_t most) const {
    return documents_.get(digest, most);
}

Expected<void> SqliteStore::putState(const std::string& name, const std::string& value) {
    return documents_.putState(name, value);
}

Expected<std::map<std::string, std::string>> SqliteStore::states(const std::string& prefix) const {
    return documents_.states(prefix);
}

Expected<std::optional<std::string>> SqliteStore::state(const std::string& name) const {
    return documents_.state(name);
}

std::string SqliteStore::trouble() const {
    if (database_->syncFailed()) {
        return "the write-ahead log did not reach the disk";
    }
    const auto maintenance = maintenance_.trouble();
    return maintenance.empty() ? writer_.trouble() : maintenance;
}

StoreStats SqliteStore::stats() const {
    StoreStats stats;
    {
        const ReaderLock lock(catalog_.mutex);
        stats.active_series = catalog_.index().size();
    }
    stats.series = catalog_.size();
    stats.senders = catalog_.budget().senders();
    stats.documents = documents_.senders();
    stats.samples = writer_.samplesStored();
    stats.last_seq = log_.end().seq;
    stats.file_bytes = database_->fileBytes();
    stats.wal_bytes = database_->walBytes();
    stats.trouble = trouble();
    stats.damaged_blocks = damaged_.size();
    stats.salvaged = salvaged();
    stats.found_damage = isMarkedDamaged(options_.path);
    stats.own_refused = writer_.ownRefused();
    stats.age_dropped_samples = retention_.ageDroppedSamples();
    stats.age_dropped_before = retention_.ageDroppedBefore();
    stats.size_dropped_samples = retention_.sizeDroppedSamples();
    stats.size_dropped_before = retention_.sizeDroppedBefore();
    return stats;
}

Expected<std::vector<LoggedBatch>> SqliteStore::readLog(std::uint64_t after, std::size_t max_samples) const {
    return log_.read(after, max_samples);
}

LogEnd SqliteStore::logEnd() const {
    return log_.end();
}

Expected<std::uint64_t> SqliteStore::logBytes(std::uint64_t after, std::uint64_t last) const {
    return log_.bytes(after, last);
}

std::map<std::string, std::uint64_t> SqliteStore::logCursors() const {
    return log_.cursors();
}

Expected<void> SqliteStore::putLogCursor(const std::string& reader, std::uint64_t seq) {
    return log_.putCursor(reader, seq);
}

Expected<void> SqliteStore::dropLogCursor(const std::string& reader) {
    return log_.dropCursor(reader);
}

Expected<void> SqliteStore::compact() {
    return maintenance_.compact();
}

Expected<void> SqliteStore::expire() {
    return maintenance_.expire();
}

Expected<void> SqliteStore::limitPages(std::int64_t pages) {
    const WriteAccess access(*database_);
    return access.connection().exec(
        ("PRAGMA max_page_count=" + std::to_string(pages == 0 ? 0xfffffffeLL : pages)).c_str());
}

}  // namespace lapwing::storage
