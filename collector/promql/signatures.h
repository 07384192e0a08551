#pragma once

#include <string_view>
#include <vector>

#include "collector/promql/ast.h"

namespace lapwing::promql {

/// What a function takes and gives: what the type checker needs of it.
struct FunctionSignature {
    std::string_view name;
    std::vector<ValueType> arguments;
    /// How many of the last arguments may be left out; -1: the last may be repeated, or left out.
    int optional = 0;
    ValueType result = ValueType::vector;
};

/// Null if there is no such function. Names are case-sensitive.
const FunctionSignature* findFunction(std::string_view name);

}  // namespace lapwing::promql
