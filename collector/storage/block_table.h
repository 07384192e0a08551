#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/storage/block.h"
#include "collector/storage/sqlite.h"

namespace lapwing::storage {

/// Reads the blocks of one connection's database, and only the parts that are asked for. A damaged block is
/// an Error `internal` that names it. Not synchronised. Destroy it before its connection.
class BlockTable {
  public:
    static Expected<BlockTable> open(Connection& connection);

    /// The first row in [from, to].
    Expected<std::optional<std::int64_t>> next(std::int64_t from, std::int64_t to);
    /// Makes a block the current one; false if it does not exist. Loading the current block again costs
    /// nothing.
    Expected<bool> load(std::int64_t row);
    BlockDirectory& directory() { return directory_; }
    /// Appends the samples of a series of the current block in [from, to].
    Expected<void> read(const BlockDirectory::Entry& entry, TimestampMs from, TimestampMs to,
                        std::vector<Sample>& out);
    /// The encoded values of a series of the current block.
    Expected<std::string_view> values(const BlockDirectory::Entry& entry);
    /// Closes the current block, and with it the read transaction that it holds open.
    void release();

  private:
    struct CloseBlob {
        void operator()(sqlite3_blob* blob) const { sqlite3_blob_close(blob); }
    };
    Expected<void> readBytes(std::size_t offset, std::size_t length, std::string& out);
    std::string name() const;
    Error damaged() const;

    Connection* connection_ = nullptr;
    Statement next_;
    Statement exists_;
    std::unique_ptr<sqlite3_blob, CloseBlob> blob_;
    std::int64_t row_ = 0;
    bool loaded_ = false;
    BlockDirectory directory_;
    std::string buffer_;
};

}  // namespace lapwing::storage
