#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "collector/rules/template/template.h"
#include "common/error.h"

namespace lapwing::rules {

struct TemplateValue;
using TemplateList = std::vector<TemplateValue>;
using TemplateMap = std::map<std::string, TemplateValue>;

/// The result of `toTime`: a time in UTC.
struct TemplateTime {
    TimestampMs ms = 0;
};

/// A value in a template. Labels is Go's map[string]string, TemplateSample an element of a query's result,
/// `const TemplateData*` the root.
struct TemplateValue {
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Labels, TemplateSample,
                 std::shared_ptr<const TemplateList>, const TemplateData*, TemplateTime,
                 std::shared_ptr<const TemplateMap>>
        data;

    /// The truth value by the rules of Go's templates: false, 0, "", nil and empty collections are false.
    bool truth() const;
    /// The text that Go's fmt prints with %v.
    std::string toString() const;
    /// Go's name of the type, for messages.
    std::string typeName() const;
    /// The number itself, or the number in a text (as Prometheus' humanize functions accept it).
    Expected<double> toFloat() const;
};

/// Go's fmt.Sprintf, for the verbs that apply to the values of templates.
std::string templatePrintf(const std::string& format, const std::vector<TemplateValue>& arguments,
                           std::size_t first_argument);
/// Go's Time.Format, for a time in UTC.
std::string formatGoTime(TemplateTime time, std::string_view layout);
/// Go's Time.String.
std::string toString(TemplateTime time);
/// The result of a method of Go's Time without arguments (Year, Unix, ...); nothing for other names.
std::optional<TemplateValue> timeMethod(TemplateTime time, const std::string& name);
/// Go's strconv.FormatFloat(value, 'g', -1, 64).
std::string formatGoFloat(double value);

}  // namespace lapwing::rules
