#include "collector/storage/documents.h"

#include <algorithm>
#include <utility>

#include "common/model/documents.h"

namespace lapwing::storage {
namespace {

/// Each sender may keep this much, however many share a small retention.size.
constexpr std::int64_t kLeastBudget = 4 << 20;

}  // namespace

Expected<void> Documents::load(const WriteAccess& access) {
    auto sums =
        access.connection().prepare("SELECT host, sum(length(body)) FROM documents GROUP BY host", false);
    if (!sums) {
        return tl::unexpected(sums.error());
    }
    std::map<std::string, SenderDocuments> senders;
    auto read = sums->eachRow([&]() -> Expected<void> {
        senders[std::string(sums->bytes(0))].bytes = sums->integer(1);
        return {};
    });
    const MutexLock lock(mutex_);
    senders_ = std::move(senders);
    return read;
}

std::map<std::string, SenderDocuments> Documents::senders() const {
    const MutexLock lock(mutex_);
    return senders_;
}

std::int64_t Documents::budget() const {
    std::int64_t out = options_.limits.agent_document_bytes;
    if (options_.retention_bytes > 0) {
        const auto senders = std::count_if(senders_.begin(), senders_.end(),
                                           [](const auto& each) { return each.second.bytes > 0; });
        const std::int64_t share = options_.retention_bytes / 4 / std::max<std::int64_t>(senders, 1);
        out = std::min(out, std::max(share, kLeastBudget));
    }
    return out;
}

Expected<void> Documents::makeRoom(const WriteAccess& access, const std::string& host, std::int64_t bytes) {
    std::int64_t kept = 0;
    std::int64_t most = 0;
    {
        const MutexLock lock(mutex_);
        kept = senders_[host].bytes;
        most = budget();
    }
    if (kept + bytes <= most) {
        return {};
    }
    auto own = access.connection().prepare(
        "SELECT digest, length(body) FROM documents WHERE host = ?1 ORDER BY received", false);
    if (!own) {
        return tl::unexpected(own.error());
    }
    own->bindText(1, host);
    const auto active = active_(access);
    std::vector<std::string> gone;
    // More than now needed, so that not every document looks for the oldest ones.
    const std::int64_t wanted = most - most / 8;
    auto read = own->eachRow([&]() -> Expected<void> {
        std::string digest(own->bytes(0));
        if (kept + bytes > wanted && !active.contains(digest)) {
            kept -= own->integer(1);
            gone.push_back(std::move(digest));
        }
        return {};
    });
    if (!read) {
        return read;
    }
    if (kept + bytes > most) {
        const MutexLock lock(mutex_);
        ++senders_[host].refused;
        return fail(ErrorKind::exhausted, "the documents of " + host + " have " + std::to_string(kept) +
                                              " bytes, of " + std::to_string(most) + " that they may have");
    }
    auto erased = erase(access, gone);
    if (erased) {
        const MutexLock lock(mutex_);
        senders_[host].dropped += gone.size();
    }
    return erased;
}

Expected<void> Documents::erase(const WriteAccess& access, const std::vector<std::string>& digests) {
    std::map<std::string, std::int64_t> freed;
    auto done = access.transaction([&]() -> Expected<void> {
        auto erase = access.connection().prepare(
            "DELETE FROM documents WHERE digest = ?1 RETURNING host, length(body)", false);
        if (!erase) {
            return tl::unexpected(erase.error());
        }
        for (const auto& digest : digests) {
            erase->bindText(1, digest);
            auto erased = erase->eachRow([&]() -> Expected<void> {
                freed[std::string(erase->bytes(0))] += erase->integer(1);
                return {};
            });
            if (!erased) {
                return erased;
            }
        }
        return {};
    });
    if (done) {
        const MutexLock lock(mutex_);
        for (const auto& [host, bytes] : freed) {
            senders_[host].bytes -= bytes;
        }
    }
    return done;
}

Expected<void> Documents::put(const Document& document) {
    const auto size = static_cast<std::int64_t>(document.body.size());
    const WriteAccess access(database_);
    auto known =
        access.connection().prepare("SELECT host, length(body) FROM documents WHERE digest = ?1", false);
    if (!known) {
        return tl::unexpected(known.error());
    }
    known->bindText(1, document.digest);
    const auto row = known->step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    const std::string before = *row ? std::string(known->bytes(0)) : "";
    const std::int64_t size_before = *row ? known->integer(1) : 0;
    const bool its_own = *row && before == document.host;
    known->reset();
    if (!its_own) {
        if (auto room = makeRoom(access, document.host, size); !room) {
            return room;
        }
    }
    auto insert = access.connection().prepare(
        "INSERT INTO documents(digest, kind, host, received, body) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(digest) DO UPDATE SET kind = ?2, host = ?3, received = ?4",
        false);
    if (!insert) {
        return tl::unexpected(insert.error());
    }
    auto done = access.transaction([&] {
        insert->bindText(1, document.digest).bindText(2, document.kind).bindText(3, document.host);
        return insert->bind(4, document.received).bindBlob(5, document.body).run();
    });
    if (done && !its_own) {
        const MutexLock lock(mutex_);
        if (*row) {
            senders_[before].bytes -= size_before;
        }
        senders_[document.host].bytes += size_before != 0 ? size_before : size;
    }
    return done;
}

Expected<std::optional<Document>> Documents::get(const std::string& digest, std::size_t most) const {
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto query = (*reader)->connection.prepare(
        "SELECT kind, host, received, body FROM documents WHERE digest = ?1", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    const auto row = query->bindText(1, digest).step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return std::optional<Document>();
    }
    auto body = unpack(std::string(query->bytes(3)), most);
    if (!body) {
        return tl::unexpected(body.error());
    }
    return Document{digest, std::string(query->bytes(0)), std::string(query->bytes(1)), query->integer(2),
                    std::move(*body)};
}

Expected<void> Documents::drop(const std::string& digest) {
    const WriteAccess access(database_);
    return erase(access, {digest});
}

Expected<void> Documents::putState(const std::string& name, const std::string& value) {
    const WriteAccess access(database_);
    auto insert = access.connection().prepare(
        "INSERT INTO states(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2", false);
    if (!insert) {
        return tl::unexpected(insert.error());
    }
    return access.transaction([&] { return insert->bindText(1, name).bindBlob(2, value).run(); });
}

Expected<std::optional<std::string>> Documents::state(const std::string& name) const {
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto query = (*reader)->connection.prepare("SELECT value FROM states WHERE name = ?1", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    const auto row = query->bindText(1, name).step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return std::optional<std::string>();
    }
    return std::string(query->bytes(0));
}

Expected<std::map<std::string, std::string>> Documents::states(const std::string& prefix) const {
    auto reader = database_.reader();
    if (!reader) {
        return tl::unexpected(reader.error());
    }
    auto query = (*reader)->connection.prepare(
        "SELECT name, value FROM states WHERE substr(name, 1, length(?1)) = ?1 AND length(value) > 0", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    query->bindText(1, prefix);
    std::map<std::string, std::string> out;
    return query
        ->eachRow([&]() -> Expected<void> {
            out.emplace(query->bytes(0), query->bytes(1));
            return {};
        })
        .map([&] { return std::move(out); });
}

Expected<void> Documents::expire(TimestampMs before, const Digests& used) {
    const WriteAccess access(database_);
    std::vector<std::string> gone;
    auto old = access.connection().prepare("SELECT digest FROM documents WHERE received < ?1", false);
    if (!old) {
        return tl::unexpected(old.error());
    }
    old->bind(1, before);
    auto read = old->eachRow([&]() -> Expected<void> {
        std::string digest(old->bytes(0));
        if (!used.contains(digest)) {
            gone.push_back(std::move(digest));
        }
        return {};
    });
    if (!read) {
        return read;
    }
    if (gone.empty()) {
        return {};
    }
    return erase(access, gone);
}

}  // namespace lapwing::storage
