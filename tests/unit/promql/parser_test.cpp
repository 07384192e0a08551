#include "collector/promql/parser.h"

#include "collector/promql/engine.h"
#include "tests/unit/catch.h"

namespace lapwing::promql {
namespace {

std::string printed(std::string_view query) {
    const auto text = canonical(query);
    return text ? *text : "error: " + text.error().message;
}

TEST_CASE("canonical form", "[promql]") {
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"up", "up"},
        {"up{}", "up"},
        {"{__name__=\"up\",}", "{__name__=\"up\"}"},
        {"up{b='x',a=~`y.*`,a!=\"z\"}", "up{a!=\"z\",a=~\"y.*\",b=\"x\"}"},
        {"1+2*3^-4", "1 + 2 * 3 ^ -4"},
        {"-1^2", "-1 ^ 2"},
        {"- up", "-up"},
        {"(1+2)*3", "(1 + 2) * 3"},
        {"sum(rate(x[5m]))by(a,b)", "sum by (a, b) (rate(x[5m]))"},
        {"SUM WITHOUT (a) (x)", "sum without (a) (x)"},
        {"sum by () (x)", "sum(x)"},
        {"topk(3,x)", "topk(3, x)"},
        {"a>bool b", "a > bool b"},
        {"a*on(x)group_left(y)b", "a * on (x) group_left (y) b"},
        {"a*on()b", "a * on () b"},
        {"a/ignoring(x)group_right b", "a / ignoring (x) group_right () b"},
        {"a and on(x) b or c unless d", "a and on (x) b or c unless d"},
        {"x[90m] offset 1d12h", "x[1h30m] offset 1d12h"},
        {"x offset -1w", "x offset -1w"},
        {"x[5m]@1.5 offset 1ms", "x[5m] @ 1.500 offset 1ms"},
        {"x @ start()", "x @ start()"},
        {"rate(x[1m])[1h:5m]@end()", "rate(x[1m])[1h:5m] @ end()"},
        {"x[1h:]", "x[1h:]"},
        {"0x1F + 010 + 1e3 + Inf + nan", "31 + 8 + 1000 + +Inf + NaN"},
        {"\"tab\\t\" # comment", "\"tab\\t\""},
        {"time()", "time()"},
        {"sum", "sum"},
        {"by{on=\"x\"}", "by{on=\"x\"}"},
    }));
    CHECK(printed(query) == expected);
}

TEST_CASE("the additions of version 3", "[promql]") {
    CHECK(printed("{\"http.requests\", \"a.b\"=\"c\"}") == "{\"a.b\"=\"c\",__name__=\"http.requests\"}");
    CHECK(printed("{\"up\"}") == "{__name__=\"up\"}");
    CHECK(printed("{\"a\",\"b\"}") == "{__name__=\"a\",__name__=\"b\"}");
    CHECK(printed("sum by (\"a.b\", c) (x)") == "sum by (\"a.b\", c) (x)");
    CHECK(printed("5m * 2") == "5m * 2");
    CHECK(printed("rate(x[300])") == "rate(x[5m])");
    CHECK(printed("x offset 90") == "x offset 1m30s");
    CHECK(printed("limitk(2, x) or limit_ratio(-0.1, x)") == "limitk(2, x) or limit_ratio(-0.1, x)");
    CHECK(printed("1_000_000") == "1000000");
    CHECK(printed("x[+5m]") == "x[5m]");
    CHECK(printed("up{\"down\"}") ==
          "error: 1:1: parse error: metric name must not be set twice: \"up\" or \"down\"");
    CHECK(printed("x[-5m]") == "error: 1:3: parse error: duration must be greater than 0");
    CHECK(printed("x[2*5m]") == "error: 1:3: parse error: experimental duration expression is not enabled");
    CHECK(printed("x offset (5m)") ==
          "error: 1:11: parse error: experimental duration expression is not enabled");
    CHECK(printed("info(up)") == "error: 1:1: parse error: function \"info\" is not enabled");
    CHECK(printed("sum by (\"\") (up)") == "error: 1:9: parse error: invalid label name for grouping: \"\"");
}

