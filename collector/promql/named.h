#pragma once

#include <array>
#include <string_view>

namespace lapwing::promql {

/// An entry of a small constant table of what the language knows by name.
template <class T>
struct Named {
    std::string_view name;
    T value;
};

/// Null if the name is not in the table.
template <class T, std::size_t size>
T findNamed(const std::array<Named<T>, size>& table, std::string_view name) {
    for (const auto& entry : table) {
        if (entry.name == name) {
            return entry.value;
        }
    }
    return nullptr;
}

}  // namespace lapwing::promql
