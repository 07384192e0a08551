#include <algorithm>
#include <unordered_set>

#include "collector/storage/series_row.h"
#include "collector/storage/sqlite_store.h"

namespace lapwing::storage {

Expected<void> SqliteStore::expireOld() {
    if (options_.retention_ms == 0) return {};
    const std::lock_guard compact_lock(compact_mutex_);
    // A window goes when its last moment is past.
    const std::int64_t first_kept = windowOf(options_.clock() - options_.retention_ms);
    if (first_kept <= 0) return {};
    for (bool more = true; more;) {
        // Window by window, so that nobody waits long for writing.
        const std::lock_guard write_lock(write_mutex_);
        writer_blocks_.release();
        const auto row = writer_blocks_.next(0, blockRow(first_kept, 0) - 1);
        if (!row) return tl::unexpected(row.error());
        more = row->has_value();
        if (!more) break;
        const std::int64_t window = **row >> 24;
        auto done = transaction([&]() -> Expected<void> {
            auto erase = writer_.prepare("DELETE FROM chunks WHERE id BETWEEN ?1 AND ?2", false);
            if (!erase) return tl::unexpected(erase.error());
            return erase->bind(1, blockRow(window, 0)).bind(2, blockRow(window + 1, 0) - 1).run();
        });
        if (!done) return done;
    }
    auto done = expireSeries(first_kept * kWindowMs);
    if (done) done = expireDocuments(first_kept * kWindowMs);
    return done;
}

Expected<void> SqliteStore::expireSeries(TimestampMs before) {
    const std::lock_guard write_lock(write_mutex_);
    std::vector<SeriesId> gone;
    for (const auto id : index_->all()) {
        // While the log has samples of a series its replay needs the series.
        if (spans_[id].newest < before && !head_.contains(id) && !frozen_.contains(id)) gone.push_back(id);
    }
    if (gone.empty()) return {};
    auto done = transaction([&]() -> Expected<void> {
        auto erase = writer_.prepare("DELETE FROM series WHERE id = ?1", false);
        if (!erase) return tl::unexpected(erase.error());
        for (const auto id : gone) {
            auto erased = erase->bind(1, id).run();
            if (!erased) return erased;
        }
        return {};
    });
    if (!done) return done;
    // A new index rather than a thinner one: symbols that nobody uses any more go with the old.
    auto fresh = std::make_unique<SeriesIndex>();
    for (const auto id : index_->all()) {
        if (!std::binary_search(gone.begin(), gone.end(), id))
            fresh->add(id, index_->group(id), *index_->labels(id));
    }
    for (auto& [name, host] : hosts_) host.series = 0;
    std::unordered_map<GroupId, Host*> host_of;
    for (auto& [name, host] : hosts_) {
        for (const auto group : host.groups) host_of[group] = &host;
    }
    for (const auto id : fresh->all()) ++host_of[fresh->group(id)]->series;
    const std::unique_lock index_lock(index_mutex_);
    const std::lock_guard head_lock(head_mutex_);
    index_ = std::move(fresh);
    for (const auto id : gone) spans_[id] = Span{};
    return {};
}

Expected<void> SqliteStore::expireDocuments(TimestampMs before) {
    // A document lives as long as a sample that carries its digest: it may not have been sent again since.
    std::unordered_set<std::string> used;
    {
        const std::shared_lock lock(index_mutex_);
        if (const auto digest = index_->symbol("digest")) {
            for (const auto id : index_->all()) {
                for (const auto pair : index_->symbols(id)) {
                    if (pair.name == *digest) used.insert(index_->text(pair.value));
                }
            }
        }
    }
    const std::lock_guard write_lock(write_mutex_);
    std::vector<std::string> gone;
    auto old = writer_.prepare("SELECT digest FROM documents WHERE received < ?1", false);
    if (!old) return tl::unexpected(old.error());
    old->bind(1, before);
    for (;;) {
        const auto row = old->step();
        if (!row) return tl::unexpected(row.error());
        if (!*row) break;
        std::string digest(old->bytes(0));
        if (!used.contains(digest)) gone.push_back(std::move(digest));
    }
    if (gone.empty()) return {};
    return transaction([&]() -> Expected<void> {
        auto erase = writer_.prepare("DELETE FROM documents WHERE digest = ?1", false);
        if (!erase) return tl::unexpected(erase.error());
        for (const auto& digest : gone) {
            auto erased = erase->bindText(1, digest).run();
            if (!erased) return erased;
        }
        return {};
    });
}

}  // namespace lapwing::storage
