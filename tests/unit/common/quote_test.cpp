#include "common/model/quote.h"

#include "tests/unit/catch.h"

using namespace lapwing;

TEST_CASE("a text is quoted as Go's strconv.Quote quotes it") {
    CHECK(quote("") == R"("")");
    CHECK(quote("a \"b\" \\ 'c'") == R"("a \"b\" \\ 'c'")");
    CHECK(quote("\a\b\f\n\r\t\v") == R"("\a\b\f\n\r\t\v")");
    CHECK(quote("\x01\x7f") == R"("\x01\x7f")");
    CHECK(quote("ä €") == "\"ä €\"");
    CHECK(quote("\xff\xc3") == R"("\xff\xc3")");
    CHECK(quote("\xc2\xa0\xef\xbb\xbf") == R"("\u00a0\ufeff")");
    CHECK(quote("\xf3\xb0\x80\x80") == R"("\U000f0000")");
}
