#include "collector/forward/batch.h"

#include "collector/promql/engine.h"
#include "tests/unit/catch.h"

namespace lapwing::forward {
namespace {

std::shared_ptr<const Labels> labels(const std::string& name, const std::string& job) {
    return std::make_shared<const Labels>(Labels{{"__name__", name}, {"job", job}});
}

storage::LoggedBatch entry(std::vector<storage::LoggedSeries> series) {
    storage::LoggedBatch batch;
    batch.seq = 1;
    batch.series = std::move(series);
    return batch;
}

std::vector<Sample> samples(int from, int count) {
    std::vector<Sample> out;
    for (int i = 0; i < count; ++i) {
        out.push_back({from + i, static_cast<double>(from + i)});
    }
    return out;
}

TEST_CASE("series that meet any of the selectors are wanted") {
    Destination destination;
    destination.match.push_back(promql::parseSelector(R"({job="node"})").value());
    destination.match.push_back(promql::parseSelector(R"({__name__=~"lapwing_.*",job!="test"})").value());
    Gatherer gatherer(destination);
    // Twice: the second answer is a remembered one.
    for (int round = 0; round < 2; ++round) {
        gatherer.add(entry({{1, labels("up", "node"), samples(0, 1)},
                            {2, labels("up", "mysql"), samples(0, 1)},
                            {3, labels("lapwing_finding", "collector"), samples(0, 1)},
                            {4, labels("lapwing_finding", "test"), samples(0, 1)}}));
        CHECK(gatherer.samples() == 2);
        const auto requests = gatherer.take({});
        REQUIRE(requests.size() == 1);
        REQUIRE(requests[0].series.size() == 2);
        CHECK(requests[0].series[0].labels.toString() == R"(up{job="node"})");
        CHECK(requests[0].series[1].labels.toString() == R"(lapwing_finding{job="collector"})");
    }
}

TEST_CASE("external labels are added, and replace no label") {
    Destination destination;
    destination.external_labels = Labels{{"site", "paris"}, {"job", "other"}};
    Gatherer gatherer(destination);
    gatherer.add(entry({{1, labels("up", "node"), samples(0, 1)}}));
    CHECK(gatherer.take({})[0].series[0].labels.toString() == R"(up{job="node", site="paris"})");
}

TEST_CASE("entries become requests of bounded size, with each series in order of time") {
    const Destination destination;
    Gatherer gatherer(destination);
    gatherer.add(entry({{1, labels("a", "x"), samples(100, 3)}, {2, labels("b", "x"), samples(0, 4)}}));
    gatherer.add(entry({{1, labels("a", "x"), samples(10, 2)}, {3, nullptr, samples(0, 7)}}));
    CHECK(gatherer.samples() == 9);
    CHECK(gatherer.deleted() == 7);
    const auto requests = gatherer.take({.samples = 4, .bytes = 1U << 20});
    REQUIRE(requests.size() == 3);
    CHECK(requests[0].samples == 4);
    CHECK(requests[1].samples == 4);
    CHECK(requests[2].samples == 1);
    std::map<std::string, std::vector<TimestampMs>> times;
    for (const auto& request : requests) {
        std::size_t count = 0;
        for (const auto& series : request.series) {
            count += series.samples.size();
            for (const auto& sample : series.samples) {
                CHECK(sample.value == static_cast<double>(sample.timestamp));
                times[series.labels.toString()].push_back(sample.timestamp);
            }
        }
        CHECK(count == request.samples);
    }
    CHECK(times[R"(a{job="x"})"] == std::vector<TimestampMs>{10, 11, 100, 101, 102});
    CHECK(times[R"(b{job="x"})"] == std::vector<TimestampMs>{0, 1, 2, 3});
    CHECK(gatherer.samples() == 0);
    CHECK(gatherer.take({}).empty());
}

TEST_CASE("a request is bounded in bytes, and a long label does not stop it") {
    const Destination destination;
    Gatherer gatherer(destination);
    const auto large = labels("a", std::string(5000, 'x'));
    gatherer.add(entry({{1, large, samples(0, 3)}, {2, labels("b", "x"), samples(0, 100)}}));
    const auto requests = gatherer.take({.samples = 2000, .bytes = 1000});
    std::size_t count = 0;
    for (const auto& request : requests) {
        count += request.samples;
        CHECK(request.samples <= 1000 / 18);
        CHECK_FALSE(request.series.empty());
    }
    CHECK(count == 103);
    CHECK(requests.size() == 5);
}

TEST_CASE("halves have all samples, the earlier ones first") {
    Request request;
    request.series = {{*labels("a", "x"), samples(0, 3)}, {*labels("b", "x"), samples(0, 4)}};
    request.samples = 7;
    const auto [first, second] = halve(request);
    CHECK(first.samples == 3);
    CHECK(second.samples == 4);
    REQUIRE(first.series.size() == 1);
    REQUIRE(second.series.size() == 1);

    const auto [left, right] = halve(second);
    REQUIRE(left.series.size() == 1);
    REQUIRE(right.series.size() == 1);
    CHECK(left.series[0].samples.back().timestamp == 1);
    CHECK(right.series[0].samples.front().timestamp == 2);
    CHECK(right.series[0].labels == left.series[0].labels);
}

}  // namespace
}  // namespace lapwing::forward
