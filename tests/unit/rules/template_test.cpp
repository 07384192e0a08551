#include "collector/rules/template/template.h"

#include <yaml-cpp/yaml.h>

#include <map>
#include <set>
#include <string_view>

#include "collector/rules/manager.h"
#include "collector/rules/template/functions.h"
#include "common/config/reader.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using rules::Template;
using rules::TemplateData;

namespace {

std::string expand(const std::string& text, const TemplateData& data = {}) {
    const auto parsed = Template::parse(text);
    if (!parsed) {
        return "PARSE: " + parsed.error().message;
    }
    const auto result = parsed->expand(data);
    return result ? *result : "EXPAND: " + result.error().message;
}

}  // namespace

TEST_CASE("templates expand as Prometheus expands them") {
    // promtool confirms these expectations (tests/integration/rules).
    const std::string folder = test::fixturePath("rules/");
    const test::TemporaryFolder temporary;
    const auto store = openStore(temporary.path("db"));
    const promql::Engine engine(*store, {});
    const TimestampMs at = 1'700'000'000'000;
    put(*store, {{"__name__", "x"}, {"instance", "web-02"}, {"job", "mysql"}}, at, 12.5);
    put(*store, {{"__name__", "y"}, {"instance", "a"}}, at, 1);
    put(*store, {{"__name__", "y"}, {"instance", "b"}}, at, 2000);
    put(*store, {{"__name__", "y"}, {"instance", "web-02"}}, at, 3000);
    rules::RuleManager manager(engine, *store, nullptr, {});
    REQUIRE(manager.loadFiles({folder + "templates.rules.yml"}).empty());
    manager.evaluate(at);

    const auto groups = manager.groups();
    REQUIRE(groups.size() == 1);
    REQUIRE(groups[0].rules[0].alerts.size() == 1);
    const auto& alert = groups[0].rules[0].alerts[0];
    const auto expected =
        YAML::LoadFile(folder + "templates.test.yml")["tests"][0]["alert_rule_test"][0]["exp_alerts"][0];
    for (const auto& label : expected["exp_labels"]) {
        CHECK(alert.labels.get(label.first.as<std::string>()) == label.second.as<std::string>());
    }
    std::size_t count = 0;
    for (const auto& annotation : expected["exp_annotations"]) {
        const auto name = annotation.first.as<std::string>();
        INFO(name);
        CHECK(alert.annotations.get(name) == annotation.second.as<std::string>());
        ++count;
    }
    CHECK(count == alert.annotations.size());
    CHECK(count > 20);
}

TEST_CASE("a template that prints a value is told apart from a template that only compares it") {
    for (const char* text : {"{{ $value }}",
                             "{{ .Value }}",
                             "{{ $.Value }}",
                             "{{ printf \"%.0f\" $value }}",
                             "{{ $value | humanize }}",
                             "{{ . }}",
                             "{{ $ }}",
                             "{{ query \"up\" }}",
                             "{{ query \"up\" | first | value }}",
                             "{{ (query \"up\" | first).Value }}",
                             "{{ range query \"up\" }}{{ .Value }}{{ end }}",
                             "{{ range $i, $e := query \"up\" }}{{ $e.Value }}{{ end }}",
                             "{{ with $value }}{{ . }}{{ end }}",
                             "{{ $v := $value }}{{ $v }}",
                             "{{ $v := 1 }}{{ if true }}{{ $v = $value }}{{ end }}{{ $v }}",
                             "{{ if gt $value 1.0 }}{{ else }}{{ $value }}{{ end }}",
                             "{{ define \"x\" }}{{ . }}{{ end }}{{ template \"x\" $value }}",
                             "{{ or $labels.a $value }}",
                             "{{ (toTime $value).Hour }}",
                             "{{ index (query \"up\") 0 }}",
                             "{{ (args 1 $value).arg1 }}",
                             "{{ $v := 1 }}{{ range query \"up\" }}{{ $v }}{{ $v = .Value }}{{ end }}"}) {
        INFO(text);
        CHECK(rules::Template::parse(text).value().printsValue());
    }
    for (const char* text :
         {"", "text", "{{ $labels.instance }}", "{{ .Labels }}", "{{ $labels }}",
          "{{ $externalLabels.site }}", "{{ .ExternalURL }}",
          "{{ if gt $value 90.0 }}critical{{ else }}warning{{ end }}",
          "{{ query \"up\" | first | label \"host\" }}",
          "{{ range query \"up\" }}{{ .Labels.host }} {{ end }}",
          "{{ with query \"up\" }}{{ (index . 0).Labels.host }}{{ end }}", "{{ ge $value 1.0 }}",
          "{{ $v := $value }}{{ if lt $v 2.0 }}few{{ end }}", "{{ printf \"%s-x\" $labels.a | toUpper }}",
          "{{ len (query \"up\") }}", "{{ define \"x\" }}{{ . }}{{ end }}{{ template \"x\" $labels.a }}"}) {
        INFO(text);
        CHECK_FALSE(rules::Template::parse(text).value().printsValue());
    }
}

