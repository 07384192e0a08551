#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/storage/block.h"
#include "collector/storage/sqlite.h"

namespace lapwing::storage {

/// Reads blocks of one connection's database, only the parts that are asked for. Not synchronised. A damaged
/// block is error `internal` that names it. Must go before its connection does.
class BlockTable {
  public:
    static Expected<BlockTable> open(Connection& connection);

    /// The first row in [from, to].
    Expected<std::optional<std::int64_t>> next(std::int64_t from, std::int64_t to);
    /// Makes a block the present one; false if there is none. The same one again costs nothing until
    /// release().
    Expected<bool> load(std::int64_t row);
    BlockDirectory& directory() { return directory_; }
    /// Appends samples in [from, to] of a series of the present block.
    Expected<void> read(const BlockDirectory::Entry& entry, TimestampMs from, TimestampMs to,
                        std::vector<Sample>& out);
    /// The encoded values of a series of the present block.
    Expected<std::string_view> values(const BlockDirectory::Entry& entry);
    /// Lets the present block go, and with it the read transaction that it holds open.
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
