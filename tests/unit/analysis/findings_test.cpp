#include "collector/analysis/findings.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "collector/analysis/standing_series.h"
#include "common/truth.h"
#include "tests/unit/analysis/site_samples.h"
#include "tests/unit/fixtures.h"

using namespace lapwing;
using namespace lapwing::analysis;
using lapwing::test::SiteSamples;

namespace {

/// The pages of docs/findings: id to title.
std::map<std::string, std::string> documented() {
    const auto folder = std::filesystem::path(test::fixturePath("../../docs/findings"));
    std::map<std::string, std::string> out;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        std::ifstream in(file.path());
        std::string heading;
        std::getline(in, heading);
        const auto id = file.path().stem().string();
        const auto prefix = "# " + id + ": ";
        INFO(file.path());
        REQUIRE(heading.starts_with(prefix));
        out[id] = heading.substr(prefix.size());
    }
    return out;
}

}  // namespace

TEST_CASE("kinds of findings and pages correspond, with the same titles") {
    std::map<std::string, std::string> listed;
    for (const auto& kind : findingKinds()) {
        CHECK(listed.emplace(kind.id, kind.title).second);
        CHECK(kind.judge != nullptr);
    }
    CHECK(listed == documented());
}

TEST_CASE("kinds with the same judge are adjacent, so that each judge runs once") {
    std::set<void (*)(const Context&, Judgement&)> seen;
    void (*before)(const Context&, Judgement&) = nullptr;
    for (const auto& kind : findingKinds()) {
        INFO(kind.id);
        if (kind.judge != before) {
            CHECK(seen.insert(kind.judge).second);
        }
        before = kind.judge;
    }
}

TEST_CASE("a series that is absent from a round ends with a staleness marker") {
    SiteSamples samples;
    const auto series = [](const char* name, TimestampMs at) {
        return TimeSeries{Labels{{"__name__", name}}, {{at, 1}}};
    };
    const auto last = [&](const char* name) {
        const auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", name);
        const auto found = samples.store().select({*matcher}, 0, samples.now + 10'000, 100);
        REQUIRE(found);
        return found->empty() ? Sample{} : found->front().samples.back();
    };
    StandingSeries standing;
    standing.restore(Labels{{"__name__", "before"}});
    REQUIRE(
        standing.write(samples.store(), {series("a", samples.now), series("b", samples.now)}, samples.now));
    CHECK(isStaleNaN(last("before").value));
    REQUIRE(standing.write(samples.store(), {series("b", samples.now + 1'000)}, samples.now + 1'000));
    CHECK(isStaleNaN(last("a").value));
    CHECK(last("a").timestamp == samples.now + 1'000);
    CHECK(last("b").value == 1);
    REQUIRE(standing.write(samples.store(), {}, samples.now + 2'000));
    CHECK(last("a").timestamp == samples.now + 1'000);
    CHECK(isStaleNaN(last("b").value));
}

TEST_CASE("three-valued logic is Kleene's") {
    constexpr Truth all[] = {Truth::no, Truth::unknown, Truth::yes};
    for (const auto left : all) {
        CHECK(negate(negate(left)) == left);
        for (const auto right : all) {
            const bool any_no = left == Truth::no || right == Truth::no;
            const bool both = left == Truth::yes && right == Truth::yes;
            CHECK(conjunction(left, right) == (any_no ? Truth::no : both ? Truth::yes : Truth::unknown));
            CHECK(disjunction(left, right) == negate(conjunction(negate(left), negate(right))));
        }
    }
    CHECK(negate(Truth::unknown) == Truth::unknown);
}
