#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/rules/template/value.h"
#include "common/error.h"

namespace lapwing::rules {

using TemplateArguments = std::vector<TemplateValue>;
using TemplateResult = Expected<TemplateValue>;

/// One function of templates. `call` gets `least` to `most` arguments.
struct TemplateFunction {
    using Call = TemplateResult (*)(const TemplateArguments&, const TemplateData&);
    static constexpr int kAnyNumber = -1;

    constexpr TemplateFunction(std::string_view function_name, int at_least, int at_most, Call function)
        : name(function_name), least(at_least), most(at_most), call(function) {}

    std::string_view name;
    int least;
    int most;  ///< or kAnyNumber
    Call call;
};

// The functions, by subject.
std::span<const TemplateFunction> numberFunctions();        ///< humanize, toTime, parseDuration, ...
std::span<const TemplateFunction> textFunctions();          ///< title, reReplaceAll, printf, html, ...
std::span<const TemplateFunction> linkFunctions();          ///< graphLink, stripPort, pathPrefix, ...
std::span<const TemplateFunction> queryFunctions();         ///< query, first, label, value, ...
std::span<const TemplateFunction> valueFunctions();         ///< and, eq, len, index, slice, ...
std::span<const TemplateFunction> notificationFunctions();  ///< toJson, which rules do not have

/// All of them, sorted by name.
std::span<const TemplateFunction> templateFunctions();

/// Calls a function by its name. Error `execution` for an unknown name, a wrong number of arguments, and the
/// function's own failure.
TemplateResult callTemplateFunction(std::string_view name, const TemplateArguments& arguments,
                                    const TemplateData& data);

/// The argument as text. Error `execution` for any other value.
Expected<std::string> textArgument(const TemplateValue& value);

/// A template function made of a function of one text.
template <auto Function>
TemplateResult ofText(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto text = textArgument(arguments[0]);
    if (!text) {
        return fail(text.error());
    }
    return TemplateValue{Function(*text)};
}

}  // namespace lapwing::rules