TEST_CASE("invalid templates are refused by the parser") {
    const std::map<std::string, std::string> cases = {
        {"{{ foo }}", "PARSE: template: line 1: function \"foo\" not defined"},
        {"a\n{{ $x }}", "PARSE: template: line 2: undefined variable \"$x\""},
        {"{{ if true }}x", "PARSE: template: line 1: unexpected EOF: a block is not closed by {{end}}"},
        {"x{{ end }}", "PARSE: template: line 1: unexpected {{end}}"},
        {"{{ else }}", "PARSE: template: line 1: unexpected {{else}}"},
        {"{{ if true }}{{ else }}{{ else }}{{ end }}", "PARSE: template: line 1: unexpected {{else}}"},
        {"{{ $value ", "PARSE: template: line 1: unclosed action"},
        {"{{ \"abc }}", "PARSE: template: line 1: unclosed action"},
        {"{{ }}", "PARSE: template: line 1: missing value for command"},
        {"{{ $value | }}", "PARSE: template: line 1: non executable command in pipeline"},
        {"{{ ($value }}", "PARSE: template: line 1: unclosed left paren"},
        {"{{ $value) }}", "PARSE: template: line 1: unexpected right paren"},
        {"{{ define x }}{{ end }}", "PARSE: template: line 1: a template's name must be quoted"},
        {"{{ define \"x\" }}", "PARSE: template: line 1: unexpected EOF: a block is not closed by {{end}}"},
        {"{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}",
         "PARSE: template: line 1: unexpected {{define}}"},
        {"{{ define \"x\" }}{{ $labels }}{{ end }}",
         "PARSE: template: line 1: undefined variable \"$labels\""},
        {"{{ block \"x\" }}{{ end }}", "PARSE: template: line 1: missing value for block clause"},
        {"{{ template \"none\" }}", "EXPAND: template \"none\" not defined"},
        {"{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
         "EXPAND: exceeded maximum template depth"},
        {"{{ (toTime 0.0).Decade }}", "EXPAND: can't evaluate field Decade in type *time.Time"},
        {"{{ (toTime 0.0).Format 1 }}", "EXPAND: wrong number or type of args for Format: want one string"},
        {"{{ break }}", "PARSE: template: line 1: {{break}} outside {{range}}"},
        {"{{/* x }}", "PARSE: template: unclosed comment"},
        {"{{ if $x := 1 }}{{ end }}{{ $x }}", "PARSE: template: line 1: undefined variable \"$x\""},
        {"{{ 12abc }}", "PARSE: template: bad number syntax: \"12abc\""},
        {"{{ \"\\z\" }}", "PARSE: template: invalid escape in a quoted string"}};
    for (const auto& [text, message] : cases) {
        INFO(text);
        CHECK(expand(text) == message);
    }
}

