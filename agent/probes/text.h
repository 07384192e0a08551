#pragma once

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

namespace lapwing::agent {

/// Shared by the probes' parsers: walks over text without copying it. Pure functions.

/// Takes the first line off `rest`, without its "\n" or "\r\n". False once nothing is left.
inline bool nextLine(std::string_view& rest, std::string_view& line) {
    if (rest.empty()) {
        return false;
    }
    const auto end = rest.find('\n');
    line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    return true;
}

/// Takes the first field off `rest`; blanks separate fields. "" once nothing is left.
inline std::string_view nextField(std::string_view& rest) {
    const auto start = rest.find_first_not_of(" \t");
    if (start == std::string_view::npos) {
        rest = {};
        return {};
    }
    rest.remove_prefix(start);
    const auto field = rest.substr(0, rest.find_first_of(" \t"));
    rest.remove_prefix(field.size());
    return field;
}

/// The text without blanks and ends of lines at either end.
inline std::string_view trimmed(std::string_view text) {
    const auto start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) {
        return {};
    }
    return text.substr(start, text.find_last_not_of(" \t\r\n") - start + 1);
}

/// A finite decimal number that takes up the whole text, whatever the locale; otherwise nothing.
inline std::optional<double> toNumber(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
        return std::nullopt;
    }
    return value;
}

}  // namespace lapwing::agent
