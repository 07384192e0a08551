#include "collector/api/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lapwing::api {
namespace {

/// U+FFFD for every byte that belongs to no character, as Go's encoder writes it.
std::string validUtf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::size_t size = std::min<std::size_t>(text.size(), 4);
        const auto one_character = [&] {
            return isValidUtf8(text.substr(0, size)) &&
                   std::none_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(size),
                                [](unsigned char c) { return (c & 0xc0U) != 0x80; });
        };
        while (size > 0 && !one_character()) --size;
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
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    const double size = std::abs(value);
    const auto format =
        size != 0 && (size < 1e-6 || size >= 1e21) ? std::chars_format::scientific : std::chars_format::fixed;
    std::array<char, 64> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
    return {buffer.data(), end};
}

std::string formatTimestamp(TimestampMs time) {
    std::string out = time < 0 ? "-" : "";
    const std::int64_t size = time < 0 ? -time : time;
    out += std::to_string(size / 1000);
    if (const auto rest = size % 1000; rest != 0) {
        const std::string digits = std::to_string(rest);
        out += '.';
        out.append(3 - digits.size(), '0');
        out += digits;
    }
    return out;
}

void point(JsonWriter& json, const Sample& sample) {
    json.StartArray();
    const std::string time = formatTimestamp(sample.timestamp);
    json.RawValue(time.data(), time.size(), rapidjson::kNumberType);
    text(json, formatValue(sample.value));
    json.EndArray();
}

void labels(JsonWriter& json, const Labels& value) {
    json.StartObject();
    for (const auto& label : value) field(json, label.name, label.value);
    json.EndObject();
}

}  // namespace lapwing::api
