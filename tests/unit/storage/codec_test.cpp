#include "collector/storage/codec.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "collector/storage/block.h"
#include "collector/storage/log_entry.h"
#include "collector/storage/series_row.h"
#include "tests/unit/catch.h"

namespace lapwing::storage {
namespace {

std::vector<std::uint64_t> bitsOf(const std::vector<double>& values) {
    std::vector<std::uint64_t> bits;
    for (const double value : values) {
        bits.push_back(std::bit_cast<std::uint64_t>(value));
    }
    return bits;
}

/// Encodes and decodes. Returns the encoded size in bytes.
std::size_t checkValues(const std::vector<double>& values) {
    std::string data;
    encodeValues(values, data);
    ByteReader in(data);
    std::vector<double> back;
    const bool decoded = decodeValues(in, values.size(), back);
    const bool complete = in.complete();
    REQUIRE(decoded);
    REQUIRE(complete);
    REQUIRE(bitsOf(back) == bitsOf(values));
    return data.size();
}

std::size_t checkIntegers(const std::vector<std::int64_t>& values) {
    std::string data;
    encodeIntegers(values, data);
    ByteReader in(data);
    std::vector<std::int64_t> back;
    const bool decoded = decodeIntegers(in, values.size(), back);
    const bool complete = in.complete();
    REQUIRE(decoded);
    REQUIRE(complete);
    REQUIRE(back == values);
    return data.size();
}

const std::vector<double>& specials() {
    static const std::vector<double> values = {
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        staleNaN(),
        std::numeric_limits<double>::quiet_NaN(),
        -std::numeric_limits<double>::quiet_NaN(),
        std::numeric_limits<double>::signaling_NaN(),
        std::bit_cast<double>(std::uint64_t{0x7ff0000000000001}),
        std::bit_cast<double>(~std::uint64_t{0}),
        std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::max(),
        std::numeric_limits<double>::lowest(),
        std::numeric_limits<double>::min(),
        std::numeric_limits<double>::denorm_min(),
        -std::numeric_limits<double>::denorm_min(),
        9007199254740991.0,
        9007199254740992.0,
        9007199254740994.0,
        -9007199254740993.0,
        1e15,
        1e-15,
        123456.789,
        1.0 / 3,
        4.9e-324,
        1e22,
        1.7976931348623157e308,
    };
    return values;
}

TEST_CASE("special values survive bit for bit, alone and in pairs") {
    for (const double a : specials()) {
        checkValues({a});
        for (const double b : specials()) {
            checkValues({a, b});
            checkValues({a, a, b, b, a});
        }
    }
    checkValues(specials());
}

TEST_CASE("any values survive bit for bit") {
    std::mt19937_64 random(42);
    for (int round = 0; round < 400; ++round) {
        std::vector<double> values;
        const auto kind = random() % 8;
        const std::size_t count = 1 + random() % 300;
        double last = 0;
        const double scale = std::pow(10.0, static_cast<double>(random() % 12));
        for (std::size_t i = 0; i < count; ++i) {
            switch (kind) {
                case 0:
                    last = std::bit_cast<double>(random());
                    break;
                case 1:
                    last = static_cast<double>(random() % 1000);
                    break;
                case 2:
                    last += static_cast<double>(random() % 1'000'000);
                    break;
                case 3:
                    last = static_cast<double>(static_cast<std::int64_t>(random() % 100'000)) / scale;
                    break;
                case 4:
                    last = std::sin(static_cast<double>(i) / 10);
                    break;
                case 5:
                    last = random() % 20 == 0 ? staleNaN() : static_cast<double>(random() % 50) / 100;
                    break;
                case 6:
                    last = random() % 30 == 0 ? 0 : last + 1e12;
                    break;
                default:
                    last = specials()[random() % specials().size()];
                    break;
            }
            values.push_back(last);
        }
        checkValues(values);
    }
}

TEST_CASE("any integers survive") {
    std::mt19937_64 random(7);
    checkIntegers({0});
    checkIntegers({INT64_MIN});
    checkIntegers({INT64_MAX, INT64_MIN});
    checkIntegers({INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN, INT64_MIN, INT64_MAX});
    for (int round = 0; round < 400; ++round) {
        std::vector<std::int64_t> values;
        const unsigned bits = static_cast<unsigned>(random() % 64);
        const std::size_t count = 1 + random() % 200;
        const auto kind = random() % 3;
        std::uint64_t last = random();
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t step = (random() >> bits) * (random() % 40 == 0 ? 1'000'003 : 1);
            last = kind == 0 ? step : kind == 1 ? last + step : last - step;
            values.push_back(static_cast<std::int64_t>(last));
        }
        checkIntegers(values);
    }
}

TEST_CASE("typical samples of a server become small") {
    std::vector<double> constant(720, 8589934592.0);
    CHECK(checkValues(constant) == 9);
    std::vector<double> counter;
    std::vector<double> gauge;
    std::vector<std::int64_t> regular;
    std::mt19937_64 random(1);
    for (int i = 0; i < 720; ++i) {
        counter.push_back(1e6 + 100.0 * i + static_cast<double>(random() % 16));
        gauge.push_back(static_cast<double>(random() % 256) / 100);
        regular.push_back(1'700'000'000'000 + 10'000LL * i);
    }
    CHECK(checkValues(counter) < 720 * 6 / 8);
    CHECK(checkValues(gauge) < 720 * 9 / 8);
    CHECK(checkIntegers(regular) < 20);
    // A restart in the middle is an exception, not a wider packing of everything.
    for (std::size_t i = 400; i < counter.size(); ++i) {
        counter[i] -= 1'040'000;
    }
    CHECK(checkValues(counter) < 720 * 6 / 8);
}

TEST_CASE("a log entry survives, a damaged entry is refused") {
    const std::vector<std::vector<Sample>> samples = {
        {{1000, 1}, {2000, -0.0}, {3000, staleNaN()}},
        {{500, 0.1}},
        {{TimestampMs{1} << 53, -9007199254740991.0}, {0, 1e300}}};
    const std::vector<SeriesBatch> batch = {{7, samples[0]}, {3, samples[1]}, {INT32_MAX, samples[2]}};
    const auto good = encodeLogEntry(batch);
    LogEntry entry;
    REQUIRE(entry.decode(good));
    REQUIRE(entry.series().size() == batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const SeriesBatch& series = entry.series()[i];
        CHECK(series.id == batch[i].id);
        REQUIRE(series.samples.size() == batch[i].samples.size());
        for (std::size_t k = 0; k < series.samples.size(); ++k) {
            CHECK(series.samples[k].timestamp == batch[i].samples[k].timestamp);
            CHECK(std::bit_cast<std::uint64_t>(series.samples[k].value) ==
                  std::bit_cast<std::uint64_t>(batch[i].samples[k].value));
        }
    }
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 4);
        CHECK_FALSE(entry.decode(bad));
        CHECK_FALSE(entry.decode(std::string_view(good).substr(0, i)));
    }
    // No part of the previous entry is left.
    REQUIRE(entry.decode(encodeLogEntry({})));
    CHECK(entry.series().empty());
}

TEST_CASE("a series' labels survive, damaged labels are refused") {
    const Labels labels{{"__name__", "up"}, {"instance", "web-01"}, {"job", std::string(300, 'j')}};
    const auto good = encodeLabels(labels);
    std::vector<LabelView> views = {{"left", "over"}};
    REQUIRE(decodeLabels(good, views));
    REQUIRE(views.size() == labels.size());
    for (std::size_t i = 0; i < views.size(); ++i) {
        CHECK(views[i].name == labels.begin()[static_cast<std::ptrdiff_t>(i)].name);
        CHECK(views[i].value == labels.begin()[static_cast<std::ptrdiff_t>(i)].value);
    }
    std::size_t whole = 0;
    for (std::size_t i = 0; i < good.size(); ++i) {
        // Data that ends between two labels is a shorter set of labels.
        if (decodeLabels(std::string_view(good).substr(0, i), views)) {
            ++whole;
        }
    }
    CHECK(whole == labels.size() - 1);
    CHECK_FALSE(decodeLabels(good + good, views));
    CHECK_FALSE(decodeLabels(encodeLabels({{"b", "1"}}) + encodeLabels({{"a", "1"}}), views));
    CHECK_FALSE(decodeLabels(std::string("\1a\0", 3), views));
}

TEST_CASE("a block shares timestamps, reads single series, and detects damage anywhere") {
    BlockWriter writer;
    std::vector<Sample> a;
    std::vector<Sample> b;
    for (int i = 0; i < 100; ++i) {
        a.push_back({i * 10'000, i / 10.0});
        b.push_back({i * 10'000, 5});
    }
    writer.add(3, a);
    writer.add(9, b);
    writer.add(10, std::vector<Sample>{{77, staleNaN()}});
    const auto block = writer.finish();
    const auto header = block.substr(0, BlockDirectory::kHeaderBytes);
    const auto length = BlockDirectory::length(header);
    REQUIRE(length);
    BlockDirectory directory;
    REQUIRE(directory.parse(header, block.substr(BlockDirectory::kHeaderBytes, *length), block.size()));
    REQUIRE(directory.entries().size() == 3);
    CHECK(directory.entries()[0].column == directory.entries()[1].column);
    CHECK(directory.find(4) == nullptr);
    const auto* entry = directory.find(3);
    REQUIRE(entry != nullptr);
    std::vector<Sample> back;
    REQUIRE(directory.decode(*entry, block.substr(entry->offset, entry->length), 10'000, 35'000, back));
    REQUIRE(back.size() == 3);
    CHECK(back[0].timestamp == 10'000);
    CHECK(back[2].value == 0.3);
    CHECK_FALSE(directory.overlaps(*entry, 990'001, 2'000'000));

    for (std::size_t i = 0; i < block.size(); ++i) {
        auto bad = block;
        bad[i] = static_cast<char>(bad[i] ^ 16);
        const auto start = bad.substr(0, BlockDirectory::kHeaderBytes);
        const auto size = BlockDirectory::length(start);
        BlockDirectory parsed;
        bool fine = size && *size <= bad.size() &&
                    parsed.parse(start, bad.substr(BlockDirectory::kHeaderBytes, *size), bad.size());
        std::vector<Sample> out;
        for (std::size_t k = 0; fine && k < parsed.entries().size(); ++k) {
            const auto& one = parsed.entries()[k];
            fine = parsed.decode(one, bad.substr(one.offset, one.length), 0, INT64_MAX, out);
        }
        CHECK_FALSE(fine);
    }
}

}  // namespace
}  // namespace lapwing::storage
