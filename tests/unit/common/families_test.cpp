#include "common/model/families.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/catch.h"

using namespace lapwing;

TEST_CASE("a gauge becomes one sample, and extra labels replace its own") {
    auto family = gauge("x", "help");
    add(family, {{"job", "mine"}, {"path", "/"}}, 2.5);
    std::vector<TimeSeries> out;
    appendFamilies({family}, Labels({{"job", "node"}, {"instance", "web-01"}}), 1000, out);
    REQUIRE(out.size() == 1);
    CHECK(out[0].labels.toString() == R"(x{instance="web-01", job="node", path="/"})");
    CHECK(out[0].samples[0].timestamp == 1000);
    CHECK(out[0].samples[0].value == 2.5);
}

TEST_CASE("a histogram gets its +Inf bucket, sum and count") {
    prometheus::MetricFamily family{"h", "", prometheus::MetricType::Histogram, {}};
    prometheus::ClientMetric metric;
    metric.histogram.sample_count = 3;
    metric.histogram.sample_sum = 4.5;
    metric.histogram.bucket = {{1, 0.005}, {2, 2.5}};
    family.metric.push_back(metric);
    std::vector<TimeSeries> out;
    appendFamilies({family}, {}, 7, out);
    REQUIRE(out.size() == 5);
    CHECK(out[0].labels.toString() == R"(h_bucket{le="0.005"})");
    CHECK(out[2].labels.toString() == R"(h_bucket{le="+Inf"})");
    CHECK(out[2].samples[0].value == 3);
    CHECK(out[3].labels.toString() == "h_sum");
    CHECK(out[4].samples[0].value == 3);
}

TEST_CASE("bounds are printed as Prometheus prints them") {
    prometheus::MetricFamily family{"h", "", prometheus::MetricType::Histogram, {}};
    family.metric.resize(1);
    const std::vector<std::pair<double, std::string>> bounds{
        {-1e-5, "-1e-05"}, {0, "0"},           {0.0001, "0.0001"}, {0.3, "0.3"},       {10, "10"},
        {2500, "2500"},    {100000, "100000"}, {1e6, "1e+06"},     {2.5e21, "2.5e+21"}};
    for (const auto& [bound, text] : bounds) {
        family.metric[0].histogram.bucket.push_back({1, bound});
    }
    std::vector<TimeSeries> out;
    appendFamilies({family}, {}, 7, out);
    REQUIRE(out.size() == bounds.size() + 3);
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        CHECK(out[i].labels.get("le") == bounds[i].second);
    }
}

TEST_CASE("labels of a metric are UTF-8, whatever the kernel calls things") {
    auto family = gauge("x", "help");
    add(family, {{"mountpoint", "/mnt/\xff"}}, 1);
    add(family, {{"mountpoint", "/mnt/\xfe"}}, 2);
    std::vector<TimeSeries> out;
    appendFamilies({family}, {}, 1000, out);
    REQUIRE(out.size() == 2);
    CHECK(out[0].labels.get("mountpoint") == "/mnt/\\xff");
    CHECK(out[1].labels.get("mountpoint") == "/mnt/\\xfe");
}
