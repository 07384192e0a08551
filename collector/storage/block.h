#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/storage/log_entry.h"

namespace lapwing::storage {

/// A block holds the samples of one group of series (one host) in one window of time. Series that were
/// scraped together share one column of timestamps. Layout, little-endian:
///
///     u8 version, u32 length of the directory, u32 its CRC-32
///     directory: columns {length, count, timestamps}..., series {id, column, length, CRC-32}...
///     the values of each series, in the order of the directory
///
/// One series can be read without the others. Checksums cover every byte that is read.
inline constexpr TimestampMs kWindowMs = 7'200'000;

inline std::int64_t windowOf(TimestampMs time) {
    return time / kWindowMs;
}
/// The row of a block. The blocks of a window have adjacent rows.
inline std::int64_t blockRow(std::int64_t window, GroupId group) {
    return (window << 24) | group;
}

inline std::int64_t windowOfRow(std::int64_t row) {
    return row >> 24;
}
inline GroupId groupOfRow(std::int64_t row) {
    return static_cast<GroupId>(row & 0xffffff);
}
/// No row has a later window.
inline constexpr std::int64_t kLastWindow = std::int64_t{1} << 38;

class BlockWriter {
  public:
    /// Adds a series, in ascending order of ids. Samples ascend; there is at least one.
    void add(SeriesId id, std::span<const Sample> samples);
    /// Adds a series as another block has it, encoded. Damage stays detectable.
    void addEncoded(SeriesId id, std::string_view column, std::string_view values, std::uint32_t checksum);
    std::string finish();

  private:
    std::size_t columnOf(std::string_view encoded);
    void enter(SeriesId id, std::size_t column, std::size_t length, std::uint32_t checksum);

    std::map<std::string, std::size_t, std::less<>> column_of_;
    std::map<std::vector<std::int64_t>, std::size_t>
        column_of_times_;  ///< for the columns that add() has encoded
    std::vector<std::string> columns_;
    std::string directory_;
    std::string values_;
    std::size_t count_ = 0;
    SeriesId last_ = 0;
};

/// The directory of a block: the position of each series.
class BlockDirectory {
  public:
    static constexpr std::size_t kHeaderBytes = 9;

    struct Entry {
        SeriesId id = 0;
        std::uint32_t column = 0;
        std::uint32_t checksum = 0;
        std::uint32_t offset = 0;  ///< in the block
        std::uint32_t length = 0;
    };

    /// The length of the directory, from the block's first bytes; nothing if they are damaged.
    static std::optional<std::size_t> length(std::string_view header);
    /// `directory` is the text after the header, `block_bytes` the length of the block. False if it is
    /// damaged.
    bool parse(std::string_view header, std::string_view directory, std::size_t block_bytes);

    const std::vector<Entry>& entries() const { return entries_; }
    const Entry* find(SeriesId id) const;
    std::size_t sampleCount(const Entry& entry) const { return columns_[entry.column].count; }
    /// The encoded timestamps of a series, for BlockWriter::addEncoded().
    std::string_view column(const Entry& entry) const;
    /// Appends the samples of a series in [from, to], given the bytes of its values. False if they are
    /// damaged.
    bool decode(const Entry& entry, std::string_view values, TimestampMs from, TimestampMs to,
                std::vector<Sample>& out);
    /// False if the series' timestamps lie outside [from, to], or are damaged.
    bool overlaps(const Entry& entry, TimestampMs from, TimestampMs to);

  private:
    struct Column {
        std::size_t start = 0;   ///< including the count
        std::size_t offset = 0;  ///< of the timestamps
        std::size_t length = 0;
        std::size_t count = 0;
        bool decoded = false;
        std::vector<std::int64_t> times;
    };
    bool load(Column& column);

    std::string directory_;
    std::vector<Column> columns_;
    std::vector<Entry> entries_;
};

}  // namespace lapwing::storage
