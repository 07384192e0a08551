#include "common/text.h"

#include "tests/unit/catch.h"

using namespace lapwing;

TEST_CASE("lower changes ASCII letters alone") {
    CHECK(lower("Web-01_Ä[Z]") == "web-01_Ä[z]");
    CHECK(lower("").empty());
    CHECK(equalsIgnoreCase("Content-Type", "content-type"));
    CHECK_FALSE(equalsIgnoreCase("content-type", "content-types"));
}

TEST_CASE("appendUtf8 encodes one to four bytes, and replaces invalid code points") {
    const auto encoded = [](std::uint32_t code_point) {
        std::string out = "<";
        appendUtf8(out, code_point);
        return out + ">";
    };
    CHECK(encoded('A') == "<A>");
    CHECK(encoded(0) == std::string("<\0>", 3));
    CHECK(encoded(0xE4) == "<\xC3\xA4>");
    CHECK(encoded(0x20AC) == "<\xE2\x82\xAC>");
    CHECK(encoded(0x1F426) == "<\xF0\x9F\x90\xA6>");
    CHECK(encoded(0x10FFFF) == "<\xF4\x8F\xBF\xBF>");
    CHECK(encoded(0xD800) == "<\xEF\xBF\xBD>");
    CHECK(encoded(0x110000) == "<\xEF\xBF\xBD>");
    CHECK(encoded(0xFFFFFFFF) == "<\xEF\xBF\xBD>");
}

TEST_CASE("percentEncode leaves unreserved characters alone") {
    CHECK(percentEncode("AZaz09-._~") == "AZaz09-._~");
    CHECK(percentEncode(":/?#[]@!$&'()*+,;=") == "%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D");
    CHECK(percentEncode("a b%\"<>\\^`{|}\x7F\n") == "a%20b%25%22%3C%3E%5C%5E%60%7B%7C%7D%7F%0A");
    CHECK(percentEncode("\xC3\xA4") == "%C3%A4");
}

TEST_CASE("joined and counted make words of lists and numbers") {
    CHECK(joined({}).empty());
    CHECK(joined({"web-01"}) == "web-01");
    CHECK(joined({"web-01", "web-02"}) == "web-01 and web-02");
    CHECK(joined({"web-01", "web-02", "monitor"}) == "web-01, web-02 and monitor");
    CHECK(counted(1, "port", "ports") == "one port");
    CHECK(counted(0, "port", "ports") == "0 ports");
    CHECK(counted(2, "port", "ports") == "2 ports");
}

TEST_CASE("a prefix does not cut a character in two") {
    CHECK(lapwing::utf8Prefix("abc", 5) == "abc");
    CHECK(lapwing::utf8Prefix("abc", 2) == "ab");
    CHECK(lapwing::utf8Prefix("a\xc3\xa9", 2) == "a");
    CHECK(lapwing::utf8Prefix("\xe2\x80\xa6", 2).empty());
}

TEST_CASE("printable: control characters become blanks") {
    CHECK(printable("a\tb\r\nc") == "a b  c");
    CHECK(printable("\x1b[31mred\x7f") == " [31mred ");
    CHECK(printable("\xc2\x9bx \xc2\xa0 \xc3\xa9") == "  x \xc2\xa0 \xc3\xa9");
    CHECK(printable("\xc2") == "\xc2");
    CHECK(printable("").empty());
}
