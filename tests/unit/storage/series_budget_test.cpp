#include "collector/storage/series_budget.h"

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

/// Adds series until one is refused, or there are `most`. Returns how many were added.
std::size_t fill(SeriesBudget& budget, const std::string& sender, std::size_t most, std::size_t bytes = 10) {
    std::size_t added = 0;
    while (added < most && !budget.refusal(sender, bytes)) {
        budget.add(sender, bytes);
        ++added;
    }
    return added;
}

TEST_CASE("an agent has a budget of series and of label bytes") {
    SeriesLimits limits;
    limits.agent_series = 100;
    limits.agent_label_bytes = 5000;
    SeriesBudget budget(limits);
    CHECK(fill(budget, "web-01", 1000) == 100);
    CHECK(budget.refusal("web-01", 10).value() ==
          "a new series, and web-01 has 100 already (ingest.agent.max_series)");
    CHECK(fill(budget, "web-02", 1000, 500) == 10);
    CHECK(budget.refusal("web-02", 500).value() ==
          "a new series, and the labels of those of web-02 take 5000 bytes already "
          "(ingest.agent.max_label_bytes)");
    CHECK_FALSE(budget.refusal("web-03", 10));
    budget.remove("web-01", 10);
    CHECK(fill(budget, "web-01", 1000) == 1);
    const auto senders = budget.senders();
    CHECK(senders.at("web-01").series == 100);
    CHECK(senders.at("web-02").label_bytes == 5000);
}

TEST_CASE("senders with very many series leave a quarter to those below their share") {
    SeriesLimits limits;
    limits.series = 1000;
    limits.agent_series = 10'000;
    SeriesBudget budget(limits);
    CHECK(fill(budget, "greedy", 10'000) == 750);
    CHECK(budget.refusal("greedy", 10)->find("greedy has 750 already") != std::string::npos);
    for (const std::string host : {"web-01", "web-02", "web-03", "web-04", "web-05"}) {
        CHECK(fill(budget, host, 40) == 40);
    }
    // Two greedy ones: each may have its share of what is left.
    CHECK(fill(budget, "second", 10'000) == 50);
    CHECK(budget.refusal("third", 10).value() ==
          "a new series, and there are 1000 already (ingest.max_series)");
}

TEST_CASE("the bytes of labels are shared as the series are") {
    SeriesLimits limits;
    limits.label_bytes = 100'000;
    limits.agent_label_bytes = 1'000'000;
    SeriesBudget budget(limits);
    CHECK(fill(budget, "greedy", 10'000, 1000) == 75);
    CHECK(fill(budget, "web-01", 20, 1000) == 20);
    CHECK(fill(budget, kCollectorSender, 10, 1000) == 10);
}

TEST_CASE("nobody takes the room of the collector's own series, nor does it take theirs") {
    SeriesLimits limits;
    limits.series = 100;
    limits.own_series = 20;
    SeriesBudget budget(limits);
    CHECK(fill(budget, kLocalSender, 1000) == 100);
    CHECK(fill(budget, kCollectorSender, 1000) == 20);
    CHECK(budget.refusal(kCollectorSender, 10).value() ==
          "a new series, and there are 20 already (ingest.max_own_series)");
    CHECK(fill(budget, kRulesSender, 1000) == 20);
    budget.remove(kLocalSender, 10);
    CHECK(fill(budget, kLocalSender, 1000) == 1);
}

TEST_CASE("0 means no limit") {
    SeriesBudget budget(SeriesLimits{0, 0, 0, 0, 0, 0});
    CHECK(fill(budget, "web-01", 100'000, 1000) == 100'000);
    CHECK(fill(budget, kCollectorSender, 10'000) == 10'000);
}

TEST_CASE("series beyond an agent's budget are refused, everything else is stored") {
    const test::TemporaryFolder dir;
    auto options = keepEverything(dir.path("lapwing.db"));
    options.limits.agent_series = 10;
    options.limits.kept_series = 25;
    auto store = openStore(options);
    const auto series = [](const std::string& host, int first, int last) {
        std::vector<TimeSeries> out;
        for (int i = first; i < last; ++i) {
            out.push_back({Labels{{"__name__", "m" + std::to_string(i)}, {"agent", host}}, {{1000, 1}}});
        }
        return out;
    };
    const auto result = store->append(series("web-01", 0, 15), "web-01");
    REQUIRE(result);
    CHECK(result->stored == 10);
    CHECK(result->refused == 5);
    CHECK(result->reason == Refusal::limit);
    CHECK(result->first_refusal ==
          "m10{agent=\"web-01\"}: a new series, and web-01 has 10 already (ingest.agent.max_series)");
    CHECK(store->append(series("web-02", 0, 10), "web-02")->refused == 0);
    CHECK(store->append(series("web-03", 0, 10), "web-03")->refused == 5);
    CHECK(store->append(series("web-03", 5, 6), "web-03")->first_refusal ==
          "m5{agent=\"web-03\"}: a new series, and the store keeps 25 already (ingest.max_kept_series)");
    CHECK(store->appendOwn({{Labels{{"__name__", "ALERTS"}}, {{1000, 1}}}})->stored == 1);
    CHECK(store->stats().senders.at("web-01").refused == 5);
    CHECK(store->stats().own_refused == 0);
    // A restart counts them again.
    store.reset();
    store = openStore(options);
    CHECK(store->stats().senders.at("web-01").series == 10);
    CHECK(store->stats().senders.at(kCollectorSender).series == 1);
    CHECK(store->append(series("web-01", 10, 11), "web-01")->refused == 1);
    // The collector's own refused samples are counted.
    CHECK(store->appendOwn({{Labels{{"__name__", "ALERTS"}}, {{1000, 2}}}})->refused == 1);
    CHECK(store->stats().own_refused == 1);
    CHECK(store->append({{Labels{{"__name__", "ALERTS"}}, {{1000, 3}}}}, kRulesSender)->refused == 1);
    CHECK(store->stats().own_refused == 2);
}

}  // namespace
}  // namespace lapwing::storage
