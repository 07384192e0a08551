#pragma once

#include <array>
#include <string_view>

namespace lapwing::promql {

/// An entry of a small constant table that maps a name of the language to a value.
template <class T>
struct Named {
    std::string_view name;
    T value;
};

/// Null if the table has no such name.
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
