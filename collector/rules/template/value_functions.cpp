#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>

#include "collector/rules/template/functions.h"

namespace lapwing::rules {
namespace {

std::optional<double> numberOf(const TemplateValue& value) {
    if (const auto* real = std::get_if<double>(&value.data)) {
        return *real;
    }
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
        return static_cast<double>(*whole);
    }
    return std::nullopt;
}

/// Orders two basic values; numbers of different kinds compare by value. NaN and unequal booleans have no
/// order.
Expected<std::partial_ordering> compare(const TemplateValue& left, const TemplateValue& right) {
    const auto left_number = numberOf(left);
    const auto right_number = numberOf(right);
    if (left_number && right_number) {
        return *left_number <=> *right_number;
    }
    const auto* left_text = std::get_if<std::string>(&left.data);
    const auto* right_text = std::get_if<std::string>(&right.data);
    if (left_text != nullptr && right_text != nullptr) {
        return *left_text <=> *right_text;
    }
    const auto* left_truth = std::get_if<bool>(&left.data);
    const auto* right_truth = std::get_if<bool>(&right.data);
    if (left_truth != nullptr && right_truth != nullptr) {
        return *left_truth == *right_truth ? std::partial_ordering::equivalent
                                           : std::partial_ordering::unordered;
    }
    return fail(ErrorKind::execution, "incompatible types for comparison");
}

/// Whether the first argument equals any of the others.
TemplateResult equalsAny(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto order = compare(arguments[0], arguments[i]);
        if (!order) {
            return fail(order.error());
        }
        if (*order == 0) {
            return TemplateValue{true};
        }
    }
    return TemplateValue{false};
}

/// Whether `Holds` accepts the order of two arguments.
template <bool (*Holds)(std::partial_ordering)>
TemplateResult compares(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto order = compare(arguments[0], arguments[1]);
    if (!order) {
        return fail(order.error());
    }
    return TemplateValue{Holds(*order)};
}

bool isLess(std::partial_ordering order) {
    return order < 0;
}
bool isLessOrEqual(std::partial_ordering order) {
    return order <= 0;
}
bool isGreater(std::partial_ordering order) {
    return order > 0;
}
bool isGreaterOrEqual(std::partial_ordering order) {
    return order >= 0;
}
bool isUnequal(std::partial_ordering order) {
    return order != 0;
}

/// `and` and `or`: the executor ends the evaluation at the argument that decides, so that only the last one
/// is left here.
TemplateResult lastArgument(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    return arguments.back();
}

TemplateResult negation(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    return TemplateValue{!arguments[0].truth()};
}

/// Go's `call` needs a function; no value of these templates is a function.
TemplateResult callValue(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    return fail(ErrorKind::execution, "non-function of type " + arguments[0].typeName());
}

TemplateResult length(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto& value = arguments[0];
    if (const auto* string = std::get_if<std::string>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>(string->size())};
    }
    if (const auto* labels = std::get_if<Labels>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>(labels->size())};
    }
    if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>((*list)->size())};
    }
    if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>((*map)->size())};
    }
    return fail(ErrorKind::execution, "len of type " + value.typeName());
}

/// One step of index: an element of a list, a byte of a text, or a value of a map.
TemplateResult elementAt(const TemplateValue& collection, const TemplateValue& place) {
    if (const auto* labels = std::get_if<Labels>(&collection.data)) {
        const auto name = textArgument(place);
        if (!name) {
            return fail(name.error());
        }
        return TemplateValue{std::string(labels->get(*name))};
    }
    if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&collection.data)) {
        const auto name = textArgument(place);
        if (!name) {
            return fail(name.error());
        }
        const auto found = (*map)->find(*name);
        return found == (*map)->end() ? TemplateValue{} : found->second;
    }
    const auto* at = std::get_if<std::int64_t>(&place.data);
    if (const auto* string = std::get_if<std::string>(&collection.data); string != nullptr && at != nullptr) {
        if (*at < 0 || *at >= static_cast<std::int64_t>(string->size())) {
            return fail(ErrorKind::execution, "index out of range");
        }
        const auto byte = static_cast<unsigned char>((*string)[static_cast<std::size_t>(*at)]);
        return TemplateValue{static_cast<std::int64_t>(byte)};
    }
    const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&collection.data);
    if (list == nullptr || at == nullptr) {
        return fail(ErrorKind::execution, "can't index item of type " + collection.typeName());
    }
    if (*at < 0 || *at >= static_cast<std::int64_t>((*list)->size())) {
        return fail(ErrorKind::execution, "index out of range");
    }
    return (**list)[static_cast<std::size_t>(*at)];
}

TemplateResult index(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    TemplateValue value = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        auto next = elementAt(value, arguments[i]);
        if (!next) {
            return next;
        }
        value = std::move(*next);
    }
    return value;
}

/// A part of a text or a list: from the second argument up to before the third.
TemplateResult slice(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto* string = std::get_if<std::string>(&arguments[0].data);
    const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&arguments[0].data);
    if (string == nullptr && list == nullptr) {
        return fail(ErrorKind::execution, "can't slice item of type " + arguments[0].typeName());
    }
    const auto size = static_cast<std::int64_t>(string != nullptr ? string->size() : (*list)->size());
    std::array<std::int64_t, 2> ends = {0, size};
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto* at = std::get_if<std::int64_t>(&arguments[i].data);
        if (at == nullptr || *at < 0 || *at > size) {
            return fail(ErrorKind::execution, "index out of range");
        }
        ends[i - 1] = *at;
    }
    if (ends[0] > ends[1]) {
        return fail(ErrorKind::execution, "invalid slice index");
    }
    const auto begin = static_cast<std::size_t>(ends[0]);
    const auto count = static_cast<std::size_t>(ends[1] - ends[0]);
    if (string != nullptr) {
        return TemplateValue{string->substr(begin, count)};
    }
    const auto first = (*list)->begin() + ends[0];
    return TemplateValue{std::make_shared<const TemplateList>(first, (*list)->begin() + ends[1])};
}

/// A map of the arguments as arg0, arg1, ..., for templates that take several.
TemplateResult argumentMap(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    auto map = std::make_shared<TemplateMap>();
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        (*map)["arg" + std::to_string(i)] = arguments[i];
    }
    return TemplateValue{std::shared_ptr<const TemplateMap>(std::move(map))};
}

constexpr int kAnyNumber = TemplateFunction::kAnyNumber;
constexpr std::array kFunctions = {
    TemplateFunction{"and", 1, kAnyNumber, lastArgument},
    TemplateFunction{"args", 0, kAnyNumber, argumentMap},
    TemplateFunction{"call", 1, kAnyNumber, callValue},
    TemplateFunction{"eq", 2, kAnyNumber, equalsAny},
    TemplateFunction{"ge", 2, 2, compares<isGreaterOrEqual>},
    TemplateFunction{"gt", 2, 2, compares<isGreater>},
    TemplateFunction{"index", 1, kAnyNumber, index},
    TemplateFunction{"le", 2, 2, compares<isLessOrEqual>},
    TemplateFunction{"len", 1, 1, length},
    TemplateFunction{"lt", 2, 2, compares<isLess>},
    TemplateFunction{"ne", 2, 2, compares<isUnequal>},
    TemplateFunction{"not", 1, 1, negation},
    TemplateFunction{"or", 1, kAnyNumber, lastArgument},
    TemplateFunction{"slice", 1, 3, slice},
};

}  // namespace

std::span<const TemplateFunction> valueFunctions() {
    return kFunctions;
}

}  // namespace lapwing::rules
