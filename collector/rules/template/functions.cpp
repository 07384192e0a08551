#include "collector/rules/template/functions.h"

#include <algorithm>

#include "collector/rules/template/tree.h"

namespace lapwing::rules {
namespace {

std::vector<TemplateFunction> sortedFunctions() {
    std::vector<TemplateFunction> out;
    for (const auto& functions : {numberFunctions(), textFunctions(), linkFunctions(), queryFunctions(),
                                  valueFunctions(), notificationFunctions()}) {
        out.insert(out.end(), functions.begin(), functions.end());
    }
    std::sort(out.begin(), out.end(),
              [](const TemplateFunction& a, const TemplateFunction& b) { return a.name < b.name; });
    return out;
}

const TemplateFunction* find(std::string_view name) {
    const auto functions = templateFunctions();
    const auto found =
        std::lower_bound(functions.begin(), functions.end(), name,
                         [](const TemplateFunction& each, std::string_view n) { return each.name < n; });
    return found != functions.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

std::span<const TemplateFunction> templateFunctions() {
    static const std::vector<TemplateFunction> functions = sortedFunctions();
    return functions;
}

bool isTemplateFunction(std::string_view name, TemplateUse use) {
    const auto others = notificationFunctions();
    return find(name) != nullptr &&
           (use == TemplateUse::notifications ||
            std::none_of(others.begin(), others.end(), [&](const auto& each) { return each.name == name; }));
}

TemplateResult callTemplateFunction(std::string_view name, const TemplateArguments& arguments,
                                    const TemplateData& data) {
    const auto* function = find(name);
    if (function == nullptr) {
        return fail(ErrorKind::execution, "function \"" + std::string(name) + "\" not defined");
    }
    const int count = static_cast<int>(arguments.size());
    if (count < function->least ||
        (function->most != TemplateFunction::kAnyNumber && count > function->most)) {
        return fail(ErrorKind::execution, "wrong number of args: got " + std::to_string(count));
    }
    return function->call(arguments, data);
}

Expected<std::string> textArgument(const TemplateValue& value) {
    if (const auto* text = std::get_if<std::string>(&value.data)) {
        return *text;
    }
    return fail(ErrorKind::execution, "wrong type: expected string; found " + value.typeName());
}

}  // namespace lapwing::rules
