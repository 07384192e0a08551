#include "tests/unit/catch.h"
#include "tests/unit/promql/support.h"

namespace lapwing::promql {
namespace {

/// The result of an instant query at 60 s.
std::string ask(const Memory& data, std::string_view query, int version = 3) {
    return show(Engine(data, compat(version)).instant(query, 60'000));
}

TEST_CASE("functions over time", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}, {"a", "b"}}, every(10, {9, 4, 1, 1, 3, 8, 4}));
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"avg_over_time(x[1m])", "{a=\"b\"} 3.5\n"},
        {"min_over_time(x[1m])", "{a=\"b\"} 1\n"},
        {"max_over_time(x[1m])", "{a=\"b\"} 8\n"},
        {"sum_over_time(x[1m])", "{a=\"b\"} 21\n"},
        {"count_over_time(x[1m])", "{a=\"b\"} 6\n"},
        {"last_over_time(x[1m])", "x{a=\"b\"} 4\n"},
        {"first_over_time(x[1m])", "x{a=\"b\"} 4\n"},
        {"present_over_time(x[1m])", "{a=\"b\"} 1\n"},
        {"changes(x[1m])", "{a=\"b\"} 4\n"},
        {"resets(x[1m])", "{a=\"b\"} 2\n"},
        {"quantile_over_time(0.5, x[1m])", "{a=\"b\"} 3.5\n"},
        {"mad_over_time(x[1m])", "{a=\"b\"} 1.5\n"},
        {"stdvar_over_time(x[20s])", "{a=\"b\"} 4\n"},
        {"stddev_over_time(x[20s])", "{a=\"b\"} 2\n"},
        {"idelta(x[1m])", "{a=\"b\"} -4\n"},
        {"deriv(x[20s])", "{a=\"b\"} -0.4\n"},
        {"predict_linear(x[20s], 10)", "{a=\"b\"} 0\n"},
        {"double_exponential_smoothing(x[30s], 0.5, 0.5)", "{a=\"b\"} 8.5\n"},
        {"holt_winters(x[30s], 0.5, 0.5)", "{a=\"b\"} 8.5\n"},
        {"holt_winters(x[30s], 1, 0.5)",
         "execution: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000"},
        {"rate(missing[1m])", ""},
    }));
    CHECK(ask(data, query) == expected);
}

TEST_CASE("sums over time lose nothing to rounding", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(10, {0, 1, 1e100, 1, -1e100}));
    CHECK(ask(data, "sum_over_time(x[1m])") == "{} 2\n");
    CHECK(ask(data, "avg_over_time(x[1m])") == "{} 0.5\n");
}

TEST_CASE("a mean does not overflow on the way", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(10, {1.5e308, 1.5e308, 1.5e308}));
    data.add({{"__name__", "y"}}, every(10, {1.5e308, kInf, 1}));
    data.add({{"__name__", "z"}}, every(10, {-kInf, kInf, 1}));
    for (const int version : {2, 3}) {
        CHECK(ask(data, "avg_over_time(x[90s])", version) == "{} 1.5e+308\n");
        CHECK(ask(data, "avg_over_time(y[90s])", version) == "{} +Inf\n");
        CHECK(ask(data, "avg_over_time(z[90s])", version) == "{} NaN\n");
        CHECK(ask(data, "avg(label_replace(x, \"n\", \"1\", \"\", \"\") or x)", version) == "{} 1.5e+308\n");
    }
}

TEST_CASE("absent() takes its labels from the selector", "[promql]") {
    const Memory data;
    CHECK(ask(data, "absent(up{job=\"a\",instance=~\"b\",x!=\"y\"})") == "{job=\"a\"} 1\n");
    CHECK(ask(data, "absent(up{job=\"a\",job=\"b\"})") == "{} 1\n");
    CHECK(ask(data, "absent(sum(up{job=\"a\"}))") == "{} 1\n");
    CHECK(ask(data, "absent_over_time(up{job=\"a\"}[5m])") == "{job=\"a\"} 1\n");
}

TEST_CASE("functions of single values", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(60, {0, -2.5}));
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"abs(x)", "{} 2.5\n"},
        {"ceil(x)", "{} -2\n"},
        {"floor(x)", "{} -3\n"},
        {"round(x)", "{} -2\n"},
        {"round(x, 2)", "{} -2\n"},
        {"sgn(x)", "{} -1\n"},
        {"sqrt(x)", "{} NaN\n"},
        {"exp(x * 0)", "{} 1\n"},
        {"deg(vector(pi()))", "{} 180\n"},
        {"clamp(x, -1, 1)", "{} -1\n"},
        {"clamp(x, 1, -1)", ""},
        {"clamp_min(x, 0)", "{} 0\n"},
        {"clamp_max(x, -3)", "{} -3\n"},
        {"scalar(x)", "-2.5"},
        {"scalar(missing)", "NaN"},
        {"vector(scalar(x))", "{} -2.5\n"},
        {"timestamp(x offset 30s)", "{} 0\n"},
        {"timestamp(x + 1)", "{} 60\n"},
    }));
    CHECK(ask(data, query) == expected);
}

