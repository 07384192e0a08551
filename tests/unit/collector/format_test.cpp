#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>

#include "collector/api/discovery.h"
#include "collector/api/federate.h"
#include "collector/api/json.h"
#include "collector/api/parameters.h"
#include "collector/api/people.h"
#include "collector/api/status.h"
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
}

TEST_CASE("JSON stays valid for any bytes in a label") {
    std::ostringstream out;
    JsonSink sink(out);
    JsonWriter json(sink);
    labels(json, Labels{{"a", "\"\\\n\x01</script>"}, {"b", "ä"}});
    sink.Flush();
    CHECK(out.str() == R"({"a":"\"\\\n\u0001</script>","b":"ä"})");
}

TEST_CASE("JSON stays UTF-8 for any bytes in a text") {
    std::ostringstream out;
    JsonSink sink(out);
    JsonWriter json(sink);
    json.StartArray();
    for (const char* each : {"\xff", "a\xc3z", "\xc3\xa4\xa4\xf0\x9f\x90\xa6\xf0\x9f", "\xed\xa0\x80"}) {
        text(json, each);
    }
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
    CHECK(parseTime("2026-11-23T07:02:46,029999999Z").value() == 1795417366029);
    CHECK(parseTime("2024-02-29T00:00:00Z").value() == 1709164800000);
    CHECK(parseTime("-292273086-05-16T16:47:06Z").value() == kMinTime);
    for (const char* bad : {"", "never", "1x", "NaN", "Inf", "1e300", "2026-11-23", "2026-13-23T07:02:46Z",
                            "2026-11-23T07:02:46", "2026-11-23T07:02:46+1:00", "2026-11-23T07:02:46.Z",
                            "2026-02-29T00:00:00Z", "2026-11-23t07:02:46z", "2026-11-23T07:02:60Z"}) {
        INFO(bad);
        const auto time = parseTime(bad);
        REQUIRE_FALSE(time);
        CHECK(time.error().message == "cannot parse \"" + std::string(bad) + "\" to a valid timestamp");
    }
}