TEST_CASE("templates that fail during expansion report the reason") {
    CHECK(expand("{{ humanize \"x\" }}") == "EXPAND: error calling humanize: can't convert string to float");
    CHECK(expand("{{ query \"up\" }}") == "EXPAND: error calling query: queries are not available here");
    CHECK(expand("{{ .Nothing }}") == "EXPAND: can't evaluate field Nothing in type struct");
    CHECK(expand("{{ eq 1 \"a\" }}") == "EXPAND: error calling eq: incompatible types for comparison");
    CHECK(expand("{{ reReplaceAll \"(\" \"\" \"a\" }}") ==
          "EXPAND: error calling reReplaceAll: error parsing regexp: missing ): (");
    CHECK(expand("{{ 1 2 }}") == "EXPAND: can't give argument to non-function");
    CHECK(expand("{{ printf }}") == "EXPAND: error calling printf: wrong number of args: got 0");
    CHECK(expand("{{ index .Labels 1 }}") ==
          "EXPAND: error calling index: wrong type: expected string; found int");
    CHECK(expand("{{ range \"abc\" }}{{ end }}") == "EXPAND: range can't iterate over abc");
}

TEST_CASE("the depth and the output of a template are bounded") {
    std::string deep;
    for (int i = 0; i < 1000; ++i) {
        deep += "{{ if true }}";
    }
    CHECK(expand(deep) == "PARSE: template: line 1: nested too deeply");
    CHECK(expand("{{ " + std::string(1000, '(')) == "PARSE: template: line 1: unclosed action");
    CHECK(expand("{{ " + std::string(1000, '(') + " }}") == "PARSE: template: line 1: nested too deeply");
    TemplateData data;
    data.query = [](std::string_view) -> Expected<std::vector<rules::TemplateSample>> {
        return std::vector<rules::TemplateSample>(1000);
    };
    const std::string wide(100, 'x');
    CHECK(expand("{{ range query \"a\" }}" + wide + "{{ end }}", data) ==
          "EXPAND: the expanded template is larger than 64 KiB");
}

TEST_CASE("numbers of different kinds compare by value") {
    TemplateData data;
    data.value = 12;
    CHECK(expand("{{ if gt $value 10 }}yes{{ end }}", data) == "yes");
    CHECK(expand("{{ eq 1 1.0 }} {{ lt 1 1.5 }}") == "true true");
}

