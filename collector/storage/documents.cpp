#include "collector/storage/documents.h"

#include <utility>
#include <vector>

#include "common/model/documents.h"

namespace lapwing::storage {

Expected<void> Documents::put(const Document& document) {
    const WriteAccess access(database_);
    auto insert = access.connection().prepare(
        "INSERT INTO documents(digest, kind, host, received, body) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(digest) DO UPDATE SET kind = ?2, host = ?3, received = ?4",
        false);
    if (!insert) {
        return tl::unexpected(insert.error());
    }
    return access.transaction([&] {
        insert->bindText(1, document.digest).bindText(2, document.kind).bindText(3, document.host);
        return insert->bind(4, document.received).bindBlob(5, document.body).run();
    });
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
    auto erase = access.connection().prepare("DELETE FROM documents WHERE digest = ?1", false);
    if (!erase) {
        return tl::unexpected(erase.error());
    }
    return access.transaction([&] { return erase->bindText(1, digest).run(); });
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

Expected<void> Documents::expire(TimestampMs before, const std::unordered_set<std::string>& used) {
    const WriteAccess access(database_);
    std::vector<std::string> gone;
    auto old = access.connection().prepare("SELECT digest FROM documents WHERE received < ?1", false);
    if (!old) {
        return tl::unexpected(old.error());
    }
    old->bind(1, before);
    const auto read = old->eachRow([&]() -> Expected<void> {
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
    return access.transaction([&]() -> Expected<void> {
        auto erase = access.connection().prepare("DELETE FROM documents WHERE digest = ?1", false);
        if (!erase) {
            return tl::unexpected(erase.error());
        }
        for (const auto& digest : gone) {
            auto erased = erase->bindText(1, digest).run();
            if (!erased) {
                return erased;
            }
        }
        return {};
    });
}

}  // namespace lapwing::storage
