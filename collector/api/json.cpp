#include "collector/api/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lapwing::api {
namespace {

/// Replaces every byte outside a valid character by U+FFFD, as Go's encoder does.
std::string validUtf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::size_t size = std::min<std::size_t>(text.size(), 4);
        const auto one_character = [&] {
            return isValidUtf8(text.substr(0, size)) &&
                   std::none_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(size),
                                [](unsigned char c) { return (c & 0xc0U) != 0x80; });
        };
        while (size > 0 && !one_character()) {
            --size;
        }
        if (size == 0) {
            out += "\xef\xbf\xbd";
            size = 1;
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size);
    }
    return out;
}

/// Longest text of a value or a time: a negative double of 17 digits with an exponent, or one below 1e21 in
/// full.
constexpr std::size_t kMostDigits = 32;
using Digits = std::array<char, kMostDigits>;

/// Both functions write at most kMostDigits characters and return the end of the text.
char* printValue(double value, char* out) {
    const auto word = [out](std::string_view text) { return std::copy(text.begin(), text.end(), out); };
    if (std::isnan(value)) {
        return word("NaN");
    }
    if (std::isinf(value)) {
        return word(value > 0 ? "+Inf" : "-Inf");
    }
    const double size = std::abs(value);
    const auto format =
        size != 0 && (size < 1e-6 || size >= 1e21) ? std::chars_format::scientific : std::chars_format::fixed;
    return std::to_chars(out, out + kMostDigits, value, format).ptr;
}

char* printTimestamp(TimestampMs time, char* out) {
    char* const limit = out + kMostDigits;
    if (time < 0) {
        *out++ = '-';
    }
    const std::int64_t size = time < 0 ? -time : time;
    out = std::to_chars(out, limit, size / 1000).ptr;
    const auto rest = static_cast<int>(size % 1000);
    if (rest == 0) {
        return out;
    }
    *out++ = '.';
    for (const int unit : {100, 10, 1}) {
        *out++ = static_cast<char>('0' + rest / unit % 10);
    }
    return out;
}

}  // namespace

void key(JsonWriter& json, std::string_view name) {
    json.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
}

void text(JsonWriter& json, std::string_view value) {
    if (!isValidUtf8(value)) {
        const std::string mended = validUtf8(value);
        json.String(mended.data(), static_cast<rapidjson::SizeType>(mended.size()));
        return;
    }
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void field(JsonWriter& json, std::string_view name, std::string_view value) {
    key(json, name);
    text(json, value);
}

void number(JsonWriter& json, double value) {
    if (!std::isfinite(value)) {
        json.Null();
        return;
    }
    const std::string digits = formatValue(value);
    json.RawValue(digits.data(), digits.size(), rapidjson::kNumberType);
}

std::string formatValue(double value) {
    Digits buffer{};
    return {buffer.data(), printValue(value, buffer.data())};
}

std::string formatTimestamp(TimestampMs time) {
    Digits buffer{};
    return {buffer.data(), printTimestamp(time, buffer.data())};
}

void point(JsonWriter& json, const Sample& sample) {
    std::array<char, 2 * kMostDigits + 4> buffer{};
    char* end = buffer.data();
    *end++ = '[';
    end = printTimestamp(sample.timestamp, end);
    *end++ = ',';
    *end++ = '"';
    end = printValue(sample.value, end);
    *end++ = '"';
    *end++ = ']';
    json.append({buffer.data(), end});
}

void labels(JsonWriter& json, const Labels& value) {
    json.StartObject();
    for (const auto& label : value) {
        field(json, label.name, label.value);
    }
    json.EndObject();
}

}  // namespace lapwing::api
