#include "collector/storage/sample_stream.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::storage;

namespace {

SampleStream streamOf(const std::vector<Sample>& samples) {
    SampleStream stream;
    for (const auto& sample : samples) {
        stream.append(sample);
    }
    return stream;
}

void checkRoundTrip(const std::vector<Sample>& samples) {
    const auto stream = streamOf(samples);
    std::vector<Sample> back;
    REQUIRE(SampleStream::decode(stream.bytes(), back));
    REQUIRE(back.size() == samples.size());
    for (std::size_t i = 0; i < back.size(); ++i) {
        REQUIRE(back[i].timestamp == samples[i].timestamp);
        REQUIRE(std::bit_cast<std::uint64_t>(back[i].value) ==
                std::bit_cast<std::uint64_t>(samples[i].value));
    }
    CHECK(stream.first() == samples.front().timestamp);
    CHECK(stream.last() == samples.back().timestamp);
}

}  // namespace

TEST_CASE("every pair of kinds of values and any steps of time survive a stream") {
    const std::vector<double> values = {0,
                                        -0.0,
                                        1,
                                        -1,
                                        15,
                                        16,
                                        30,
                                        31,
                                        0.1,
                                        -0.1,
                                        1e300,
                                        9007199254740991.0,
                                        -9007199254740991.0,
                                        9007199254740992.0,
                                        std::numeric_limits<double>::infinity(),
                                        std::nan(""),
                                        staleNaN(),
                                        std::numeric_limits<double>::denorm_min(),
                                        std::bit_cast<double>(0x0123456789abcdefU)};
    std::vector<Sample> samples;
    TimestampMs time = 0;
    for (const double a : values) {
        for (const double b : values) {
            samples.push_back({time += 15'000, a});
            samples.push_back({time += 1 + static_cast<TimestampMs>(samples.size()) * 37 % 30'000, b});
        }
    }
    samples.push_back({TimestampMs{1} << 53, 5});
    checkRoundTrip(samples);
    for (std::size_t size = 1; size < 50; ++size) {
        checkRoundTrip({samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(size)});
    }
}

TEST_CASE("any bit pattern survives a stream") {
    std::mt19937_64 random(11);
    std::vector<Sample> samples;
    TimestampMs time = 1'700'000'000'000;
    for (int i = 0; i < 20'000; ++i) {
        time += 1 + static_cast<TimestampMs>(random() >> (24 + random() % 40));
        if (time > TimestampMs{1} << 53) {
            break;
        }
        samples.push_back({time, std::bit_cast<double>(random() << random() % 64)});
    }
    checkRoundTrip(samples);
}

TEST_CASE("typical samples of a server need few bytes in a stream") {
    std::vector<Sample> constant;
    std::vector<Sample> counter;
    for (int i = 0; i < 1000; ++i) {
        const TimestampMs time = 1'700'000'000'000 + 15'000LL * i + i % 7;
        constant.push_back({time, 8589934592.0});
        counter.push_back({time, 1e6 + 1000.0 * i});
    }
    CHECK(streamOf(constant).bytes().size() < 2100);
    CHECK(streamOf(counter).bytes().size() < 4100);
}

TEST_CASE("a damaged stream is refused, never read beyond its end") {
    std::mt19937_64 random(3);
    std::vector<Sample> samples;
    for (int i = 0; i < 60; ++i) {
        samples.push_back({1000 * i + static_cast<int>(random() % 7), static_cast<double>(i % 5) / 3});
    }
    const auto good = streamOf(samples).bytes();
    std::vector<Sample> back;
    std::size_t cut = 0;
    for (std::size_t length = 1; length < good.size(); ++length) {
        back.clear();
        // A stream may end after any sample, but not inside one.
        if (SampleStream::decode(std::string_view(good).substr(0, length), back)) {
            CHECK(back.size() < samples.size());
            ++cut;
        }
    }
    CHECK(cut == samples.size() - 1);
    for (int round = 0; round < 2000; ++round) {
        auto bad = good;
        bad[random() % bad.size()] = static_cast<char>(random());
        back.clear();
        SampleStream::decode(bad, back);
        CHECK(back.size() <= bad.size());
    }
}
