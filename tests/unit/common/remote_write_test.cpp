#include "common/model/remote_write.h"

#include <malloc.h>
#include <snappy.h>

#include <cmath>

#include "tests/unit/catch.h"
#include "tests/unit/written.h"

using namespace lapwing;

namespace {

std::vector<TimeSeries> twoSeries() {
    return {{Labels({{"__name__", "up"}, {"job", "node"}}), {{1000, 1}, {2000, staleNaN()}}},
            {Labels({{"__name__", "x"}}), {{-5, -0.0}}}};
}

std::string snappyOf(const std::string& raw) {
    std::string out;
    snappy::Compress(raw.data(), raw.size(), &out);
    return out;
}

}  // namespace

TEST_CASE("a request survives encoding and decoding bit for bit") {
    const auto decoded = test::decodeWhole(encodeRemoteWrite(twoSeries()));
    REQUIRE(decoded);
    REQUIRE(decoded->series.size() == 2);
    CHECK(decoded->samples == 3);
    CHECK(decoded->series[0].labels == twoSeries()[0].labels);
    CHECK(decoded->series[0].samples[0].timestamp == 1000);
    CHECK(isStaleNaN(decoded->series[0].samples[1].value));
    CHECK(decoded->series[1].samples[0].timestamp == -5);
    CHECK(std::signbit(decoded->series[1].samples[0].value));
}

TEST_CASE("a declared length beyond the limit is refused before it is allocated") {
    // A varint of 2^32 - 1 uncompressed bytes, and nothing else.
    const auto result = test::decodeWhole("\xff\xff\xff\xff\x0f");
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::exhausted);
    CHECK(result.error().message.find("declares 4294967295") != std::string::npos);
}

TEST_CASE("requests beyond a limit are refused") {
    RemoteWriteLimits limits;
    limits.samples = 2;
    CHECK(test::decodeWhole(encodeRemoteWrite(twoSeries()), limits).error().kind == ErrorKind::exhausted);
    limits = {};
    limits.compressed_bytes = 8;
    CHECK(test::decodeWhole(encodeRemoteWrite(twoSeries()), limits).error().kind == ErrorKind::exhausted);
}

TEST_CASE("only a series with invalid labels is refused") {
    RemoteWriteLimits limits;
    limits.labels_per_series = 1;
    auto result = test::decodeWhole(encodeRemoteWrite(twoSeries()), limits).value();
    CHECK(result.samples == 3);
    CHECK(result.refused == 2);
    CHECK(result.first_refusal == "up: a series with more than 1 labels");
    REQUIRE(result.series.size() == 1);
    CHECK(result.series[0].labels.metricName() == "x");
    limits = {};
    limits.label_bytes = 3;
    result = test::decodeWhole(encodeRemoteWrite(twoSeries()), limits).value();
    CHECK(result.refused == 3);
    CHECK(result.series.empty());
}

TEST_CASE("damaged bodies are errors, never crashes") {
    CHECK(test::decodeWhole("").error().kind == ErrorKind::invalid);
    CHECK(test::decodeWhole("garbage").error().kind == ErrorKind::invalid);
    CHECK(test::decodeWhole(snappyOf("\x0a\x05\x0a")).error().kind == ErrorKind::invalid);
    const auto whole = encodeRemoteWrite(twoSeries());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(test::decodeWhole(std::string_view(whole).substr(0, size)));
    }
}

TEST_CASE("a known field of another wire type is skipped like an unknown field") {
    CHECK(test::decodeWhole(snappyOf(std::string("\x08\x05", 2))).value().series.empty());
    // A series whose sample has its value as a varint and its time as a double.
    const auto result =
        test::decodeWhole(snappyOf(std::string("\x0a\x0d\x12\x0b\x08\x05\x11\0\0\0\0\0\0\xf0\x3f", 15)));
    REQUIRE(result);
    REQUIRE(result->series.size() == 1);
    CHECK(result->series[0].samples[0].timestamp == 0);
    CHECK(result->series[0].samples[0].value == 0);
}