TEST_CASE("the calendar is UTC", "[promql]") {
    const Memory data;
    // 2024-02-29T23:59:30Z
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"year(vector(1709251170))", "{} 2024\n"},
        {"month(vector(1709251170))", "{} 2\n"},
        {"day_of_month(vector(1709251170))", "{} 29\n"},
        {"day_of_year(vector(1709251170))", "{} 60\n"},
        {"days_in_month(vector(1709251170))", "{} 29\n"},
        {"day_of_week(vector(1709251170))", "{} 4\n"},
        {"hour(vector(1709251170))", "{} 23\n"},
        {"minute(vector(1709251170))", "{} 59\n"},
        {"minute()", "{} 1\n"},
        {"hour(vector(-1))", "{} 23\n"},
        {"year(vector(NaN))", "{} NaN\n"},
        {"year(vector(1e300))", "{} NaN\n"},
    }));
    CHECK(ask(data, query) == expected);
}

TEST_CASE("functions that rewrite labels", "[promql]") {
    Memory data;
    data.add({{"__name__", "up"}, {"instance", "web-01:9100"}, {"job", "node"}}, every(60, {1, 1}));
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {R"(label_replace(up, "host", "$1", "instance", "(.*):.*"))",
         R"(up{host="web-01", instance="web-01:9100", job="node"} 1)"},
        {R"(label_replace(up, "job", "${2}/$1/$$/$9/$x", "instance", "(web)-(?P<n>..).*"))",
         R"(up{instance="web-01:9100", job="01/web/$//"} 1)"},
        {R"(label_replace(up, "job", "$n", "instance", "web-(?P<n>..).*"))",
         R"(up{instance="web-01:9100", job="01"} 1)"},
        {R"(label_replace(up, "job", "", "instance", ".*"))", R"(up{instance="web-01:9100"} 1)"},
        {R"(label_replace(up, "job", "x", "instance", "web"))",
         R"(up{instance="web-01:9100", job="node"} 1)"},
        {R"(label_join(up, "all", "|", "job", "nothing", "instance"))",
         R"(up{all="node||web-01:9100", instance="web-01:9100", job="node"} 1)"},
    }));
    CHECK(ask(data, query) == expected + "\n");
    CHECK(ask(data, R"(label_replace(up, "a b", "", "job", ".*"))", 2) ==
          "execution: invalid destination label name in label_replace(): a b");
    CHECK(ask(data, R"(label_replace(up, "x", "", "job", "("))")
              .starts_with("execution: invalid regular expression"));
    CHECK(ask(data, R"(label_join(up, "", "", "job"))") ==
          "execution: invalid destination label name in label_join(): ");
}

TEST_CASE("a rewrite that makes two series equal is an error", "[promql]") {
    Memory data;
    data.add({{"__name__", "up"}, {"i", "1"}}, every(60, {1, 1}));
    data.add({{"__name__", "up"}, {"i", "2"}}, every(60, {1, 1}));
    CHECK(ask(data, R"(label_replace(up, "i", "same", "i", ".*"))") ==
          "execution: vector cannot contain metrics with the same labelset");
}

