#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/sample_line.h"
#include "common/error.h"

namespace lapwing::agent::scrape {

/// A label and the regular expression that its whole value must match; `__name__` is the metric's name. An
/// absent label is an empty one, as in Prometheus.
struct Pattern {
    std::string label;
    std::shared_ptr<const re2::RE2> regex;
};

/// Error `invalid`: the text is no RE2 expression, or takes too much memory.
Expected<Pattern> makePattern(std::string label, const std::string& regex);

/// The series of a page that a target is scraped for. Labels have the names that the page gives them.
/// Thread-safe.
struct Selection {
    using Rule = std::vector<Pattern>;  ///< all of them match
    std::vector<Rule> keep;             ///< a series matches one of them; empty: every series is kept
    std::vector<Rule> drop;             ///< a series matches none of them

    bool wants(std::string_view name, const LabelList& labels) const;
};

}  // namespace lapwing::agent::scrape
