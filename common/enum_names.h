#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace lapwing {

/// The words for the values of an enum: one table, from which a value is printed and a word is read.
/// Immutable.
template <typename Enum, std::size_t N>
struct EnumNames {
    struct Row {
        Enum value;
        const char* name;
    };
    std::array<Row, N> rows;

    /// "" for a value that has no row.
    constexpr const char* name(Enum value) const {
        for (const auto& row : rows) {
            if (row.value == value) {
                return row.name;
            }
        }
        return "";
    }

    /// Nothing for a word that has no row.
    constexpr std::optional<Enum> parse(std::string_view word) const {
        for (const auto& row : rows) {
            if (word == row.name) {
                return row.value;
            }
        }
        return std::nullopt;
    }
};

}  // namespace lapwing
