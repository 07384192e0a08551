#include "collector/rules/rule_file.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "collector/promql/engine.h"
#include "common/digest.h"
#include "common/glob.h"

namespace lapwing::rules {
namespace {

using config::Node;
using config::Reader;

/// Prometheus 3 accepts any UTF-8 text as the name of a metric or a label.
bool isName(const std::string& name) {
    return !name.empty() && isValidUtf8(name);
}

std::vector<TemplatedLabel> readLabels(const Node& node, const char* what, bool templates) {
    std::vector<TemplatedLabel> out;
    std::set<std::string> names;
    node.forEachPair([&](const std::string& name, const Node& value) {
        if (!names.insert(name).second) {
            value.problem("the key \"" + name + "\" is given twice");
        }
        if (!isName(name) || (name == "__name__" && what == std::string_view("label"))) {
            value.problem("invalid " + std::string(what) + " name \"" + name + "\"");
        }
        if (!value.isScalar()) {
            if (value.present()) {
                value.problem(value.path() + " must be text");
            }
            return;
        }
        TemplatedLabel label{name, value.text(), std::nullopt, value.line(), value.column()};
        if (!isValidUtf8(label.text)) {
            value.problem(value.path() + " is not valid UTF-8");
        }
        if (templates) {
            auto parsed = Template::parse(label.text);
            if (parsed) {
                label.expansion = std::move(*parsed);
            } else {
                value.problem(value.path() + ": " + parsed.error().message);
            }
        }
        out.push_back(std::move(label));
    });
    return out;
}

void readExpression(const Node& rule, Rule& out) {
    const Node expr = rule["expr"];
    out.query = expr.text();
    if (out.query.find_first_not_of(" \t\r\n") == std::string::npos) {
        (expr.present() ? expr : rule).problem("field \"expr\" must be set in rule");
        return;
    }
    auto canonical = promql::canonical(out.query);
    if (canonical) {
        out.canonical = std::move(*canonical);
    } else {
        expr.problem("could not parse expression: " + canonical.error().message);
    }
}

Rule readRule(const Node& node, const std::vector<TemplatedLabel>& group_labels) {
    Rule rule;
    rule.line = node.line();
    rule.column = node.column();
    node.allow({"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"});
    if (!node.isMap()) {
        return rule;
    }
    const Node record = node["record"];
    const Node alert = node["alert"];
    const auto given = [](const Node& name) {
        return name.present() && !(name.isScalar() && name.text().empty());
    };
    rule.type = given(alert) ? RuleType::alerting : RuleType::recording;
    const bool alerting = rule.type == RuleType::alerting;
    if (given(record) && given(alert)) {
        node.problem("only one of \"record\" and \"alert\" must be set");
    } else if (!given(record) && !given(alert)) {
        node.problem("one of \"record\" or \"alert\" must be set");
    }
    (alerting ? alert : record).read(rule.name);
    if (!alerting && given(record) && !isName(rule.name)) {
        record.problem("invalid recording rule name: \"" + rule.name + "\"");
    } else if (!alerting && rule.name.find_first_of("{}") != std::string::npos) {
        // As in Prometheus: such a name is nearly always an expression in the wrong place.
        record.problem("braces present in the recording rule name; should it be in expr?: \"" + rule.name +
                       "\"");
    }
    readExpression(node, rule);
    for (const char* key : {"for", "keep_firing_for", "annotations"}) {
        if (!alerting && node[key].present()) {
            node[key].problem("invalid field \"" + std::string(key) + "\" in recording rule");
        }
    }
    node["for"].readDuration(rule.for_ms);
    node["keep_firing_for"].readDuration(rule.keep_firing_for_ms);
    rule.labels = readLabels(node["labels"], "label", alerting);
    if (alerting) {
        rule.annotations = readLabels(node["annotations"], "annotation", true);
    }
    for (const auto& label : group_labels) {
        const bool overrides =
            std::any_of(rule.labels.begin(), rule.labels.end(),
                        [&](const TemplatedLabel& other) { return other.name == label.name; });
        if (!overrides) {
            rule.labels.push_back(label);
        }
    }
    return rule;
}

void wantList(const Node& node) {
    if (node.present() && !node.isSequence()) {
        node.problem(node.path() + " must be a list");
    }
}

RuleGroup readGroup(const Node& node, const std::string& file, std::int64_t default_interval_ms) {
    RuleGroup group;
    group.file = file;
    group.interval_ms = default_interval_ms;
    node.allow({"name", "interval", "query_offset", "limit", "labels", "rules"});
    node["name"].read(group.name);
    if (group.name.empty()) {
        node.problem("Groupname must not be empty");
    }
    node["interval"].readDuration(group.interval_ms);
    if (group.interval_ms <= 0) {
        group.interval_ms = default_interval_ms;
    }
    node["query_offset"].readDuration(group.query_offset_ms);
    node["limit"].read(group.limit, std::numeric_limits<int>::min(), std::numeric_limits<int>::max());
    const auto labels = readLabels(node["labels"], "label", true);
    wantList(node["rules"]);
    node["rules"].forEach([&](const Node& rule) {
        if (rule.present()) {
            group.rules.push_back(readRule(rule, labels));
        }
    });
    return group;
}

}  // namespace

Labels Rule::plainLabels() const {
    std::vector<Label> out;
    for (const auto& label : labels) {
        out.push_back({label.name, label.text});
    }
    return Labels(std::move(out));
}

std::int64_t RuleGroup::offsetMs() const {
    const auto hash = fnv1a("\xff", fnv1a(name, fnv1a("\xff", fnv1a(file))));
    return static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(interval_ms));
}

