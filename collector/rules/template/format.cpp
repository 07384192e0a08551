#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "collector/rules/template/value.h"
#include "common/model/quote.h"

namespace lapwing::rules {
namespace {

/// The parts of one verb of a format.
struct Verb {
    std::string flags;
    std::string width;
    std::string precision;  ///< with its dot
    char letter = 0;
};

std::string pad(const std::string& text, const Verb& verb) {
    if (verb.width.empty()) {
        return text;
    }
    const auto width = static_cast<std::size_t>(std::stoi(verb.width));
    if (text.size() >= width) {
        return text;
    }
    const std::string filling(width - text.size(), ' ');
    return verb.flags.find('-') != std::string::npos ? text + filling : filling + text;
}

/// C's printf, for the verbs that Go and C print alike.
template <class T>
std::string likeC(const Verb& verb, const char* length, T value) {
    const std::string format = "%" + verb.flags + verb.width + verb.precision + length + verb.letter;
    std::array<char, 512> buffer{};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int size = std::snprintf(buffer.data(), buffer.size(), format.c_str(), value);
#pragma GCC diagnostic pop
    if (size < 0) {
        return "";
    }
    return {buffer.data(), std::min(static_cast<std::size_t>(size), buffer.size() - 1)};
}

std::string formatFloat(const Verb& verb, double value) {
    if (!std::isfinite(value)) {
        return pad(std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", verb);
    }
    if (verb.precision.empty() && (verb.letter == 'g' || verb.letter == 'G')) {
        return pad(formatGoFloat(value), verb);
    }
    return likeC(verb, "", value);
}

std::string bad(const Verb& verb, const TemplateValue& value) {
    return std::string("%!") + verb.letter + "(" + value.typeName() + "=" + value.toString() + ")";
}

std::string formatOne(Verb verb, const TemplateValue& value) {
    if (verb.letter == 'v') {
        return pad(value.toString(), verb);
    }
    if (const auto* real = std::get_if<double>(&value.data)) {
        if (verb.letter == 'F') {
            verb.letter = 'f';
        }
        if (std::string_view("eEfgG").find(verb.letter) == std::string_view::npos) {
            return bad(verb, value);
        }
        return formatFloat(verb, *real);
    }
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
        if (verb.letter == 'd') {
            return likeC(verb, "ll", static_cast<long long>(*whole));
        }
        if (verb.letter == 'c') {
            return pad(std::string(1, static_cast<char>(*whole)), verb);
        }
        if (verb.letter != 'x' && verb.letter != 'X' && verb.letter != 'o') {
            return bad(verb, value);
        }
        return likeC(verb, "ll", static_cast<unsigned long long>(*whole));
    }
    if (const auto* text = std::get_if<std::string>(&value.data)) {
        if (verb.letter == 'q') {
            return pad(quote(*text), verb);
        }
        if (verb.letter != 's') {
            return bad(verb, value);
        }
        if (verb.precision.empty()) {
            return pad(*text, verb);
        }
        const auto most = verb.precision.size() == 1 ? 0 : std::stoul(verb.precision.substr(1));
        return pad(text->substr(0, most), verb);
    }
    if (std::holds_alternative<bool>(value.data)) {
        return verb.letter == 't' ? pad(value.toString(), verb) : bad(verb, value);
    }
    if (std::holds_alternative<std::monostate>(value.data)) {
        return std::string("%!") + verb.letter + "(<nil>)";
    }
    return verb.letter == 's' ? pad(value.toString(), verb) : bad(verb, value);
}

/// Reads digits, at most three, so that no format asks for megabytes.
std::string digits(const std::string& format, std::size_t& at) {
    std::string out;
    while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
        if (out.size() < 3) {
            out += format[at];
        }
        ++at;
    }
    return out;
}

}  // namespace

std::string formatGoFloat(double value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    std::array<char, 64> buffer{};
    const auto scientific =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
    std::string text(buffer.data(), scientific.ptr);
    const auto e = text.find('e');
    const int exponent = std::stoi(text.substr(e + 1));
    if (exponent < -4 || exponent >= 6) {
        return text;
    }
    const auto fixed =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
    return {buffer.data(), fixed.ptr};
}

std::string templatePrintf(const std::string& format, const std::vector<TemplateValue>& arguments,
                           std::size_t first_argument) {
    std::string out;
    std::size_t argument = first_argument;
    std::size_t at = 0;
    while (at < format.size()) {
        if (format[at] != '%') {
            out += format[at++];
            continue;
        }
        ++at;
        Verb verb;
        while (at < format.size() && std::string_view("+-# 0").find(format[at]) != std::string_view::npos) {
            verb.flags += format[at++];
        }
        verb.width = digits(format, at);
        if (at < format.size() && format[at] == '.') {
            ++at;
            verb.precision = "." + digits(format, at);
        }
        if (at == format.size()) {
            out += "%!(NOVERB)";
            break;
        }
        verb.letter = format[at++];
        if (verb.letter == '%') {
            out += '%';
        } else if (argument >= arguments.size()) {
            out += std::string("%!") + verb.letter + "(MISSING)";
        } else {
            out += formatOne(verb, arguments[argument++]);
        }
    }
    if (argument < arguments.size()) {
        out += "%!(EXTRA ";
        for (std::size_t i = argument; i < arguments.size(); ++i) {
            out += (i == argument ? "" : ", ") + arguments[i].typeName() + "=" + arguments[i].toString();
        }
        out += ")";
    }
    return out;
}

}  // namespace lapwing::rules
