#include <snappy.h>

#include <initializer_list>
#include <protozero/pbf_builder.hpp>

#include "common/model/remote_write.h"
#include "tests/unit/catch.h"
#include "tests/unit/written.h"

using namespace lapwing;

namespace {

// io/prometheus/write/v2/types.proto
enum class Request : protozero::pbf_tag_type { symbols = 4, series = 5 };
enum class Series : protozero::pbf_tag_type {
    labels = 1,
    samples = 2,
    histograms = 3,
    exemplars = 4,
    metadata = 5,
    created = 6
};
enum class Point : protozero::pbf_tag_type { value = 1, timestamp = 2 };
enum class Meta : protozero::pbf_tag_type { type = 1, help = 3, unit = 4 };

class Body {
  public:
    void symbols(std::initializer_list<const char*> all) {
        for (const char* each : all) {
            request_.add_string(Request::symbols, each);
        }
    }
    protozero::pbf_builder<Series> series(std::initializer_list<std::uint32_t> labels) {
        protozero::pbf_builder<Series> out(request_, Request::series);
        out.add_packed_uint32(Series::labels, labels.begin(), labels.end());
        return out;
    }
    std::string body() const {
        std::string out;
        snappy::Compress(raw_.data(), raw_.size(), &out);
        return out;
    }
    Expected<test::WholeRequest> decode(const RemoteWriteLimits& limits = {}) const {
        return test::decodeWhole(body(), limits, RemoteWriteVersion::v2);
    }

  private:
    std::string raw_;
    protozero::pbf_builder<Request> request_{raw_};
};

void sample(protozero::pbf_builder<Series>& series, double value, std::int64_t at) {
    protozero::pbf_builder<Point> point(series, Series::samples);
    point.add_double(Point::value, value);
    point.add_int64(Point::timestamp, at);
}

void metadata(protozero::pbf_builder<Series>& series, std::uint32_t type, std::uint32_t help,
              std::uint32_t unit) {
    protozero::pbf_builder<Meta> out(series, Series::metadata);
    out.add_uint32(Meta::type, type);
    out.add_uint32(Meta::help, help);
    out.add_uint32(Meta::unit, unit);
}

}  // namespace

TEST_CASE("remote_write 2.0: labels are references to symbols anywhere in the message") {
    Body body;
    {
        auto series = body.series({1, 2, 3, 4});
        sample(series, 1.5, 1000);
        sample(series, staleNaN(), 2000);
        series.add_int64(Series::created, 900);
    }
    body.symbols({"", "__name__", "up", "job", "node"});
    const auto request = body.decode().value();
    REQUIRE(request.series.size() == 1);
    CHECK(request.series[0].labels == Labels{{"__name__", "up"}, {"job", "node"}});
    REQUIRE(request.series[0].samples.size() == 2);
    CHECK(request.series[0].samples[0].value == 1.5);
    CHECK(isStaleNaN(request.series[0].samples[1].value));
    CHECK(request.series[0].samples[1].timestamp == 2000);
    CHECK(request.samples == 2);
}

TEST_CASE("remote_write 2.0: metadata is named by the family, once") {
    Body body;
    body.symbols(
        {"", "__name__", "h_bucket", "le", "1", "h_sum", "How long.", "seconds", "c_total", "plain"});
    for (const std::uint32_t name : {2, 5}) {
        auto series = body.series({1, name});
        sample(series, 1, 1);
        metadata(series, 3, 6, 7);
    }
    {
        auto series = body.series({1, 8});
        sample(series, 1, 1);
        metadata(series, 1, 0, 0);
    }
    {
        auto series = body.series({1, 9});
        sample(series, 1, 1);
        metadata(series, 0, 0, 0);
    }
    const auto request = body.decode().value();
    CHECK(request.series.size() == 4);
    CHECK(request.metadata == std::vector<MetricMetadata>{{"h", "histogram", "How long.", "seconds"},
                                                          {"c_total", "counter", "", ""}});
}

TEST_CASE("remote_write 2.0: native histograms and exemplars are counted") {
    Body body;
    body.symbols({"", "__name__", "h"});
    {
        auto series = body.series({1, 2});
        series.add_message(Series::histograms, std::string());
        series.add_message(Series::histograms, std::string());
        series.add_message(Series::exemplars, std::string());
    }
    const auto request = body.decode().value();
    CHECK(request.histograms == 2);
    CHECK(request.exemplars == 1);
    CHECK(request.series.empty());
}

TEST_CASE("remote_write 2.0: dangling references are errors") {
    Body body;
    body.symbols({"", "__name__"});
    SECTION("beyond the table") {
        auto series = body.series({1, 2});
        sample(series, 1, 1);
    }
    SECTION("a name alone") {
        auto series = body.series({1});
        sample(series, 1, 1);
    }
    const auto request = body.decode();
    REQUIRE_FALSE(request);
    CHECK(request.error().kind == ErrorKind::invalid);
}

TEST_CASE("remote_write 2.0: short references to long symbols do not multiply beyond the limit") {
    Body body;
    const std::string long_text(4000, 'x');
    body.symbols({"", "__name__", long_text.c_str()});
    for (int i = 0; i < 100; ++i) {
        auto series = body.series({1, 2});
        sample(series, 1, 1);
    }
    RemoteWriteLimits limits;
    limits.uncompressed_bytes = 100'000;
    const auto request = body.decode(limits);
    REQUIRE_FALSE(request);
    CHECK(request.error().kind == ErrorKind::exhausted);
    CHECK(body.decode().value().series.size() == 100);
    limits = {};
    limits.symbols = 2;
    CHECK(body.decode(limits).error().kind == ErrorKind::exhausted);
}

TEST_CASE("remote_write 2.0: only a series with invalid labels is refused") {
    Body body;
    body.symbols({"", "__name__", "up", "job", "a", "b"});
    {
        auto series = body.series({1, 2, 3, 4, 3, 5});
        sample(series, 1, 1);
    }
    {
        auto series = body.series({1, 2, 0, 4});
        sample(series, 1, 1);
    }
    {
        auto series = body.series({1, 2});
        sample(series, 1, 1);
    }
    const auto request = body.decode().value();
    CHECK(request.refused == 2);
    CHECK(request.first_refusal.find("the label job is given twice") != std::string::npos);
    CHECK(request.series.size() == 1);
}

TEST_CASE("remote_write 2.0: damaged bodies are errors, never crashes") {
    Body body;
    body.symbols({"", "__name__", "up"});
    {
        auto series = body.series({1, 2});
        sample(series, 1, 1);
        metadata(series, 1, 99, 0);
    }
    CHECK(body.decode().value().metadata.empty());
    const auto whole = body.body();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(test::decodeWhole(std::string_view(whole).substr(0, size), {}, RemoteWriteVersion::v2));
    }
}