TimestampMs RuleGroup::slot(TimestampMs now) const {
    const auto adjusted = now - offsetMs();
    return adjusted - adjusted % interval_ms + offsetMs();
}

std::vector<config::Problem> labelsWithValues(const std::vector<RuleGroup>& groups) {
    std::vector<config::Problem> out;
    std::set<std::pair<int, int>> told;  // a label of a group stands in each of its rules
    for (const auto& group : groups) {
        told.clear();
        for (const auto& rule : group.rules) {
            for (const auto& label : rule.labels) {
                if (label.expansion && rule.type == RuleType::alerting && label.expansion->printsValue() &&
                    told.emplace(label.line, label.column).second) {
                    out.push_back({group.file, label.line, label.column,
                                   "the label \"" + label.name + "\" of alert \"" + rule.name +
                                       "\" contains a value: whenever the value changes, the alert ends and "
                                       "another one begins, which waits for `for` again and is notified "
                                       "again; write the value into an annotation"});
                }
            }
        }
    }
    return out;
}

namespace {

/// The groups of the file `name`.
std::vector<RuleGroup> groupsOf(const Node& root, const std::string& name, std::int64_t default_interval_ms) {
    std::vector<RuleGroup> groups;
    root.allow({"groups"});
    std::set<std::string> names;
    wantList(root["groups"]);
    root["groups"].forEach([&](const Node& node) {
        if (!node.present()) {
            return;
        }
        auto group = readGroup(node, name, default_interval_ms);
        if (!group.name.empty() && !names.insert(group.name).second) {
            node.problem("groupname: \"" + group.name + "\" is repeated in the same file");
        }
        groups.push_back(std::move(group));
    });
    return groups;
}

}  // namespace

std::vector<RuleGroup> parseRuleFile(Reader& reader, const std::string& yaml, const std::string& name,
                                     std::int64_t default_interval_ms) {
    return groupsOf(reader.text(yaml, name), name, default_interval_ms);
}

std::vector<std::string> expandPatterns(const std::vector<std::string>& patterns) {
    std::set<std::string> files;
    for (const auto& pattern : patterns) {
        if (!hasWildcard(pattern)) {
            files.insert(pattern);
            continue;
        }
        const auto found = filesMatching(pattern);
        files.insert(found.begin(), found.end());
    }
    return {files.begin(), files.end()};
}

std::vector<RuleGroup> readRuleFiles(Reader& reader, const std::vector<std::string>& files,
                                     std::int64_t default_interval_ms) {
    std::vector<RuleGroup> groups;
    for (const auto& file : files) {
        auto read = groupsOf(reader.file(file), file, default_interval_ms);
        std::move(read.begin(), read.end(), std::back_inserter(groups));
    }
    return groups;
}

}  // namespace lapwing::rules
