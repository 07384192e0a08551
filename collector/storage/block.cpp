#include "collector/storage/block.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "collector/storage/bytes.h"
#include "collector/storage/codec.h"

namespace lapwing::storage {
namespace {

constexpr std::uint8_t kVersion = 1;

std::uint32_t checksum(std::string_view data) {
    return static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size()));
}

}  // namespace

void BlockWriter::add(SeriesId id, std::span<const Sample> samples) {
    std::vector<std::int64_t> times;
    std::vector<double> numbers;
    times.reserve(samples.size());
    numbers.reserve(samples.size());
    for (const auto& sample : samples) {
        times.push_back(sample.timestamp);
        numbers.push_back(sample.value);
    }
    // Series that were scraped together have the same times: encode them once.
    auto known = column_of_times_.find(times);
    if (known == column_of_times_.end()) {
        std::string column;
        putVarint(column, times.size());
        encodeIntegers(times, column);
        known = column_of_times_.emplace(std::move(times), columnOf(column)).first;
    }
    const std::size_t start = values_.size();
    encodeValues(numbers, values_);
    const auto written = std::string_view(values_).substr(start);
    enter(id, known->second, written.size(), checksum(written));
}

void BlockWriter::addEncoded(SeriesId id, std::string_view column, std::string_view values,
                             std::uint32_t checksum) {
    values_ += values;
    enter(id, columnOf(column), values.size(), checksum);
}

std::size_t BlockWriter::columnOf(std::string_view encoded) {
    auto known = column_of_.find(encoded);
    if (known == column_of_.end()) {
        known = column_of_.emplace(std::string(encoded), columns_.size()).first;
        columns_.push_back(known->first);
    }
    return known->second;
}

void BlockWriter::enter(SeriesId id, std::size_t column, std::size_t length, std::uint32_t checksum) {
    putVarint(directory_, id - last_);
    putVarint(directory_, column);
    putVarint(directory_, length);
    putFixed32(directory_, checksum);
    last_ = id;
    ++count_;
}

std::string BlockWriter::finish() {
    std::string directory;
    putVarint(directory, columns_.size());
    for (const auto& column : columns_) {
        putString(directory, column);
    }
    putVarint(directory, count_);
    directory += directory_;
    std::string block;
    block.reserve(BlockDirectory::kHeaderBytes + directory.size() + values_.size());
    block += static_cast<char>(kVersion);
    putFixed32(block, static_cast<std::uint32_t>(directory.size()));
    putFixed32(block, checksum(directory));
    block += directory;
    block += values_;
    return block;
}

std::optional<std::size_t> BlockDirectory::length(std::string_view header) {
    ByteReader in(header);
    const auto version = in.byte();
    const auto length = in.fixed32();
    if (in.failed() || version != kVersion) {
        return std::nullopt;
    }
    return length;
}

bool BlockDirectory::parse(std::string_view header, std::string_view directory, std::size_t block_bytes) {
    columns_.clear();
    entries_.clear();
    directory_ = directory;
    ByteReader start(header);
    const auto version = start.byte();
    const auto length = start.fixed32();
    const auto sum = start.fixed32();
    if (start.failed() || version != kVersion || length != directory_.size() || sum != checksum(directory_)) {
        return false;
    }
    if (block_bytes > std::numeric_limits<std::uint32_t>::max()) {
        return false;
    }
    ByteReader in(directory_);
    const std::uint64_t columns = in.varint();
    if (columns > in.remaining()) {
        return false;
    }
    for (std::uint64_t i = 0; i < columns; ++i) {
        const auto bytes = in.string();
        ByteReader column(bytes);
        Column parsed;
        parsed.start = directory_.size() - in.remaining() - bytes.size();
        parsed.count = column.varint();
        parsed.length = column.remaining();
        parsed.offset = directory_.size() - in.remaining() - parsed.length;
        if (column.failed() || in.failed() || parsed.count == 0 || parsed.count > kMaxSamplesPerChunk) {
            return false;
        }
        columns_.push_back(std::move(parsed));
    }
    const std::uint64_t count = in.varint();
    if (count > in.remaining()) {
        return false;
    }
    entries_.resize(count);
    std::size_t offset = kHeaderBytes + directory_.size();
    std::uint64_t id = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        Entry& entry = entries_[i];
        const std::uint64_t step = in.varint();
        const std::uint64_t column = in.varint();
        const std::uint64_t bytes = in.varint();
        entry.checksum = in.fixed32();
        id += step;
        if (in.failed() || (i > 0 && step == 0) || id > 0xffffffffU || column >= columns_.size() ||
            offset > block_bytes || bytes > block_bytes - offset) {
            return false;
        }
        entry.id = static_cast<SeriesId>(id);
        entry.column = static_cast<std::uint32_t>(column);
        entry.offset = static_cast<std::uint32_t>(offset);
        entry.length = static_cast<std::uint32_t>(bytes);
        offset += bytes;
    }
    return in.complete() && offset == block_bytes;
}

const BlockDirectory::Entry* BlockDirectory::find(SeriesId id) const {
    const auto it = std::lower_bound(entries_.begin(), entries_.end(), id,
                                     [](const Entry& entry, SeriesId wanted) { return entry.id < wanted; });
    return it != entries_.end() && it->id == id ? &*it : nullptr;
}

std::string_view BlockDirectory::column(const Entry& entry) const {
    const Column& column = columns_[entry.column];
    return std::string_view(directory_).substr(column.start, column.offset + column.length - column.start);
}

bool BlockDirectory::load(Column& column) {
    if (column.decoded) {
        return !column.times.empty();
    }
    column.decoded = true;
    ByteReader in(std::string_view(directory_).substr(column.offset, column.length));
    if (!decodeIntegers(in, column.count, column.times) || !in.complete() ||
        !std::is_sorted(column.times.begin(), column.times.end())) {
        column.times.clear();
        return false;
    }
    return true;
}

bool BlockDirectory::overlaps(const Entry& entry, TimestampMs from, TimestampMs to) {
    Column& column = columns_[entry.column];
    return load(column) && column.times.front() <= to && column.times.back() >= from;
}

bool BlockDirectory::decode(const Entry& entry, std::string_view values, TimestampMs from, TimestampMs to,
                            std::vector<Sample>& out) {
    if (checksum(values) != entry.checksum) {
        return false;
    }
    Column& column = columns_[entry.column];
    if (!load(column)) {
        return false;
    }
    ByteReader in(values);
    std::vector<double> numbers;
    if (!decodeValues(in, column.count, numbers) || !in.complete()) {
        return false;
    }
    const auto begin = std::lower_bound(column.times.begin(), column.times.end(), from);
    const auto end = std::upper_bound(begin, column.times.end(), to);
    const auto first = static_cast<std::size_t>(begin - column.times.begin());
    const auto last = static_cast<std::size_t>(end - column.times.begin());
    for (std::size_t i = first; i < last; ++i) {
        out.push_back(Sample{column.times[i], numbers[i]});
    }
    return true;
}

}  // namespace lapwing::storage
