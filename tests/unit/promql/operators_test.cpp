#include "tests/unit/catch.h"
#include "tests/unit/promql/support.h"

namespace lapwing::promql {
namespace {

/// The result of an instant query at 60 s.
std::string ask(const Memory& data, std::string_view query, int version = 3) {
    return show(Engine(data, compat(version)).instant(query, 60'000));
}

Memory site() {
    Memory data;
    const auto add = [&data](Labels labels, double value) { data.add(std::move(labels), {{60'000, value}}); };
    add({{"__name__", "errors"}, {"code", "404"}, {"host", "a"}}, 4);
    add({{"__name__", "errors"}, {"code", "500"}, {"host", "a"}}, 6);
    add({{"__name__", "errors"}, {"code", "500"}, {"host", "b"}}, 1);
    add({{"__name__", "requests"}, {"host", "a"}}, 20);
    add({{"__name__", "requests"}, {"host", "b"}}, 10);
    add({{"__name__", "info"}, {"host", "a"}, {"version", "1.0"}}, 1);
    add({{"__name__", "info"}, {"host", "b"}, {"version", "2.0"}}, 1);
    return data;
}

TEST_CASE("arithmetic drops the name, a comparison keeps it", "[promql]") {
    const auto data = site();
    CHECK(ask(data, "requests / 10") == "{host=\"a\"} 2\n{host=\"b\"} 1\n");
    CHECK(ask(data, "requests > 15") == "requests{host=\"a\"} 20\n");
    CHECK(ask(data, "15 < requests") == "requests{host=\"a\"} 20\n");
    CHECK(ask(data, "requests > bool 15") == "{host=\"a\"} 1\n{host=\"b\"} 0\n");
    CHECK(ask(data, "-requests") == "{host=\"a\"} -20\n{host=\"b\"} -10\n");
    CHECK(ask(data, "requests atan2 0", 2) ==
          "requests{host=\"a\"} 1.5707963267948966\nrequests{host=\"b\"} 1.5707963267948966\n");
    CHECK(ask(data, "-7 % 3") == "-1");
    CHECK(ask(data, "2 ^ 3 ^ 2") == "512");
    CHECK(ask(data, "-2 ^ 2") == "-4");
    CHECK(ask(data, "1 / 0 - 1 / 0") == "NaN");
}

TEST_CASE("vectors match one to one", "[promql]") {
    const auto data = site();
    CHECK(ask(data, "errors{code=\"500\"} / on (host) requests") == "{host=\"a\"} 0.3\n{host=\"b\"} 0.1\n");
    CHECK(ask(data, "errors{code=\"500\"} / ignoring (code) requests") ==
          "{host=\"a\"} 0.3\n{host=\"b\"} 0.1\n");
    CHECK(ask(data, "errors{code=\"500\"} > ignoring (code) (requests - 15)") ==
          "errors{host=\"a\"} 6\nerrors{host=\"b\"} 1\n");
    CHECK(ask(data, "errors{code=\"500\"} / requests").empty());
    CHECK(
        ask(data, "requests / on (host) errors") ==
        "execution: found duplicate series for the match group {host=\"a\"} on the right hand-side of the "
        "operation: "
        "[{__name__=\"errors\", code=\"500\", host=\"a\"}, {__name__=\"errors\", code=\"404\", host=\"a\"}];"
        "many-to-many matching not allowed: matching labels must be unique on one side");
    CHECK(ask(data, "errors / on (host) requests") ==
          "execution: multiple matches for labels: many-to-one matching must be explicit "
          "(group_left/group_right)");
}

TEST_CASE("grouped matching", "[promql]") {
    const auto data = site();
    CHECK(ask(data, "errors / on (host) group_left requests") ==
          "{code=\"404\", host=\"a\"} 0.2\n{code=\"500\", host=\"a\"} 0.3\n{code=\"500\", host=\"b\"} 0.1\n");
    CHECK(ask(data, "requests * on (host) group_left (version) info") ==
          "{host=\"a\", version=\"1.0\"} 20\n{host=\"b\", version=\"2.0\"} 10\n");
    CHECK(ask(data, "info * on (host) group_right (version) requests") ==
          "{host=\"a\", version=\"1.0\"} 20\n{host=\"b\", version=\"2.0\"} 10\n");
    CHECK(ask(data, "info - on (host) group_right errors") ==
          "{code=\"404\", host=\"a\"} -3\n{code=\"500\", host=\"a\"} -5\n{code=\"500\", host=\"b\"} 0\n");
    CHECK(ask(data, "errors * on (host) group_left (code) info") ==
          "execution: multiple matches for labels: grouping labels must ensure unique matches");
}

TEST_CASE("sets", "[promql]") {
    const auto data = site();
    CHECK(ask(data, "requests and on (host) errors{code=\"404\"}") == "requests{host=\"a\"} 20\n");
    CHECK(ask(data, "requests unless on (host) errors{code=\"404\"}") == "requests{host=\"b\"} 10\n");
    CHECK(ask(data, "requests{host=\"a\"} or on (host) info") ==
          "requests{host=\"a\"} 20\ninfo{host=\"b\", version=\"2.0\"} 1\n");
    CHECK(ask(data, "requests and on () vector(1)") == "requests{host=\"a\"} 20\nrequests{host=\"b\"} 10\n");
}

TEST_CASE("series that alternate over time stay one series", "[promql]") {
    Memory data;
    data.add({{"__name__", "a"}}, {{0, 1}, {10'000, staleNaN()}});
    data.add({{"__name__", "b"}}, {{10'000, 2}});
    const Engine engine(data, {});
    CHECK(show(engine.range("{__name__=~\"a|b\"} + 0", 0, 10'000, 10'000)) == "{} 1@0 2@10\n");
    CHECK(show(engine.range("a + 0 or b + 0", 0, 10'000, 10'000)) == "{} 1@0 2@10\n");
    data.add({{"__name__", "c"}}, {{10'000, 3}});
    CHECK(show(engine.range("{__name__=~\"a|b|c\"} + 0", 0, 10'000, 10'000)) ==
          "execution: vector cannot contain metrics with the same labelset");
}

TEST_CASE("aggregations", "[promql]") {
    const auto data = site();
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"sum(errors)", "{} 11\n"},
        {"sum by (host) (errors)", "{host=\"a\"} 10\n{host=\"b\"} 1\n"},
        {"sum(errors) without (code)", "{host=\"a\"} 10\n{host=\"b\"} 1\n"},
        {"avg by (host) (errors)", "{host=\"a\"} 5\n{host=\"b\"} 1\n"},
        {"min(errors)", "{} 1\n"},
        {"max by (code) (errors)", "{code=\"404\"} 4\n{code=\"500\"} 6\n"},
        {"count by (code) (errors)", "{code=\"404\"} 1\n{code=\"500\"} 2\n"},
        {"group by (host) (errors)", "{host=\"a\"} 1\n{host=\"b\"} 1\n"},
        {"stdvar by (host) (errors)", "{host=\"a\"} 1\n{host=\"b\"} 0\n"},
        {"stddev by (host) (errors)", "{host=\"a\"} 1\n{host=\"b\"} 0\n"},
        {"quantile by (host) (0.25, errors)", "{host=\"a\"} 4.5\n{host=\"b\"} 1\n"},
        {"topk(1, errors)", "errors{code=\"500\", host=\"a\"} 6\n"},
        {"topk by (host) (1, errors)",
         "errors{code=\"500\", host=\"a\"} 6\nerrors{code=\"500\", host=\"b\"} 1\n"},
        {"bottomk(2, errors)", "errors{code=\"500\", host=\"b\"} 1\nerrors{code=\"404\", host=\"a\"} 4\n"},
        {"topk(0, errors)", ""},
        {"topk(NaN, errors)", "execution: Scalar value NaN overflows int64"},
        {"count_values(\"v\", requests > bool 0)", "{v=\"1\"} 2\n"},
        {"count_values by (host) (\"v\", info)", "{host=\"a\", v=\"1\"} 1\n{host=\"b\", v=\"1\"} 1\n"},
        {"count_values(\"\", info)", "execution: invalid label name \"\""},
        {"topk(NaN, missing)", ""},
        {"limit_ratio(NaN, errors)", "execution: Ratio value NaN is NaN"},
        {"limitk(1, errors)", "errors{code=\"404\", host=\"a\"} 4\n"},
        {"limitk by (host) (1, errors)",
         "errors{code=\"404\", host=\"a\"} 4\nerrors{code=\"500\", host=\"b\"} 1\n"},
        {"count(limit_ratio(1, errors))", "{} 3\n"},
        {"count(limit_ratio(0.5, errors) or limit_ratio(-0.5, errors))", "{} 3\n"},
        {"limit_ratio(0.5, errors) and limit_ratio(-0.5, errors)", ""},
        {"sum(missing)", ""},
    }));
    CHECK(ask(data, query) == expected);
}

TEST_CASE("limit_ratio takes the series that Prometheus takes", "[promql]") {
    // The answers of Prometheus 3.5 over the same series.
    Memory data;
    for (const char* n : {"0", "1", "2", "3", "4", "5", "6", "7"}) {
        data.add({{"__name__", "x"}, {"n", n}}, {{60'000, 1}});
    }
    CHECK(ask(data, "limit_ratio(0.5, x)") == "x{n=\"0\"} 1\nx{n=\"1\"} 1\nx{n=\"4\"} 1\nx{n=\"6\"} 1\n");
    CHECK(ask(data, "limit_ratio(-0.5, x)") == "x{n=\"2\"} 1\nx{n=\"3\"} 1\nx{n=\"5\"} 1\nx{n=\"7\"} 1\n");
}

TEST_CASE("topk keeps the same ones of equal values as Prometheus", "[promql]") {
    Memory data;
    for (const auto& [n, value] : {std::pair{"1", 1}, {"2", 1}, {"3", 2}}) {
        data.add({{"__name__", "x"}, {"n", n}}, {{60'000, static_cast<double>(value)}});
    }
    CHECK(ask(data, "topk(2, x)", 3) == "x{n=\"3\"} 2\nx{n=\"2\"} 1\n");
    CHECK(ask(data, "topk(2, x)", 2) == "x{n=\"3\"} 2\nx{n=\"2\"} 1\n");
    CHECK(ask(data, "bottomk(1, x)", 3) == "x{n=\"1\"} 1\n");
}

TEST_CASE("NaN and infinity in aggregations", "[promql]") {
    Memory data;
    data.add({{"__name__", "x"}, {"n", "1"}}, {{60'000, kNaN}});
    data.add({{"__name__", "x"}, {"n", "2"}}, {{60'000, 3}});
    data.add({{"__name__", "x"}, {"n", "3"}}, {{60'000, kInf}});
    CHECK(ask(data, "max(x)") == "{} +Inf\n");
    CHECK(ask(data, "min(x)") == "{} 3\n");
    CHECK(ask(data, "sum(x)") == "{} NaN\n");
    CHECK(ask(data, "topk(3, x)") == "x{n=\"3\"} +Inf\nx{n=\"2\"} 3\nx{n=\"1\"} NaN\n");
    CHECK(ask(data, "bottomk(3, x)") == "x{n=\"2\"} 3\nx{n=\"3\"} +Inf\nx{n=\"1\"} NaN\n");
    CHECK(ask(data, "stdvar(x{n=\"3\"})", 3) == "{} NaN\n");
    CHECK(ask(data, "stdvar(x{n=\"3\"})", 2) == "{} 0\n");
}

}  // namespace
}  // namespace lapwing::promql
