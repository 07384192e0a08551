#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "collector/rules/template.h"
#include "common/error.h"

namespace lapwing::rules {

struct TemplateValue;
using TemplateList = std::vector<TemplateValue>;
using TemplateMap = std::map<std::string, TemplateValue>;

/// What `toTime` yields: a time in UTC.
struct TemplateTime {
    TimestampMs ms = 0;
};

/// What a template computes with. Labels is Go's map[string]string, TemplateSample an element of a query's
/// result, `const TemplateData*` the root.
struct TemplateValue {
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Labels, TemplateSample,
                 std::shared_ptr<const TemplateList>, const TemplateData*, TemplateTime,
                 std::shared_ptr<const TemplateMap>>
        data;

    /// As Go's templates decide it: false, 0, "", nil and empty collections are false.
    bool truth() const;
    /// As Go's fmt prints it with %v.
    std::string toString() const;
    /// Go's name of the type, for messages.
    std::string typeName() const;
    /// Of a number, or of a string that is one (as Prometheus' humanize functions take it).
    Expected<double> toFloat() const;
};

/// Calls a function of templates by name. `query` and `externalURL` use `data`.
Expected<TemplateValue> callTemplateFunction(const std::string& name,
                                             const std::vector<TemplateValue>& arguments,
                                             const TemplateData& data);

/// As Go's fmt.Sprintf, for the verbs that make sense for a template's values.
std::string templatePrintf(const std::string& format, const std::vector<TemplateValue>& arguments,
                           std::size_t first_argument);
/// As Go's Time.Format, for a time in UTC.
std::string formatGoTime(TemplateTime time, std::string_view layout);
/// As Go's Time.String prints it.
std::string toString(TemplateTime time);
/// A method of Go's Time without arguments (Year, Unix, ...); nothing if there is none of that name here.
std::optional<TemplateValue> timeMethod(TemplateTime time, const std::string& name);
/// As Go's strconv.FormatFloat(value, 'g', -1, 64).
std::string formatGoFloat(double value);

}  // namespace lapwing::rules