TEST_CASE("numbers and durations", "[promql]") {
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"0x_1F + 1_0e1_0 + 0_7", "31 + 100000000000 + 7"},
        {"09 + 017", "9 + 15"},
        {"1__0", "error: 1:1: parse error: bad number or duration syntax: \"1__\""},
        {"1e", "error: 1:1: parse error: bad number or duration syntax: \"1e\""},
        {"0x1.8", "error: 1:1: parse error: bad number or duration syntax: \"0x1.\""},
        {"0x",
         "error: 1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"},
        {"1e400",
         "error: 1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of "
         "range"},
        {"1.5m", "error: 1:1: parse error: unknown unit \".\" in duration \"1.5m\""},
        {"1m1h", "error: 1:1: parse error: not a valid duration string: \"1m1h\""},
        {"300y", "error: 1:1: parse error: duration out of range"},
        {"1\u00a0", "error: 1:2: parse error: unexpected character: '\\u00a0'"},
    }));
    CHECK(printed(query) == expected);
}

TEST_CASE("binary operators associate as Prometheus' do", "[promql]") {
    const auto expr = parse("a - b - c ^ d ^ e");
    REQUIRE(expr);
    const auto* outer = (*expr)->as<Binary>();
    REQUIRE(outer != nullptr);
    CHECK(print(*outer->lhs) == "a - b");
    const auto* power = outer->rhs->as<Binary>();
    REQUIRE(power != nullptr);
    CHECK(print(*power->lhs) == "c");
    CHECK(print(*power->rhs) == "d ^ e");
    CHECK(outer->op_position == 6);
}

TEST_CASE("parse errors carry line and column", "[promql]") {
    const auto [query, expected] = GENERATE(table<std::string, std::string>({
        {"", "unknown position: parse error: no expression found in input"},
        {" ", "1:1: parse error: no expression found in input"},
        {"nope(up", "1:8: parse error: unclosed left parenthesis"},
        {"up{a=~\"*\"}",
         "1:4: parse error: error parsing regexp: missing argument to repetition operator: `*`"},
        {"1 +", "1:4: parse error: unexpected end of input"},
        {"up{", "1:4: parse error: unexpected end of input inside braces"},
        {"up{job=", "1:8: parse error: unexpected end of input inside braces"},
        {"up{job}", "1:7: parse error: unexpected \"}\" in label matching, expected label matching operator"},
        {"up\n  +\n)", "3:2: parse error: unexpected right parenthesis ')'"},
        {"sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"},
        {"rate(up)",
         "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
        {"nope(up)", "1:1: parse error: unknown function with name \"nope\""},
        {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
        {"{job=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
        {"up offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"},
        {"\"a", "1:1: parse error: unterminated quoted string"},
    }));
    const auto text = canonical(query);
    REQUIRE_FALSE(text);
    CHECK(text.error().kind == ErrorKind::invalid);
    CHECK(text.error().message == expected);
}

TEST_CASE("endless nesting is refused without recursion", "[promql]") {
    const std::string nested = std::string(100'000, '(') + "up" + std::string(100'000, ')');
    CHECK(printed(nested) == "error: 1:401: parse error: expression is nested too deeply");
    CHECK(printed(std::string(100'000, '-') + "up").find("nested too deeply") != std::string::npos);
    std::string chain = "up";
    for (int i = 0; i < 5000; ++i) {
        chain += " or up";
    }
    CHECK(printed(chain).find("nested too deeply") != std::string::npos);
}

TEST_CASE("selectors for match[]", "[promql]") {
    const auto matchers = parseSelector("up{job=\"node\",instance!~\"x.*\"}");
    REQUIRE(matchers);
    REQUIRE(matchers->size() == 3);
    CHECK(matchers->at(0).name() == "job");
    CHECK(matchers->at(1).type() == storage::Matcher::Type::not_regex);
    CHECK(matchers->at(2).name() == "__name__");
    CHECK(matchers->at(2).value() == "up");
    CHECK(parseSelector("{__name__=~\".+\",}"));
    CHECK_FALSE(parseSelector("rate(up[5m])"));
    CHECK_FALSE(parseSelector("up[5m]"));
    CHECK_FALSE(parseSelector("up offset 5m"));
    CHECK(parseSelector("{}").value().empty());
    CHECK_FALSE(parseSelector("up{a=~\"(\"}"));
}

}  // namespace
}  // namespace lapwing::promql
