#include "collector/storage/block_table.h"

#include <cstdlib>

#include "common/time_text.h"

namespace lapwing::storage {

Expected<BlockTable> BlockTable::open(Connection& connection) {
    BlockTable table;
    table.connection_ = &connection;
    auto next = connection.prepare("SELECT id FROM chunks WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1");
    if (!next) {
        return tl::unexpected(next.error());
    }
    auto exists = connection.prepare("SELECT 1 FROM chunks WHERE id = ?1");
    if (!exists) {
        return tl::unexpected(exists.error());
    }
    table.next_ = std::move(*next);
    table.exists_ = std::move(*exists);
    return table;
}

std::string BlockTable::name() const {
    const std::int64_t row = std::abs(row_);
    const std::int64_t start_ms = (row >> 24) * kWindowMs;
    return "the block of group " + std::to_string(row & 0xffffff) + " for the two hours from " +
           rfc3339(start_ms);
}

Error BlockTable::damaged() const {
    return Error{ErrorKind::internal, name() + " is damaged"};
}

Expected<std::optional<std::int64_t>> BlockTable::next(std::int64_t from, std::int64_t to) {
    const auto row = next_.bind(1, from).bind(2, to).step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return std::optional<std::int64_t>();
    }
    const std::int64_t found = next_.integer(0);
    next_.reset();
    return found;
}

Expected<bool> BlockTable::load(std::int64_t row) {
    if (loaded_ && row == row_) {
        return true;
    }
    loaded_ = false;
    const auto exists = exists_.bind(1, row).step();
    if (!exists) {
        return tl::unexpected(exists.error());
    }
    if (!*exists) {
        return false;
    }
    exists_.reset();
    row_ = row;
    int code = SQLITE_OK;
    if (blob_) {
        code = sqlite3_blob_reopen(blob_.get(), row);
    } else {
        sqlite3_blob* blob = nullptr;
        code = sqlite3_blob_open(connection_->get(), "main", "chunks", "data", row, 0, &blob);
        blob_.reset(blob);
    }
    if (code != SQLITE_OK) {
        Error error = sqliteError(connection_->get(), code, name());
        release();
        return tl::unexpected(std::move(error));
    }
    const auto size = static_cast<std::size_t>(sqlite3_blob_bytes(blob_.get()));
    if (size < BlockDirectory::kHeaderBytes) {
        return tl::unexpected(damaged());
    }
    std::string header;
    auto done = readBytes(0, BlockDirectory::kHeaderBytes, header);
    if (!done) {
        return tl::unexpected(done.error());
    }
    const auto length = BlockDirectory::length(header);
    if (!length || *length > size - BlockDirectory::kHeaderBytes) {
        return tl::unexpected(damaged());
    }
    done = readBytes(BlockDirectory::kHeaderBytes, *length, buffer_);
    if (!done) {
        return tl::unexpected(done.error());
    }
    if (!directory_.parse(header, buffer_, size)) {
        return tl::unexpected(damaged());
    }
    loaded_ = true;
    return true;
}

Expected<void> BlockTable::readBytes(std::size_t offset, std::size_t length, std::string& out) {
    out.resize(length);
    const int code =
        sqlite3_blob_read(blob_.get(), out.data(), static_cast<int>(length), static_cast<int>(offset));
    if (code != SQLITE_OK) {
        return tl::unexpected(sqliteError(connection_->get(), code, name()));
    }
    return {};
}

Expected<void> BlockTable::read(const BlockDirectory::Entry& entry, TimestampMs from, TimestampMs to,
                                std::vector<Sample>& out) {
    if (!directory_.overlaps(entry, from, to)) {
        return {};
    }
    const auto bytes = values(entry);
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    if (!directory_.decode(entry, *bytes, from, to, out)) {
        return tl::unexpected(damaged());
    }
    return {};
}

Expected<std::string_view> BlockTable::values(const BlockDirectory::Entry& entry) {
    auto done = readBytes(entry.offset, entry.length, buffer_);
    if (!done) {
        return tl::unexpected(done.error());
    }
    return std::string_view(buffer_);
}

void BlockTable::release() {
    blob_.reset();
    loaded_ = false;
}

}  // namespace lapwing::storage
