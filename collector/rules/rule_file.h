#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/rules/manager.h"
#include "collector/rules/template/template.h"
#include "common/config/reader.h"

namespace lapwing::rules {

/// A label or an annotation of a rule: its text, and the parsed template.
struct TemplatedLabel {
    std::string name;
    std::string text;
    std::optional<Template> expansion;  ///< absent in recording rules, whose labels are plain text
    int line = 0;                       ///< of the text in the file
    int column = 0;
};

struct Rule {
    RuleType type = RuleType::recording;
    std::string name;
    std::string query;      ///< as written
    std::string canonical;  ///< as Prometheus prints it
    std::int64_t for_ms = 0;
    std::int64_t keep_firing_for_ms = 0;
    int line = 0;  ///< of the rule in the file
    int column = 0;
    std::vector<TemplatedLabel> labels;
    std::vector<TemplatedLabel> annotations;

    /// The labels with unexpanded templates.
    Labels plainLabels() const;
};

struct RuleGroup {
    std::string name;
    std::string file;
    std::int64_t interval_ms = 0;
    std::int64_t query_offset_ms = 0;
    int limit = 0;         ///< 0 or less: no limit
    bool builtin = false;  ///< not from a file
    std::vector<Rule> rules;

    /// The group's offset within its interval: a hash of file and name spreads the groups.
    std::int64_t offsetMs() const;
    /// The newest evaluation time that is not after `now`.
    TimestampMs slot(TimestampMs now) const;
};

/// The labels of alerts that contain the value of an expression, which makes another alert of each value.
/// They are no errors.
std::vector<config::Problem> labelsWithValues(const std::vector<RuleGroup>& groups);

/// Reads one rule file (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/) from
/// memory. Problems go to `reader`; the result is complete only without problems.
std::vector<RuleGroup> parseRuleFile(config::Reader& reader, const std::string& yaml, const std::string& name,
                                     std::int64_t default_interval_ms);

/// The files that match the patterns, sorted and unique. A pattern without wildcards is returned as it is.
std::vector<std::string> expandPatterns(const std::vector<std::string>& patterns);

/// Reads all files that match the patterns. Problems go to `reader`.
std::vector<RuleGroup> readRuleFiles(config::Reader& reader, const std::vector<std::string>& files,
                                     std::int64_t default_interval_ms);

}  // namespace lapwing::rules