TEST_CASE("sorting", "[promql]") {
    Memory data;
    const auto add = [&data](const char* host, double value) {
        data.add({{"__name__", "x"}, {"host", host}}, {{60'000, value}});
    };
    add("web-10", 3);
    add("web-2", kNaN);
    add("web-1", 7);
    CHECK(ask(data, "sort(x)") == "x{host=\"web-10\"} 3\nx{host=\"web-1\"} 7\nx{host=\"web-2\"} NaN\n");
    CHECK(ask(data, "sort_desc(x)") == "x{host=\"web-1\"} 7\nx{host=\"web-10\"} 3\nx{host=\"web-2\"} NaN\n");
    CHECK(ask(data, "sort_by_label(x, \"host\")") ==
          "x{host=\"web-1\"} 7\nx{host=\"web-2\"} NaN\nx{host=\"web-10\"} 3\n");
    CHECK(ask(data, "sort_by_label_desc(x, \"host\")") ==
          "x{host=\"web-10\"} 3\nx{host=\"web-2\"} NaN\nx{host=\"web-1\"} 7\n");
}

TEST_CASE("classic histograms", "[promql]") {
    Memory data;
    const auto bucket = [&data](const char* le, double count) {
        data.add({{"__name__", "h_bucket"}, {"le", le}}, {{60'000, count}});
    };
    bucket("0.1", 10);
    bucket("1", 30);
    bucket("+Inf", 40);
    CHECK(ask(data, "histogram_quantile(0.5, h_bucket)") == "{} 0.55\n");
    CHECK(ask(data, "histogram_quantile(0.125, h_bucket)") == "{} 0.05\n");
    CHECK(ask(data, "histogram_quantile(0.9, h_bucket)") == "{} 1\n");
    CHECK(ask(data, "histogram_quantile(-1, h_bucket)") == "{} -Inf\n");
    CHECK(ask(data, "histogram_quantile(2, h_bucket)") == "{} +Inf\n");
    CHECK(ask(data, "histogram_quantile(0.5, h_bucket{le!=\"+Inf\"})") == "{} NaN\n");
    // Two histograms whose labels differ in the name only give two results with the same labels.
    const auto other = [&data](const char* le, double count) {
        data.add({{"__name__", "g_bucket"}, {"le", le}}, {{60'000, count}});
    };
    other("1", 1);
    other("+Inf", 2);
    for (const int version : {2, 3}) {
        CHECK(ask(data, "histogram_quantile(0.5, {__name__=~\"[gh]_bucket\"})", version) ==
              "execution: vector cannot contain metrics with the same labelset");
    }
    bucket("many", 1);
    const auto result = Engine(data, {}).instant("histogram_quantile(0.5, h_bucket)", 60'000);
    CHECK(show(result) == "{} 0.55\n");
    CHECK(result->warnings.size() == 1);
}

TEST_CASE("labels sort with numbers in numeric order", "[promql]") {
    Memory data;
    for (const char* n : {"web-10", "web-2", "web", "\u00e4", "10b", "9"}) {
        data.add({{"__name__", "x"}, {"n", n}}, {{60'000, 1}});
    }
    CHECK(ask(data, "sort_by_label(x, \"n\")") ==
          "x{n=\"9\"} 1\nx{n=\"10b\"} 1\nx{n=\"web\"} 1\nx{n=\"web-2\"} 1\nx{n=\"web-10\"} "
          "1\nx{n=\"\u00e4\"} 1\n");
    CHECK(ask(data, "limitk(1, sort_by_label_desc(x, \"n\"))") == "x{n=\"\u00e4\"} 1\n");
}

TEST_CASE("the times of the minimum, the maximum and the last sample", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}}, every(10, {kNaN, 3, 1, 3, 1, 2}));
    CHECK(ask(data, "ts_of_max_over_time(x[1m])") == "{} 30\n");
    CHECK(ask(data, "ts_of_min_over_time(x[1m])") == "{} 40\n");
    CHECK(ask(data, "ts_of_last_over_time(x[1m])") == "{} 50\n");
}

TEST_CASE("the share of a histogram between two bounds", "[promql]") {
    Memory data;
    for (const auto& [le, value] : {std::pair{"1", 2}, {"2", 6}, {"+Inf", 8}}) {
        data.add({{"__name__", "b"}, {"le", le}}, {{60'000, static_cast<double>(value)}});
    }
    CHECK(ask(data, "histogram_fraction(1, 1.5, b)", 3) == "{} 0.25\n");
    CHECK(ask(data, "histogram_fraction(1.5, Inf, b)", 3) == "{} 0.5\n");
    CHECK(ask(data, "histogram_fraction(-Inf, 2, b)", 3) == "{} 0.75\n");
    CHECK(ask(data, "histogram_fraction(2, 1, b)", 3) == "{} 0\n");
    CHECK(ask(data, "histogram_fraction(0.5, 2, b)", 3) == "{} NaN\n");
    CHECK(ask(data, "histogram_fraction(1, 2, b)", 2).empty());
}

TEST_CASE("the type and the unit are dropped together with the name", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}, {"__type__", "gauge"}, {"__unit__", "bytes"}, {"a", "b"}}, {{60'000, 1}});
    CHECK(ask(data, "abs(x)", 3) == "{a=\"b\"} 1\n");
    CHECK(ask(data, "x * 2", 3) == "{a=\"b\"} 2\n");
    CHECK(ask(data, "abs(x)", 2) == "{__type__=\"gauge\", __unit__=\"bytes\", a=\"b\"} 1\n");
    CHECK(ask(data, "x == 1", 3) == "x{__type__=\"gauge\", __unit__=\"bytes\", a=\"b\"} 1\n");
}

}  // namespace
}  // namespace lapwing::promql
