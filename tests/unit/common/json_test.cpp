#include "common/json.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/model/labels_json.h"
#include "tests/unit/catch.h"

namespace lapwing::json {
namespace {

TEST_CASE("a writer writes members of each type") {
    Writer out;
    out.StartObject();
    put(out, "text", "a \"quoted\"\nword");
    put(out, "string", std::string("with\0zero", 9));
    put(out, "flag", true);
    put(out, "small", -7);
    put(out, "large", std::uint64_t{18446744073709551615U});
    put(out, "number", 0.5);
    put(out, "nan", std::numeric_limits<double>::quiet_NaN());
    put(out, "list", std::vector<std::string>{"a", "b"});
    put(out, "lists", std::vector<std::vector<int>>{{1, 2}, {}});
    putRaw(out, "raw", R"({"a":[]})");
    out.EndObject();
    CHECK(out.text() == R"({"text":"a \"quoted\"\nword","string":"with\u0000zero","flag":true,"small":-7,)"
                        R"("large":18446744073709551615,"number":0.5,"nan":null,"list":["a","b"],)"
                        R"("lists":[[1,2],[]],"raw":{"a":[]}})");
}

TEST_CASE("a reader finds members of the type that is asked for, and nothing else") {
    const auto document =
        parse(R"({"text":"a\u0000b","minus":-1,"large":18446744073709551615,"half":0.5,"no":false,)"
              R"("list":["a",1,"b"],"object":{"x":1}})");
    REQUIRE(document.IsObject());
    CHECK(text(document, "text") == std::string("a\0b", 3));
    CHECK(text(document, "minus").empty());
    CHECK(integer(document, "minus") == -1);
    CHECK_FALSE(unsignedInteger(document, "minus"));
    CHECK(unsignedInteger(document, "large") == 18446744073709551615U);
    CHECK_FALSE(integer(document, "large"));
    CHECK_FALSE(integer(document, "half"));
    CHECK(number(document, "half") == 0.5);
    CHECK(number(document, "minus") == -1.0);
    CHECK_FALSE(number(document, "text"));
    CHECK(flag(document, "no") == false);
    CHECK_FALSE(flag(document, "half"));
    CHECK(texts(document, "list") == std::vector<std::string>{"a", "b"});
    CHECK(items(member(document, "list")).Size() == 3);
    CHECK(members(member(document, "object")).MemberCount() == 1);
}

TEST_CASE("absent members and members of another type read as nothing") {
    const auto list = parse("[1]");
    REQUIRE(list.IsArray());
    CHECK(member(list, "name").IsNull());
    CHECK(member(member(list, "name"), "deeper").IsNull());
    CHECK(text(list, "name").empty());
    CHECK(texts(list, "name").empty());
    CHECK(members(list).ObjectEmpty());
    CHECK(items(member(list, "name")).Empty());
    CHECK_FALSE(integer(list, "name"));
    CHECK_FALSE(flag(list, "name"));
}

TEST_CASE("labels read back as they were written") {
    const Labels labels{{"__name__", "up"}, {"host", "web-01"}};
    Writer out;
    out.StartObject();
    putLabels(out, "labels", labels);
    out.EndObject();
    CHECK(out.text() == R"({"labels":{"__name__":"up","host":"web-01"}})");
    const auto document = parse(out.text());
    REQUIRE(document.IsObject());
    CHECK(readLabels(document, "labels") == labels);
    CHECK(readLabels(document, "other") == Labels());
}

TEST_CASE("malformed JSON is refused and deep nesting is harmless") {
    CHECK(parse("").IsNull());
    CHECK(parse("{").IsNull());
    CHECK(parse("{} x").IsNull());
    CHECK(parse("{} ").IsObject());
    CHECK(parse(std::string(1'000'000, '[')).IsNull());
}

}  // namespace
}  // namespace lapwing::json
