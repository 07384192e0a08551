#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace lapwing {

/// One row of an enum's table of names. The API, sample labels and agents use these names. The header that
/// declares the enum holds its table; printing and parsing both go through the table.
template <typename Enum>
struct EnumName {
    Enum value;
    const char* name;
};

/// The name of a value; "" for a value that the table lacks.
template <typename Enum, std::size_t N>
constexpr const char* nameOf(const std::array<EnumName<Enum>, N>& names, Enum value) {
    for (const auto& row : names) {
        if (row.value == value) {
            return row.name;
        }
    }
    return "";
}

/// The value with that name; nothing for a name that the table lacks.
template <typename Enum, std::size_t N>
constexpr std::optional<Enum> valueOf(const std::array<EnumName<Enum>, N>& names, std::string_view name) {
    for (const auto& row : names) {
        if (name == row.name) {
            return row.value;
        }
    }
    return std::nullopt;
}

}  // namespace lapwing
