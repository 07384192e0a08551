#include <cmath>
#include <limits>
#include <sstream>

#include "collector/api/json.h"
#include "collector/api/parameters.h"
#include "collector/api/people.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::api;

TEST_CASE("Values are printed as Prometheus prints them") {
    CHECK(formatValue(0) == "0");
    CHECK(formatValue(-0.0) == "-0");
    CHECK(formatValue(1) == "1");
    CHECK(formatValue(0.1) == "0.1");
    CHECK(formatValue(1.0 / 3) == "0.3333333333333333");
    CHECK(formatValue(1e20) == "100000000000000000000");
    CHECK(formatValue(1e21) == "1e+21");
    CHECK(formatValue(1e-6) == "0.000001");
    CHECK(formatValue(9.9e-7) == "9.9e-07");
    CHECK(formatValue(-1.5e300) == "-1.5e+300");
    CHECK(formatValue(5e-324) == "5e-324");
    CHECK(formatValue(std::numeric_limits<double>::max()) == "1.7976931348623157e+308");
    CHECK(formatValue(std::numeric_limits<double>::infinity()) == "+Inf");
    CHECK(formatValue(-std::numeric_limits<double>::infinity()) == "-Inf");
    CHECK(formatValue(std::nan("")) == "NaN");
}

TEST_CASE("Times are printed as decimal seconds") {
    CHECK(formatTimestamp(0) == "0");
    CHECK(formatTimestamp(4000) == "4");
    CHECK(formatTimestamp(1500) == "1.500");
    CHECK(formatTimestamp(1005) == "1.005");
    CHECK(formatTimestamp(-1) == "-0.001");
    CHECK(formatTimestamp(1795417366834) == "1795417366.834");
    CHECK(formatTime(1795417366834) == "2026-11-23T07:02:46.834Z");
    CHECK(formatTime(1795417366000) == "2026-11-23T07:02:46Z");
    CHECK(formatTime(-1) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("JSON stays JSON whatever a label holds") {
    std::ostringstream out;
    JsonSink sink(out);
    JsonWriter json(sink);
    labels(json, Labels{{"a", "\"\\\n\x01</script>"}, {"b", "ä"}});
    sink.Flush();
    CHECK(out.str() == R"({"a":"\"\\\n\u0001</script>","b":"ä"})");
}

TEST_CASE("JSON stays UTF-8 whatever bytes a text holds") {
    std::ostringstream out;
    JsonSink sink(out);
    JsonWriter json(sink);
    json.StartArray();
    for (const char* each : {"\xff", "a\xc3z", "\xc3\xa4\xa4\xf0\x9f\x90\xa6\xf0\x9f", "\xed\xa0\x80"})
        text(json, each);
    json.EndArray();
    sink.Flush();
    CHECK(out.str() ==
          "[\"\uFFFD\",\"a\uFFFDz\",\"\u00e4\uFFFD\U0001F426\uFFFD\uFFFD\",\"\uFFFD\uFFFD\uFFFD\"]");
}

TEST_CASE("Times are read as Prometheus reads them") {
    CHECK(parseTime("4").value() == 4000);
    CHECK(parseTime("1.5").value() == 1500);
    CHECK(parseTime("-1").value() == -1000);
    CHECK(parseTime("1e3").value() == 1'000'000);
    CHECK(parseTime("1795417366.8344").value() == 1795417366834);
    CHECK(parseTime("2026-11-23T07:02:46Z").value() == 1795417366000);
    CHECK(parseTime("2026-11-23T07:02:46.834Z").value() == 1795417366834);
    CHECK(parseTime("2026-11-23T08:02:46+01:00").value() == 1795417366000);
    CHECK(parseTime("2026-11-23T02:32:46-04:30").value() == 1795417366000);
    for (const char* bad : {"", "never", "1x", "NaN", "Inf", "1e300", "2026-11-23", "2026-13-23T07:02:46Z",
                            "2026-11-23T07:02:46", "2026-11-23T07:02:46+1:00", "2026-11-23T07:02:46.Z"}) {
        INFO(bad);
        const auto time = parseTime(bad);
        REQUIRE_FALSE(time);
        CHECK(time.error().message == "cannot parse \"" + std::string(bad) + "\" to a valid timestamp");
    }
}

TEST_CASE("Steps are seconds or durations") {
    CHECK(parseStep("15").value() == 15'000);
    CHECK(parseStep("0.5").value() == 500);
    CHECK(parseStep("1m30s").value() == 90'000);
    CHECK(parseStep("250ms").value() == 250);
    CHECK(parseStep("").error().message == "cannot parse \"\" to a valid duration");
    CHECK_FALSE(parseStep("1 m"));
    CHECK_FALSE(parseStep("1e300"));
}

TEST_CASE("Forms are decoded, and broken ones refused") {
    const auto form = parseForm("query=1%2B1&time=4&match[]=a&match%5B%5D=b+c&&empty=&bare").value();
    CHECK(first(form, "query") == "1+1");
    CHECK(all(form, "match[]") == std::vector<std::string>{"a", "b c"});
    CHECK(first(form, "empty").empty());
    CHECK(first(form, "absent").empty());
    CHECK(form.size() == 6);
    CHECK_FALSE(parseForm("a=%"));
    CHECK_FALSE(parseForm("a=%4"));
    CHECK_FALSE(parseForm("a=%zz"));
    CHECK(decodePath("a+b%2Fc").value() == "a+b/c");
}

TEST_CASE("Only names of the loopback address pass") {
    for (const char* good : {"", "localhost", "localhost:9765", "LOCALHOST", "127.0.0.1:1", "127.1.2.3",
                             "[::1]", "[::1]:9765"}) {
        INFO(good);
        CHECK(isLocalHost(good, {}));
    }
    for (const char* bad : {"evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil", "[::2]",
                            "[::1", "127.evil", "mon"}) {
        INFO(bad);
        CHECK_FALSE(isLocalHost(bad, {}));
    }
    CHECK(isLocalHost("mon:9765", {"mon"}));
    CHECK(isLocalHost("mon.example.org", {"Mon.Example.org"}));
}