TEST_CASE("series without samples take no memory") {
    std::string many;
    for (int i = 0; i < 1000; ++i) {
        many += std::string("\x0a\x00", 2);
    }
    const auto result = test::decodeWhole(snappyOf(many));
    REQUIRE(result);
    CHECK(result->series.empty());
}

TEST_CASE("labels and samples in turn take no more memory than the request") {
    constexpr int pairs = 20'000;
    const std::string label(
        "\x0a\x06\x0a\x01"
        "a"
        "\x12\x01"
        "b",
        8);
    const std::string sample("\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x01", 13);
    std::string series;
    for (int i = 0; i < pairs; ++i) {
        series += label + sample;
    }
    std::string raw = "\x0a";
    for (auto left = series.size(); left != 0; left >>= 7U) {
        raw += static_cast<char>((left & 0x7fU) | (left > 0x7fU ? 0x80U : 0U));
    }
    raw += series;
    const auto used = [] {
        const auto info = ::mallinfo2();
        return info.uordblks + info.hblkhd;
    };
    const auto body = snappyOf(raw);
    const auto before = used();
    const auto request = decodeRemoteWrite(body, {});
    REQUIRE(request);
    CHECK(used() - before < 6 * raw.size());
    REQUIRE(request->series.size() == 1);
    CHECK(request->samples == pairs);
    CHECK(request->series.front().labels.size() == pairs * label.size());
    CHECK_FALSE(decodeLabels(request->series.front().labels, {}));

    // A few labels between samples are labels like others.
    const std::string other(
        "\x0a\x06\x0a\x01"
        "c"
        "\x12\x01"
        "d",
        8);
    const std::string small = label + sample + other;
    const auto two =
        decodeRemoteWrite(snappyOf(std::string("\x0a") + static_cast<char>(small.size()) + small), {});
    REQUIRE(two);
    CHECK(decodeLabels(two->series.front().labels, {}) == Labels{{"a", "b"}, {"c", "d"}});
}

TEST_CASE("labels out of order are sorted, as Prometheus' receiver sorts them") {
    // series { label { name: "b" value: "1" } label { name: "a" value: "2" } sample {} }
    const std::string body =
        "\x0a\x12\x0a\x06\x0a\x01"
        "b\x12\x01"
        "1\x0a\x06\x0a\x01"
        "a\x12\x01"
        "2\x12";
    const auto result = test::decodeWhole(snappyOf(body + std::string(1, '\0')));
    REQUIRE(result);
    REQUIRE(result->series.size() == 1);
    CHECK(result->series[0].labels == Labels({{"a", "2"}, {"b", "1"}}));
}

TEST_CASE("a series with a repeated label is refused") {
    // series { label { name: "a" value: "1" } label { name: "a" value: "2" } sample {} }
    const std::string label1 =
        "\x0a\x06\x0a\x01"
        "a\x12\x01"
        "1";
    const std::string label2 =
        "\x0a\x06\x0a\x01"
        "a\x12\x01"
        "2";
    const auto result = test::decodeWhole(snappyOf("\x0a\x12" + label1 + label2 + std::string("\x12\0", 2)));
    REQUIRE(result);
    CHECK(result->series.empty());
    CHECK(result->refused == 1);
    CHECK(result->first_refusal.ends_with(": the label a is given twice"));
}

TEST_CASE("metadata is carried beside the samples") {
    const std::vector<MetricMetadata> said = {{"up", "gauge", "1 if it is up.", ""},
                                              {"x_seconds", "histogram", "", "seconds"},
                                              {"y", "unknown", "", ""}};
    const auto result = test::decodeWhole(encodeRemoteWrite(twoSeries(), said)).value();
    CHECK(result.series.size() == 2);
    CHECK(result.metadata == said);
    RemoteWriteLimits limits;
    limits.metadata = 1;
    CHECK(test::decodeWhole(encodeRemoteWrite({}, said), limits).value().metadata.size() == 1);
    limits = {};
    limits.label_bytes = 10;
    CHECK(test::decodeWhole(encodeRemoteWrite({}, said), limits).value().metadata.size() == 2);
}