TEST_CASE("each function of Go's and of Prometheus' templates is known and does its own work") {
    // Go: https://pkg.go.dev/text/template#hdr-Functions. Prometheus: the functions of template/template.go
    // (https://prometheus.io/docs/prometheus/latest/configuration/template_reference/).
    const std::map<std::string_view, std::pair<const char*, const char*>> examples = {
        // Go
        {"and", {"{{ and 1 2 }}", "2"}},
        {"call", {"{{ call 1 }}", "EXPAND: error calling call: non-function of type int"}},
        {"html", {"{{ html \"<a>\" }}", "&lt;a&gt;"}},
        {"index", {"{{ index \"abc\" 1 }}", "98"}},
        {"js", {"{{ js \"<a>\" }}", "\\u003Ca\\u003E"}},
        {"len", {"{{ len \"abc\" }}", "3"}},
        {"not", {"{{ not true }}", "false"}},
        {"or", {"{{ or 0 3 }}", "3"}},
        {"print", {"{{ print 1 2 }}", "1 2"}},
        {"printf", {"{{ printf \"%d/%s\" 1 \"b\" }}", "1/b"}},
        {"println", {"{{ println \"a\" \"b\" }}", "a b\n"}},
        {"slice", {"{{ slice \"abcdef\" 1 3 }}", "bc"}},
        {"urlquery", {"{{ urlquery \"a b&~\" }}", "a+b%26~"}},
        {"eq", {"{{ eq 1 2 }} {{ eq 1 2 1 }}", "false true"}},
        {"ne", {"{{ ne 1 2 }} {{ ne 1 1 }}", "true false"}},
        {"lt", {"{{ lt 1 2 }} {{ lt 2 2 }}", "true false"}},
        {"le", {"{{ le 2 2 }} {{ le 3 2 }}", "true false"}},
        {"gt", {"{{ gt 3 2 }} {{ gt 2 2 }}", "true false"}},
        {"ge", {"{{ ge 2 2 }} {{ ge 1 2 }}", "true false"}},
        // Prometheus
        {"query", {"{{ len (query \"q\") }}", "2"}},
        {"first", {"{{ (first (query \"q\")).Value }}", "2"}},
        {"label", {"{{ query \"q\" | first | label \"host\" }}", "web-02"}},
        {"value", {"{{ query \"q\" | first | value }}", "2"}},
        {"strvalue", {"[{{ query \"q\" | first | strvalue }}]", "[text]"}},
        {"args", {"{{ (args 1 \"b\").arg1 }}", "b"}},
        {"reReplaceAll", {"{{ reReplaceAll \"a(.)\" \"$1\" \"abac\" }}", "bc"}},
        {"safeHtml", {"{{ safeHtml \"<a>\" }}", "<a>"}},
        {"match", {"{{ match \"b+\" \"abc\" }}", "true"}},
        {"title", {"{{ title \"aa bb\" }}", "Aa Bb"}},
        {"toUpper", {"{{ toUpper \"aB\" }}", "AB"}},
        {"toLower", {"{{ toLower \"aB\" }}", "ab"}},
        {"graphLink", {"{{ graphLink \"up == 1\" }}", "/graph?g0.expr=up+%3D%3D+1&g0.tab=0"}},
        {"tableLink", {"{{ tableLink \"up\" }}", "/graph?g0.expr=up&g0.tab=1"}},
        {"sortByLabel", {"{{ (sortByLabel \"host\" (query \"q\") | first).Labels.host }}", "web-01"}},
        {"stripPort",
         {"{{ stripPort \"a.b:80\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"::1\" }}", "a.b ::1 ::1"}},
        {"stripDomain",
         {"{{ stripDomain \"a.b:80\" }} {{ stripDomain \"10.0.0.1:80\" }}", "a:80 10.0.0.1:80"}},
        {"humanize", {"{{ humanize 1234567.0 }}", "1.235M"}},
        {"humanize1024", {"{{ humanize1024 2048.0 }}", "2ki"}},
        {"humanizeDuration", {"{{ humanizeDuration 90.0 }}", "1m 30s"}},
        {"humanizePercentage", {"{{ humanizePercentage 0.1234567 }}", "12.35%"}},
        {"humanizeTimestamp", {"{{ humanizeTimestamp 0.0 }}", "1970-01-01 00:00:00 +0000 UTC"}},
        {"toTime", {"{{ (toTime 86400.0).Unix }}", "86400"}},
        {"pathPrefix", {"{{ pathPrefix }}", "/lapwing"}},
        {"externalURL", {"{{ externalURL }}", "https://monitor/lapwing"}},
        {"parseDuration", {"{{ parseDuration \"1m30s\" }}", "90"}}};
    TemplateData data;
    data.external_url = "https://monitor/lapwing";
    data.query = [](std::string_view) -> Expected<std::vector<rules::TemplateSample>> {
        return std::vector<rules::TemplateSample>{{Labels{{"host", "web-02"}, {"__value__", "text"}}, 2},
                                                  {Labels{{"host", "web-01"}}, 1}};
    };
    for (const auto& [name, example] : examples) {
        INFO(name);
        CHECK(expand(example.first, data) == example.second);
    }
    std::set<std::string_view> expected;
    for (const auto& [name, example] : examples) {
        expected.insert(name);
    }
    std::set<std::string_view> known;
    for (const auto& function : rules::templateFunctions()) {
        CHECK(known.insert(function.name).second);
    }
    // Prometheus has no toJson, so rules have none.
    expected.insert("toJson");
    CHECK(known == expected);
    CHECK_FALSE(rules::Template::parse("{{ toJson 1 }}"));
    CHECK(rules::Template::parse("{{ toJson 1 }}", rules::TemplateUse::notifications));
}
