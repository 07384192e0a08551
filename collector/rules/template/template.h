#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::rules {

/// One element of the result of `query` in a template.
struct TemplateSample {
    Labels labels;
    double value = 0;
};

/// The data of a template: `.Labels` and `$labels`, `.Value` and `$value`, `.ExternalLabels`,
/// `.ExternalURL`.
struct TemplateData {
    Labels labels;
    double value = 0;
    Labels external_labels;
    std::string external_url;
    /// Runs a PromQL query at the time of the evaluation, for the function `query`.
    std::function<Expected<std::vector<TemplateSample>>(std::string_view)> query;
};

struct TemplateTree;
struct TemplateValue;

/// Where a template stands, and so which functions it may call.
enum class TemplateUse {
    rules,          ///< those of Prometheus
    notifications,  ///< and toJson
};

/// A template of a label or an annotation: the part of Go's text/template that Prometheus rules use.
///
/// Actions: `{{ pipeline }}`, `if`/`else if`/`else`, `range` (with `else`, `break`, `continue`), `with`,
/// `define`, `template`, `block`, variables (`:=`, `=`), comments, `{{-` and `-}}`. Functions: those of
/// Prometheus (humanize, humanize1024, humanizeDuration, humanizePercentage, humanizeTimestamp, query, first,
/// value, strvalue, label, sortByLabel, args, reReplaceAll, match, title, toUpper, toLower, stripPort,
/// stripDomain, toTime, parseDuration, graphLink, tableLink, externalURL, pathPrefix, safeHtml) and of Go
/// (print, printf, println, len, index, slice, html, js, urlquery, and, or, not, eq, ne, lt, le, gt, ge).
/// The result of toTime, in UTC, has Go's methods Format, Year, Month, Day, Weekday, Hour, Minute, Second,
/// YearDay, Unix and UnixMilli. A missing label is "". Unlike in Go, numbers of different kinds compare
/// (`gt $value 1`).
///
/// Immutable after parsing, safe from any thread.
class Template {
  public:
    /// Error `invalid` for syntax, unknown functions and undefined variables.
    static Expected<Template> parse(std::string_view text, TemplateUse use = TemplateUse::rules);

    /// Error `execution` if a function fails, `exhausted` if the result would exceed 64 KiB, and
    /// those of the thread's QueryLimits.
    Expected<std::string> expand(const TemplateData& data) const;
    /// The same with any value as the root, `.` and `$`; queries are not available.
    Expected<std::string> expand(const TemplateValue& root) const;

    /// Whether the text contains the value of the alert or of a query, formatted in any way. A comparison
    /// with a value is no such text: `{{ if gt $value 90.0 }}critical{{ else }}warning{{ end }}` has two
    /// results.
    bool printsValue() const;

  private:
    explicit Template(std::shared_ptr<const TemplateTree> tree) : tree_(std::move(tree)) {}
    std::shared_ptr<const TemplateTree> tree_;
};

}  // namespace lapwing::rules
