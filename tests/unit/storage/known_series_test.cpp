#include "collector/ingest/known_series.h"

#include <string>

#include "tests/unit/catch.h"

namespace lapwing::ingest {
namespace {

std::int64_t now = 0;

std::int64_t clockOfTest() {
    return now;
}

TEST_CASE("series that do not come for two hours are forgotten") {
    now = 1'000'000;
    KnownSeries known(1000, clockOfTest);
    const std::string first = "labels of a series that ends";
    const std::string second = "labels of another one";
    const Sample sample{1, 1};
    const std::vector<WrittenSeries> both{{first, {&sample, 1}}, {second, {&sample, 1}}};
    auto found = known.find("web-01", both);
    found[0].ref = 1;
    found[1].ref = 2;
    known.remember(found);
    CHECK(known.find("web-01", both)[0].ref == 1);
    CHECK(known.find("web-02", both)[0].ref == 0);
    const std::vector<WrittenSeries> alive{both[1]};
    for (int i = 0; i < 3; ++i) {
        now += 3'600'000;
        CHECK(known.find("web-01", alive)[0].ref == 2);
    }
    CHECK(known.find("web-01", both)[0].ref == 0);
    CHECK(known.find("web-01", both)[1].ref == 2);
    CHECK(known.size() <= 2);
    now += 10 * 3'600'000;
    CHECK(known.find("web-01", both)[1].ref == 0);
    CHECK(known.size() == 0);
}

TEST_CASE("beyond its size the memory of series begins anew") {
    KnownSeries known(2, clockOfTest);
    const std::string texts[] = {"a", "b", "c"};
    const Sample sample{1, 1};
    for (storage::SeriesRef ref = 1; ref <= 3; ++ref) {
        auto found = known.find("web-01", std::vector<WrittenSeries>{{texts[ref - 1], {&sample, 1}}});
        found[0].ref = ref;
        known.remember(found);
    }
    CHECK(known.size() == 1);
}

}  // namespace
}  // namespace lapwing::ingest
