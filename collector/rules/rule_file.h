#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/rules/manager.h"
#include "collector/rules/template.h"
#include "common/config/reader.h"

namespace lapwing::rules {

/// A label or an annotation of a rule: its text, and the template that the text is.
struct TemplatedLabel {
    std::string name;
    std::string text;
    std::optional<Template> expansion;  ///< none in recording rules, whose labels are plain text
};

struct Rule {
    RuleType type = RuleType::recording;
    std::string name;
    std::string query;      ///< as written
    std::string canonical;  ///< as Prometheus prints it
    std::int64_t for_ms = 0;
    std::int64_t keep_firing_for_ms = 0;
    int line = 0;  ///< where it begins in the file
    int column = 0;
    std::vector<TemplatedLabel> labels;
    std::vector<TemplatedLabel> annotations;

    /// The labels as written.
    Labels plainLabels() const;
};

struct RuleGroup {
    std::string name;
    std::string file;
    std::int64_t interval_ms = 0;
    std::int64_t query_offset_ms = 0;
    int limit = 0;         ///< 0 or less: none
    bool builtin = false;  ///< not of a file
    std::vector<Rule> rules;

    /// Where in its interval the group is evaluated: a hash of file and name, so that groups spread out.
    std::int64_t offsetMs() const;
    /// The newest time to evaluate at that is not after `now`.
    TimestampMs slot(TimestampMs now) const;
};

/// One rule file (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/), from memory.
/// Problems go to `reader`; what is returned is whole only if there is none.
std::vector<RuleGroup> parseRuleFile(config::Reader& reader, const std::string& yaml, const std::string& name,
                                     std::int64_t default_interval_ms);

/// The files that the patterns name, sorted, each once. A pattern without wildcards stands for itself.
std::vector<std::string> expandPatterns(const std::vector<std::string>& patterns);

/// All files of the patterns. Problems go to `reader`.
std::vector<RuleGroup> readRuleFiles(config::Reader& reader, const std::vector<std::string>& files,
                                     std::int64_t default_interval_ms);

}  // namespace lapwing::rules
