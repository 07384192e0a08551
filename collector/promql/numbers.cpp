#include "collector/promql/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

namespace lapwing::promql {
namespace {

std::optional<std::string> special(double value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    return std::nullopt;
}

std::optional<double> integer(std::string_view digits, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return std::nullopt;
    }
    return static_cast<double>(value);
}

/// With an exponent for small values and from `large` on.
std::string shortest(double value, double large) {
    if (const auto text = special(value)) {
        return *text;
    }
    const double magnitude = std::abs(value);
    if (magnitude == 0 || (magnitude >= 1e-4 && magnitude < large)) {
        return formatPlain(value);
    }
    std::array<char, 64> buffer{};
    const auto result =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
    return {buffer.data(), result.ptr};
}

}  // namespace

std::optional<double> parseNumber(std::string_view text) {
    std::string clean(text);
    std::erase(clean, '_');
    std::transform(clean.begin(), clean.end(), clean.begin(),
                   [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    if (clean == "inf") {
        return std::numeric_limits<double>::infinity();
    }
    if (clean == "nan") {
        return std::numeric_limits<double>::quiet_NaN();
    }
    const std::string_view view = clean;
    if (view.starts_with("0x")) {
        return integer(view.substr(2), 16);
    }
    const bool digits_only = view.find_first_not_of("0123456789") == std::string_view::npos;
    if (digits_only && view.size() > 1 && view[0] == '0') {
        // As Go reads integers with base 0; digits that are not octal are read as a decimal number.
        if (const auto octal = integer(view.substr(1), 8)) {
            return octal;
        }
    }
    double value = 0;
    const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
    if (end != view.data() + view.size()) {
        return std::nullopt;
    }
    // As in Go, a number too large for a double is an error, and one too small is zero.
    if (error == std::errc::result_out_of_range) {
        const auto exponent = view.find('e');
        if (exponent != std::string_view::npos && exponent + 1 < view.size() && view[exponent + 1] == '-') {
            return 0.0;
        }
        return std::nullopt;
    }
    if (error != std::errc()) {
        return std::nullopt;
    }
    return value;
}

std::optional<double> parseBound(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    if (text.empty() || text[0] == '-' || text[0] == '+') {
        return std::nullopt;
    }
    if (text == "Inf" || text == "inf" || text == "Infinity") {
        return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return negative ? -value : value;
}

std::string formatNumber(double value) {
    return shortest(value, 1e21);
}

std::string formatBrief(double value) {
    return shortest(value, 1e6);
}

std::string formatPlain(double value) {
    if (const auto text = special(value)) {
        return *text;
    }
    std::array<char, 64> buffer{};
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value),
                                      std::chars_format::scientific);
    const std::string_view shortest(buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data()));
    const auto mark = shortest.find('e');
    std::string digits(shortest.substr(0, mark));
    std::erase(digits, '.');
    const auto exponent_text = shortest.substr(shortest[mark + 1] == '+' ? mark + 2 : mark + 1);
    int exponent = 0;
    std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);

    std::string out = std::signbit(value) ? "-" : "";
    if (exponent < 0) {
        return out + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    }
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) {
        return out + digits + std::string(whole - digits.size(), '0');
    }
    return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

double maximum(double a, double b) {
    if (std::isinf(a) && a > 0) {
        return a;
    }
    if (std::isinf(b) && b > 0) {
        return b;
    }
    if (std::isnan(a) || std::isnan(b)) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    if (a == 0 && b == 0) {
        return std::signbit(a) ? b : a;
    }
    return std::max(a, b);
}

double minimum(double a, double b) {
    return -maximum(-a, -b);
}

}  // namespace lapwing::promql
