#pragma once

#include <string_view>
#include <vector>

#include "collector/promql/ast.h"

namespace lapwing::promql {

/// The types of a function's arguments and result, for the type checker.
struct FunctionSignature {
    std::string_view name;
    std::vector<ValueType> arguments;
    /// How many of the last arguments may be omitted; -1: the last may be repeated or omitted.
    int optional = 0;
    ValueType result = ValueType::vector;
};

/// Null if there is no such function. Names are case-sensitive.
const FunctionSignature* findFunction(std::string_view name);

}  // namespace lapwing::promql
