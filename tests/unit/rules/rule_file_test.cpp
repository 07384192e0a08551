#include "collector/rules/rule_file.h"

#include <set>

#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;

namespace {

std::vector<std::string> problemsOf(const std::string& yaml) {
    config::Reader reader;
    rules::parseRuleFile(reader, yaml, "a.yml", 10'000);
    std::vector<std::string> out;
    for (const auto& problem : reader.problems()) {
        out.push_back(problem.toString());
    }
    return out;
}

}  // namespace

TEST_CASE("a rule file is read as Prometheus reads it") {
    config::Reader reader;
    const auto groups = rules::parseRuleFile(reader, R"(groups:
  - name: first
    interval: 1m
    limit: 7
    query_offset: 5s
    labels: { team: web }
    rules:
      - record: job:up:sum
        expr: sum by(job)(up)
        labels: { kind: "{{ not expanded }}" }
      - alert: Down
        expr: up==0
        for: 1m30s
        keep_firing_for: 5m
        labels: { severity: critical }
        annotations: { summary: "{{ $labels.instance }} is down" }
  - name: second
    rules: []
)",
                                             "a.yml", 10'000);
    REQUIRE(reader.ok());
    REQUIRE(groups.size() == 2);
    CHECK(groups[0].interval_ms == 60'000);
    CHECK(groups[0].limit == 7);
    CHECK(groups[0].query_offset_ms == 5'000);
    CHECK(groups[1].interval_ms == 10'000);
    REQUIRE(groups[0].rules.size() == 2);
    const auto& record = groups[0].rules[0];
    CHECK(record.type == rules::RuleType::recording);
    CHECK(record.name == "job:up:sum");
    CHECK(record.canonical == "sum by (job) (up)");
    CHECK(record.plainLabels() == Labels{{"kind", "{{ not expanded }}"}, {"team", "web"}});
    const auto& alert = groups[0].rules[1];
    CHECK(alert.type == rules::RuleType::alerting);
    CHECK(alert.canonical == "up == 0");
    CHECK(alert.for_ms == 90'000);
    CHECK(alert.keep_firing_for_ms == 300'000);
}

TEST_CASE("every problem of a rule file is reported with its place") {
    const std::string first = "groups[0].rules[0]";
    const std::string sixth = "groups[0].rules[5]";
    CHECK(problemsOf(R"(groups:
  - name: g
    intervall: 1m
    rules:
      - alert: A
        expr: up ==
        fro: 1m
        labels: { "": a, severity: "{{ $label.x }}" }
      - record: "a{b}"
        expr: up
        for: 1m
        annotations: { a: b }
      - expr: up
      - alert: B
        record: b
        expr: up
      - alert: C
      - alert: D
        expr: up
        for: 5 minutes
        annotations: { summary: "{{ if }}" }
  - name: g
    rules: []
  - rules: []
)") == std::vector<std::string>{
           "a.yml:3:5: unknown key \"intervall\" in groups[0]; did you mean \"interval\"?",
           "a.yml:7:9: unknown key \"fro\" in groups[0].rules[0]; did you mean \"for\"?",
           "a.yml:6:15: could not parse expression: 1:6: parse error: unexpected end of input",
           "a.yml:8:23: invalid label name \"\"",
           "a.yml:8:36: " + first + ".labels.severity: template: line 1: undefined variable \"$label\"",
           "a.yml:9:17: braces present in the recording rule name; should it be in expr?: \"a{b}\"",
           "a.yml:11:14: invalid field \"for\" in recording rule",
           "a.yml:12:22: invalid field \"annotations\" in recording rule",
           "a.yml:13:9: one of \"record\" or \"alert\" must be set",
           "a.yml:14:9: only one of \"record\" and \"alert\" must be set",
           "a.yml:17:9: field \"expr\" must be set in rule",
           "a.yml:20:14: " + sixth +
               ".for must be a duration such as 10s or 1h30m: not a valid duration string: \"5 minutes\"",
           "a.yml:21:33: " + sixth + ".annotations.summary: template: line 1: missing value for command",
           "a.yml:22:5: groupname: \"g\" is repeated in the same file",
           "a.yml:24:5: Groupname must not be empty"});
    CHECK(problemsOf("groups: [").size() == 1);
    CHECK(problemsOf("group: []") ==
          std::vector<std::string>{"a.yml:1:1: unknown key \"group\"; did you mean \"groups\"?"});
    CHECK(problemsOf("").empty());
}

TEST_CASE("a group has its own constant offset in the interval") {
    std::set<std::int64_t> offsets;
    for (int i = 0; i < 20; ++i) {
        rules::RuleGroup group;
        group.file = "/etc/lapwing/rules/a.yml";
        group.name = "group" + std::to_string(i);
        group.interval_ms = 10'000;
        const auto slot = group.slot(1'700'000'003'456);
        CHECK(slot <= 1'700'000'003'456);
        CHECK(slot > 1'700'000'003'456 - 10'000);
        CHECK(slot % 10'000 == group.offsetMs());
        CHECK(group.slot(slot) == slot);
        CHECK(group.slot(slot - 1) == slot - 10'000);
        offsets.insert(group.offsetMs());
    }
    CHECK(offsets.size() > 10);
}

TEST_CASE("checking files reports the errors of each, and missing files") {
    const test::TemporaryFolder folder;
    const auto good =
        folder.write("good.yml", "groups: [{name: a, rules: [{record: x, expr: up}, {record: y, expr: x}]}]");
    const auto bad = folder.write("bad.yml", "groups: [{name: a, rules: [{record: x, expr: 'up('}]}]");
    const auto both = rules::checkFiles({folder.path("*.yml"), good});
    CHECK(both.files == 2);
    CHECK(both.groups == 2);
    CHECK(both.rules == 3);
    REQUIRE(both.problems.size() == 1);
    CHECK(both.problems[0].file == bad);
    const auto none = rules::checkFiles({folder.path("none.yml"), folder.path("x*.yml")});
    REQUIRE(none.problems.size() == 1);
    CHECK(none.problems[0].toString() == folder.path("none.yml") + ": cannot be read");
    const auto large = folder.write("large.yml", std::string(5U << 20, '#') + "\n");
    const auto refused = rules::checkFiles({large});
    REQUIRE(refused.problems.size() == 1);
    CHECK(refused.problems[0].toString() == large + ": is larger than 4 MiB");
}

TEST_CASE("a rule file whose form Prometheus refuses is refused") {
    using Problems = std::vector<std::string>;
    CHECK(problemsOf("groups: {name: g}") == Problems{"a.yml:1:9: groups must be a list"});
    CHECK(problemsOf("groups: [{name: g, rules: {record: a, expr: b}}]") ==
          Problems{"a.yml:1:27: groups[0].rules must be a list"});
    // As in Prometheus, null groups and null rules are ignored.
    CHECK(problemsOf("groups: [null, {name: g, rules: [null]}]").empty());
    CHECK(problemsOf("groups: [{name: g, rules: [{alert: '', expr: up}]}]") ==
          Problems{"a.yml:1:28: one of \"record\" or \"alert\" must be set"});
    CHECK(problemsOf("groups: [{name: g, rules: [{alert: A, expr: up, labels: {a: b, a: c}}]}]") ==
          Problems{"a.yml:1:67: the key \"a\" is given twice"});
    CHECK(problemsOf("groups: [{name: g, limit: -1, rules: [{alert: A, record: '', expr: up}]}]").empty());
}

TEST_CASE("rules of one file that write the same series are reported without being an error") {
    const test::TemporaryFolder folder;
    const auto file = folder.write("a.yml", R"(groups:
  - name: g
    rules:
      - { record: x, expr: up }
      - { record: x, expr: up, labels: { a: b } }
  - name: h
    rules:
      - { record: x, expr: down }
)");
    const auto result = rules::checkFiles({file});
    CHECK(result.problems.empty());
    REQUIRE(result.warnings.size() == 1);
    CHECK(result.warnings[0].toString() ==
          file + ":8:9: duplicate rule: x is also at line 4; both write the same series");
}

TEST_CASE("a label that contains a value is reported without being an error") {
    const test::TemporaryFolder folder;
    const auto file = folder.write("a.yml", R"(groups:
  - name: g
    labels: { at: "{{ $value }}" }
    rules:
      - alert: A
        expr: x > 1
        labels:
          severity: "{{ if gt $value 5.0 }}critical{{ else }}warning{{ end }}"
          now: "{{ printf \"%.1f\" $value }}"
        annotations: { summary: "{{ $value }}" }
      - { alert: B, expr: x > 1 }
      - { record: r, expr: x, labels: { now: "{{ $value }}" } }
)");
    const auto result = rules::checkFiles({file});
    CHECK(result.problems.empty());
    REQUIRE(result.warnings.size() == 2);
    CHECK(
        result.warnings[0].toString() ==
        file +
            ":9:16: the label \"now\" of alert \"A\" contains a value: whenever the value changes, the alert "
            "ends and another one begins, which waits for `for` again and is notified again; write the value "
            "into an annotation");
    CHECK(result.warnings[1].line == 3);
}

TEST_CASE("names in rule files are UTF-8, as in Prometheus 3.5") {
    CHECK(problemsOf(R"(groups:
  - name: g
    labels: { "my.team": web }
    rules:
      - { record: "größe.x y", expr: '{"my.metric", "a.b"="c"}', labels: { "1a": b, "a.b": c } }
      - { alert: A, expr: up, labels: { "ä": b }, annotations: { "a-b": c, __name__: d } }
)")
              .empty());
    using Problems = std::vector<std::string>;
    CHECK(
        problemsOf("groups: [{name: g, rules: [{record: 'up{a=\"b\"}', expr: up}]}]") ==
        Problems{
            "a.yml:1:37: braces present in the recording rule name; should it be in expr?: \"up{a=\"b\"}\""});
    CHECK(problemsOf("groups: [{name: g, rules: [{alert: A, expr: up, labels: {'': b}}]}]") ==
          Problems{"a.yml:1:62: invalid label name \"\""});
    CHECK(problemsOf("groups: [{name: g, rules: [{alert: A, expr: up, labels: {__name__: b}}]}]") ==
          Problems{"a.yml:1:68: invalid label name \"__name__\""});
}

TEST_CASE("rules share parts by anchors and merge keys") {
    config::Reader reader;
    const auto groups = rules::parseRuleFile(reader, R"(groups:
- name: web
  rules:
  - &down
    alert: NginxGone
    expr: nginx_up == 0
    for: 1m
    labels: &l { severity: page }
  - <<: *down
    alert: MysqlGone
    expr: mysql_up == 0
  - alert: HaproxyGone
    expr: haproxy_up == 0
    labels: { <<: *l, team: edge }
)",
                                             "a.yml", 10'000);
    REQUIRE(reader.ok());
    const auto& read = groups.at(0).rules;
    REQUIRE(read.size() == 3);
    CHECK(read[1].name == "MysqlGone");
    CHECK(read[1].canonical == "mysql_up == 0");
    CHECK(read[1].for_ms == 60'000);
    CHECK(read[1].plainLabels() == Labels{{"severity", "page"}});
    CHECK(read[2].for_ms == 0);
    CHECK(read[2].plainLabels() == Labels{{"severity", "page"}, {"team", "edge"}});
}
