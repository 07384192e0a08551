#include "collector/storage/log_entry.h"

#include <zlib.h>

#include <bit>

#include "collector/storage/bytes.h"

namespace lapwing::storage {
namespace {

constexpr std::uint8_t kVersion = 1;
/// Typical: an id, a count, and one sample.
constexpr std::size_t kBytesPerSeries = 12;

std::uint32_t checksum(std::string_view data) {
    return static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size()));
}

/// Integers of up to 2^53 are varints with the lowest bit set; other values are a zero byte and their eight
/// bytes.
void putValue(std::string& out, double value) {
    if (const auto integer = exactInteger(value)) {
        putVarint(out, (zigzag(*integer) << 1) | 1);
        return;
    }
    out += '\0';
    putFixed64(out, std::bit_cast<std::uint64_t>(value));
}

double readValue(ByteReader& in) {
    const std::uint64_t code = in.varint();
    if ((code & 1) != 0) {
        return static_cast<double>(unzigzag(code >> 1));
    }
    return std::bit_cast<double>(in.fixed64());
}

}  // namespace

tl::unexpected<Error> unknownInLog(SeriesId id) {
    return fail(ErrorKind::internal,
                "arrival log: an entry names series " + std::to_string(id) + ", which is unknown");
}

std::string encodeLogEntry(std::span<const SeriesBatch> batch) {
    std::string out;
    out.reserve(16 + batch.size() * kBytesPerSeries);
    out += static_cast<char>(kVersion);
    putVarint(out, batch.size());
    std::int64_t id = 0;
    std::int64_t time = 0;
    for (const auto& series : batch) {
        putVarint(out, zigzag(static_cast<std::int64_t>(series.id) - id));
        id = series.id;
        putVarint(out, series.samples.size());
        for (const auto& sample : series.samples) {
            putVarint(out, zigzag(sample.timestamp - time));
            time = sample.timestamp;
            putValue(out, sample.value);
        }
    }
    putFixed32(out, checksum(out));
    return out;
}

Expected<void> LogEntry::decode(std::string_view payload) {
    series_.clear();
    samples_.clear();
    const auto damaged = [] { return fail(ErrorKind::internal, "arrival log: an entry is damaged"); };
    if (payload.size() < 5) {
        return damaged();
    }
    ByteReader sum(payload.substr(payload.size() - 4));
    payload.remove_suffix(4);
    if (sum.fixed32() != checksum(payload)) {
        return damaged();
    }
    ByteReader in(payload);
    if (in.byte() != kVersion) {
        return damaged();
    }
    const std::uint64_t count = in.varint();
    if (count > in.remaining()) {
        return damaged();
    }
    series_.reserve(count);
    // A sample has at least two bytes, so this is room for all: the spans of `series_` must not move.
    samples_.reserve(payload.size() / 2);
    std::uint64_t id = 0;
    std::uint64_t time = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        id += static_cast<std::uint64_t>(unzigzag(in.varint()));
        const std::uint64_t size = in.varint();
        if (size > in.remaining()) {
            return damaged();
        }
        const std::size_t first = samples_.size();
        for (std::uint64_t k = 0; k < size; ++k) {
            time += static_cast<std::uint64_t>(unzigzag(in.varint()));
            const double value = readValue(in);
            if (in.failed()) {
                return damaged();
            }
            samples_.push_back(Sample{static_cast<TimestampMs>(time), value});
        }
        series_.push_back({static_cast<SeriesId>(id), std::span(samples_).subspan(first)});
    }
    if (!in.complete()) {
        return damaged();
    }
    return {};
}

}  // namespace lapwing::storage
