#include "agent/delivery/descriptions.h"

#include "common/model/families.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using lapwing::agent::Descriptions;

TEST_CASE("descriptions go to each connection once") {
    Descriptions descriptions;
    CHECK(descriptions.add({gauge("a", "Help."), counter("b_total", "Help.")}));
    CHECK_FALSE(descriptions.add({gauge("a", "Other words.")}));
    // A part of a scraped histogram.
    CHECK_FALSE(descriptions.add({{"a_bucket", "", prometheus::MetricType::Untyped, {}}}));
    const auto all = descriptions.unsent();
    REQUIRE(all.size() == 2);
    CHECK(all[0].metric == "a");
    CHECK(all[0].type == "gauge");
    CHECK(all[0].help == "Help.");
    CHECK(all[1].type == "counter");
    descriptions.sent({all[0]});
    REQUIRE(descriptions.unsent().size() == 1);
    CHECK(descriptions.unsent()[0].metric == "b_total");
    descriptions.sent({{"unknown", "gauge", "", ""}});
    descriptions.begin();
    CHECK(descriptions.unsent().size() == 2);
}

// It attacks "types and helps of metrics that an agent tells".
TEST_CASE("descriptions are bounded in number") {
    Descriptions descriptions;
    for (std::size_t i = 0; i < Descriptions::kMost + 5; ++i) {
        descriptions.add({gauge("name_" + std::to_string(i), "Help.")});
    }
    CHECK(descriptions.unsent().size() == Descriptions::kMost);
    CHECK_FALSE(descriptions.add({gauge("another", "Help.")}));
}