TEST_CASE("Steps are seconds or durations") {
    constexpr std::int64_t ms = 1'000'000;
    CHECK(parseDurationNs("15").value() == 15'000 * ms);
    CHECK(parseDurationNs("0.5").value() == 500 * ms);
    CHECK(parseDurationNs("0.0000015").value() == 1500);
    CHECK(parseDurationNs("-1").value() == -1000 * ms);
    CHECK(parseDurationNs("1m30s").value() == 90'000 * ms);
    CHECK(parseDurationNs("250ms").value() == 250 * ms);
    CHECK(parseDurationNs("").error().message == "cannot parse \"\" to a valid duration");
    CHECK_FALSE(parseDurationNs("1 m"));
    for (const char* far : {"1e300", "NaN", "Inf", "1e10"}) {
        CHECK(parseDurationNs(far).error().message ==
              "cannot parse \"" + std::string(far) + "\" to a valid duration. It overflows int64");
    }
    CHECK(parseDurationNs("300y").error().message == "cannot parse \"300y\" to a valid duration");
}

TEST_CASE("Integers are read as Go reads them") {
    CHECK(parseInteger("12").value() == 12);
    CHECK(parseInteger("+3").value() == 3);
    CHECK(parseInteger("-1").value() == -1);
    CHECK(parseInteger("1x").error().message == "strconv.Atoi: parsing \"1x\": invalid syntax");
    CHECK(parseInteger("99999999999", "ParseInt").error().message ==
          "strconv.ParseInt: parsing \"99999999999\": value out of range");
    for (const char* bad : {"", "+", "-", "+-1", " 1"}) {
        CHECK_FALSE(parseInteger(bad));
    }
}

TEST_CASE("Forms are decoded without their malformed pairs") {
    const auto form = parseForm("query=1%2B1&time=4&match[]=a&match%5B%5D=b+c&&empty=&bare");
    CHECK(form.problem.empty());
    CHECK(first(form.values, "query") == "1+1");
    CHECK(all(form.values, "match[]") == std::vector<std::string>{"a", "b c"});
    CHECK(first(form.values, "empty").empty());
    CHECK(first(form.values, "absent").empty());
    CHECK(form.values.size() == 6);
    for (const auto& [text, problem] : std::initializer_list<std::pair<const char*, const char*>>{
             {"a=%&b=1", "invalid URL escape \"%\""},
             {"a=%4&b=1", "invalid URL escape \"%4\""},
             {"b=1&%zz=1", "invalid URL escape \"%zz\""},
             {"b=1&a;c=1", "invalid semicolon separator in query"}}) {
        const auto broken = parseForm(text);
        CHECK(broken.problem == problem);
        CHECK(broken.values == Parameters{{"b", "1"}});
    }
    CHECK(decodePath("a+b%2Fc").value() == "a+b/c");
}

TEST_CASE("A selector of the API must not match the empty label set") {
    CHECK(matchParameters({{"match[]", "up"}, {"match[]", "{__name__=~\".+\",}"}}).value().size() == 2);
    CHECK(matchParameters({}).value().empty());
    CHECK(matchParameters({{"match[]", "{a=\"\"}"}}).error().message ==
          "match[] must contain at least one non-empty matcher");
    CHECK(matchParameters({{"match[]", "{"}}).error().message ==
          "1:2: parse error: unexpected end of input inside braces");
}

TEST_CASE("The exposition format's values are Go's %g") {
    CHECK(formatExposition(0) == "0");
    CHECK(formatExposition(-0.0) == "-0");
    CHECK(formatExposition(123456) == "123456");
    CHECK(formatExposition(1234567) == "1.234567e+06");
    CHECK(formatExposition(1e6) == "1e+06");
    CHECK(formatExposition(0.0001) == "0.0001");
    CHECK(formatExposition(0.00001) == "1e-05");
    CHECK(formatExposition(1.5e300) == "1.5e+300");
    CHECK(formatExposition(std::nan("")) == "NaN");
    CHECK(formatExposition(-std::numeric_limits<double>::infinity()) == "-Inf");
}

TEST_CASE("Label names in a path may be escaped") {
    CHECK(unescapeName("U__http_2e_x") == "http.x");
    CHECK(unescapeName("U__a__b") == "a_b");
    CHECK(unescapeName("U___1f426_") == "\U0001F426");
    for (const char* same : {"job", "U_job", "U__a_zz_", "U__a_2e", "U__a_d800_", "U__a_1234567_"}) {
        CHECK(unescapeName(same) == same);
    }
}

TEST_CASE("Credentials in a URL are not shown") {
    CHECK(publicUrl("http://user:secret@mon:9093/path?token=secret") == "http://mon:9093/path");
    CHECK(publicUrl("http://mon:9093") == "http://mon:9093");
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

namespace {

class Asked : public Request {
  public:
    Asked(std::string asked, std::map<std::string, std::string> headers) : headers_(std::move(headers)) {
        path = std::move(asked);
        method = "GET";
    }
    std::string header(const std::string& name) const override {
        const auto found = headers_.find(name);
        return found == headers_.end() ? "" : found->second;
    }
    Expected<std::string> body(std::size_t /*limit*/) override { return ""; }
    const std::atomic<bool>& gone() const override { return gone_; }

  private:
    std::map<std::string, std::string> headers_;
    std::atomic<bool> gone_{false};
};

bool isForeign(const char* path, std::map<std::string, std::string> headers) {
    headers.emplace("Host", "monitor:9765");
    return isFromForeignPage(Asked(path, std::move(headers)));
}

}  // namespace

TEST_CASE("A page of another site gets no data") {
    constexpr const char* query_path = "/api/v1/query";
    CHECK_FALSE(isForeign(query_path, {}));
    CHECK_FALSE(isForeign(query_path, {{"Sec-Fetch-Site", "same-origin"}}));
    CHECK_FALSE(isForeign(query_path, {{"Sec-Fetch-Site", "none"}}));
    CHECK_FALSE(
        isForeign(query_path, {{"Origin", "https://monitor:9765"}, {"Sec-Fetch-Site", "same-origin"}}));
    for (const char* site : {"cross-site", "same-site"}) {
        for (const char* path : {query_path, "/metrics", "/federate", "/api/lapwing/v1/findings"}) {
            CHECK(isForeign(path, {{"Sec-Fetch-Site", site}, {"Sec-Fetch-Mode", "no-cors"}}));
            CHECK(isForeign(
                path,
                {{"Sec-Fetch-Site", site}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}}));
        }
        CHECK(isForeign("/", {{"Sec-Fetch-Site", site}, {"Sec-Fetch-Mode", "no-cors"}}));
        CHECK(isForeign(
            "/", {{"Sec-Fetch-Site", site}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "iframe"}}));
        CHECK_FALSE(isForeign(
            "/", {{"Sec-Fetch-Site", site}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}}));
    }
    CHECK(isForeign(query_path, {{"Origin", "https://evil.example"}}));
    CHECK(isForeign(query_path, {{"Origin", "null"}}));
    CHECK(isForeign("/api/v1/write", {{"Origin", "http://monitor:9999"}}));
}
