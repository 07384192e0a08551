#include <algorithm>
#include <array>
#include <memory>

#include "collector/rules/template/functions.h"

namespace lapwing::rules {
namespace {

Expected<const TemplateList*> listOf(const TemplateValue& value) {
    if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&value.data)) {
        return list->get();
    }
    return fail(ErrorKind::execution,
                "wrong type: expected the result of a query; found " + value.typeName());
}

Expected<const TemplateSample*> sampleOf(const TemplateValue& value) {
    if (const auto* sample = std::get_if<TemplateSample>(&value.data)) {
        return sample;
    }
    return fail(ErrorKind::execution, "wrong type: expected a sample; found " + value.typeName());
}

TemplateResult query(const TemplateArguments& arguments, const TemplateData& data) {
    const auto expression = textArgument(arguments[0]);
    if (!expression) {
        return fail(expression.error());
    }
    if (!data.query) {
        return fail(ErrorKind::execution, "queries are not available here");
    }
    auto result = data.query(*expression);
    if (!result) {
        return fail(result.error());
    }
    auto list = std::make_shared<TemplateList>();
    for (auto& sample : *result) {
        list->push_back({std::move(sample)});
    }
    return TemplateValue{std::shared_ptr<const TemplateList>(std::move(list))};
}

TemplateResult first(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto list = listOf(arguments[0]);
    if (!list) {
        return fail(list.error());
    }
    if ((*list)->empty()) {
        return fail(ErrorKind::execution, "first() called on vector with no elements");
    }
    return (*list)->front();
}

TemplateResult value(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto sample = sampleOf(arguments[0]);
    if (!sample) {
        return fail(sample.error());
    }
    return TemplateValue{(*sample)->value};
}

/// The result of a query that yields a string.
TemplateResult stringValue(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto sample = sampleOf(arguments[0]);
    if (!sample) {
        return fail(sample.error());
    }
    return TemplateValue{std::string((*sample)->labels.get("__value__"))};
}

TemplateResult label(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto sample = sampleOf(arguments[1]);
    if (!sample) {
        return fail(sample.error());
    }
    const auto name = textArgument(arguments[0]);
    if (!name) {
        return fail(name.error());
    }
    return TemplateValue{std::string((*sample)->labels.get(*name))};
}

TemplateResult sortByLabel(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto name = textArgument(arguments[0]);
    if (!name) {
        return fail(name.error());
    }
    const auto list = listOf(arguments[1]);
    if (!list) {
        return fail(list.error());
    }
    auto sorted = std::make_shared<TemplateList>(**list);
    std::stable_sort(sorted->begin(), sorted->end(), [&](const TemplateValue& a, const TemplateValue& b) {
        const auto* left = std::get_if<TemplateSample>(&a.data);
        const auto* right = std::get_if<TemplateSample>(&b.data);
        return left != nullptr && right != nullptr && left->labels.get(*name) < right->labels.get(*name);
    });
    return TemplateValue{std::shared_ptr<const TemplateList>(std::move(sorted))};
}

constexpr std::array kFunctions = {
    TemplateFunction{"first", 1, 1, first},          TemplateFunction{"label", 2, 2, label},
    TemplateFunction{"query", 1, 1, query},          TemplateFunction{"sortByLabel", 2, 2, sortByLabel},
    TemplateFunction{"strvalue", 1, 1, stringValue}, TemplateFunction{"value", 1, 1, value},
};

}  // namespace

std::span<const TemplateFunction> queryFunctions() {
    return kFunctions;
}

}  // namespace lapwing::rules
