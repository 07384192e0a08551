#include "collector/notify/silences.h"

#include "collector/notify/matchers.h"
#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using notify::Silence;
using notify::Silences;

namespace {

constexpr TimestampMs kNow = 1'700'000'000'000;
constexpr std::int64_t kMinute = 60'000;

Silence silence(const std::string& matcher, TimestampMs from, TimestampMs until) {
    Silence out;
    out.matchers = {*notify::parseMatcher(matcher)};
    out.starts_at = from;
    out.ends_at = until;
    out.created_by = "root";
    out.comment = "\"new disk\"\n";
    return out;
}

const Labels kWeb{{"alertname", "DiskSpaceLow"}, {"instance", "web-02"}};

}  // namespace

TEST_CASE("a silence lasts from its begin to its end, across a restart") {
    const test::TemporaryFolder folder;
    auto store = openStore(folder.path("db"));
    std::string id;
    {
        Silences silences(*store);
        int changes = 0;
        silences.onChange([&] { ++changes; });
        const auto set = silences.set(silence("instance=~web-.*", kNow + kMinute, kNow + 31 * kMinute), kNow);
        REQUIRE(set.has_value());
        id = *set;
        CHECK(changes == 1);
    }
    store.reset();
    store = openStore(folder.path("db"));
    Silences silences(*store);
    CHECK(silences.matching(kWeb, kNow).empty());
    CHECK(silences.nextChange(kNow) == kNow + kMinute);
    CHECK(silences.matching(kWeb, kNow + kMinute) == std::vector<std::string>{id});
    CHECK(silences.matching(Labels{{"instance", "lb-01"}}, kNow + kMinute).empty());
    CHECK(silences.nextChange(kNow + kMinute) == kNow + 31 * kMinute);
    CHECK(silences.matching(kWeb, kNow + 31 * kMinute).empty());
    CHECK_FALSE(silences.nextChange(kNow + 31 * kMinute));
    REQUIRE(silences.list(kNow).size() == 1);
    const auto kept = silences.list(kNow)[0];
    CHECK(kept.comment == "\"new disk\"\n");
    CHECK(kept.created_by == "root");
    CHECK(kept.updated_at == kNow);
    CHECK(notify::toString(kept.matchers[0]) == "instance=~\"web-.*\"");
    CHECK(std::string(kept.state(kNow)) == "pending");
    CHECK(std::string(kept.state(kNow + kMinute)) == "active");
    CHECK(std::string(kept.state(kNow + 31 * kMinute)) == "expired");
    CHECK(silences.list(kNow + 6LL * 24 * 60 * kMinute).empty());
}

TEST_CASE("a silence can be ended and replaced") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Silences silences(*store);
    const auto id = silences.set(silence("instance=web-02", kNow, kNow + kMinute), kNow);
    REQUIRE(id.has_value());
    auto longer = silence("instance=web-02", kNow, kNow + 10 * kMinute);
    longer.id = *id;
    CHECK(silences.set(longer, kNow) == *id);
    CHECK(silences.list(kNow).size() == 1);
    CHECK(silences.matching(kWeb, kNow + 5 * kMinute).size() == 1);
    REQUIRE(silences.expire(*id, kNow + 5 * kMinute));
    CHECK(silences.matching(kWeb, kNow + 5 * kMinute).empty());
    CHECK(silences.expire(*id, kNow + 6 * kMinute).has_value());
    CHECK(silences.list(kNow + 6 * kMinute)[0].ends_at == kNow + 5 * kMinute);
    CHECK(silences.expire("none", kNow).error().kind == ErrorKind::not_found);
    longer.id = "none";
    CHECK(silences.set(longer, kNow).error().kind == ErrorKind::not_found);
}

TEST_CASE("a silence that matches never, or everything, is refused") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Silences silences(*store);
    for (const auto& wrong :
         {silence("instance=x", kNow, kNow), silence("instance=x", kNow - 2, kNow - 1),
          silence("instance=~.*", kNow, kNow + 1), silence("instance!=x", kNow, kNow + 1)}) {
        CHECK(silences.set(wrong, kNow).error().kind == ErrorKind::invalid);
    }
    CHECK(silences.list(kNow).empty());
}

TEST_CASE("matchers accept the usual spellings") {
    const auto printed = [](const char* text) {
        const auto matcher = notify::parseMatcher(text);
        return matcher ? notify::toString(*matcher) : "error: " + matcher.error().message;
    };
    CHECK(printed("instance=web-02") == "instance=\"web-02\"");
    CHECK(printed(" instance = \"web-02\" ") == "instance=\"web-02\"");
    CHECK(printed("a!=b=c") == "a!=\"b=c\"");
    CHECK(printed("a=~b|c") == "a=~\"b|c\"");
    CHECK(printed("a!~b") == "a!~\"b\"");
    CHECK(printed("a=") == "a=\"\"");
    CHECK(printed("\"my.team\"=web") == "\"my.team\"=\"web\"");
    CHECK(printed(" \"größe=x\" =~ \"a|b\"") == "\"größe=x\"=~\"a|b\"");
    CHECK(printed("\"plain\"!=b") == "plain!=\"b\"");
    for (const char* wrong : {"", "a", "=b", "1a=b", "a.b=c", "a!b", "a=~(", "\"a=b", "\"\"=b", "\"a\""}) {
        INFO(wrong);
        CHECK(printed(wrong).rfind("error: ", 0) == 0);
    }
}
