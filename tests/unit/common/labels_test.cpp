#include "common/model/labels.h"

#include "tests/unit/catch.h"

using lapwing::Labels;

TEST_CASE("labels are sorted, unique and never empty") {
    const Labels labels({{"b", "2"}, {"__name__", "up"}, {"a", "1"}, {"b", "3"}, {"c", ""}});
    REQUIRE(labels.size() == 3);
    CHECK(labels.toString() == R"(up{a="1", b="3"})");
    CHECK(labels.get("b") == "3");
    CHECK_FALSE(labels.has("c"));
    CHECK(labels.metricName() == "up");
}

TEST_CASE("setting a label keeps the order, an empty value removes it") {
    Labels labels({{"b", "2"}});
    labels.set("a", "1");
    labels.set("c", "3");
    labels.set("b", "");
    CHECK(labels == Labels({{"a", "1"}, {"c", "3"}}));
    CHECK(labels.hash() == Labels({{"c", "3"}, {"a", "1"}}).hash());
    CHECK(labels.hash() != Labels({{"c", "1"}, {"a", "3"}}).hash());
}

TEST_CASE("label values are quoted") {
    CHECK(Labels({{"a", "x\"\\\n\x01"}}).toString() == R"({a="x\"\\\n\x01"})");
    CHECK(Labels().toString() == "{}");
}

TEST_CASE("labels compare pairwise") {
    CHECK(Labels({{"a", "1"}}) < Labels({{"a", "1"}, {"b", "1"}}));
    CHECK(Labels({{"a", "2"}}) > Labels({{"a", "1"}, {"b", "1"}}));
}

TEST_CASE("UTF-8 is checked to the last byte") {
    using lapwing::isValidUtf8;
    CHECK(isValidUtf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6"));
    CHECK_FALSE(isValidUtf8("\xc3"));
    CHECK_FALSE(isValidUtf8("\xc0\x80"));
    CHECK_FALSE(isValidUtf8("\xed\xa0\x80"));
    CHECK_FALSE(isValidUtf8("\xf4\x90\x80\x80"));
    CHECK_FALSE(isValidUtf8("\xff"));
}

TEST_CASE("names of metrics and labels") {
    CHECK(lapwing::isValidMetricName("job:up:sum"));
    CHECK_FALSE(lapwing::isValidMetricName("1up"));
    CHECK_FALSE(lapwing::isValidLabelName("a:b"));
    CHECK_FALSE(lapwing::isValidLabelName(""));
}

TEST_CASE("a text that is not UTF-8 becomes UTF-8, and stays different from others") {
    using lapwing::asUtf8;
    CHECK(asUtf8("plain") == "plain");
    CHECK(asUtf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6") == "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6");
    CHECK(asUtf8("/mnt/caf\xe9") == "/mnt/caf\\xe9");
    CHECK(asUtf8("/mnt/caf\xe8") == "/mnt/caf\\xe8");
    CHECK(asUtf8("\xc3") == "\\xc3");
    CHECK(asUtf8("\xc3\xa9\xc3") == "\xc3\xa9\\xc3");
    CHECK(asUtf8("\xc0\x80") == "\\xc0\\x80");           // an overlong form
    CHECK(asUtf8("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
    CHECK(asUtf8("\xf5\x80\x80\x80") == "\\xf5\\x80\\x80\\x80");
    std::string all;
    for (int byte = 1; byte < 256; ++byte) {
        all += static_cast<char>(byte);
    }
    CHECK(lapwing::isValidUtf8(asUtf8(all)));
}
