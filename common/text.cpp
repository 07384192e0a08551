#include "common/text.h"

#include <Poco/String.h>
#include <Poco/URI.h>
#include <Poco/UTF8Encoding.h>

#include <array>

namespace lapwing {

namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;
constexpr std::uint32_t kHighest = 0x10FFFF;
/// RFC 3986, 2.2; Poco encodes every other character outside the unreserved ones by itself.
constexpr const char* kReserved = ":/?#[]@!$&'()*+,;=";

bool isSurrogate(std::uint32_t code_point) {
    return code_point >= 0xD800 && code_point <= 0xDFFF;
}

}  // namespace

std::string lower(std::string_view text) {
    return Poco::toLower(std::string(text));
}

bool equalsIgnoreCase(std::string_view left, std::string_view right) {
    return left.size() == right.size() && lower(left) == lower(right);
}

void appendUtf8(std::string& out, std::uint32_t code_point) {
    const auto valid = code_point > kHighest || isSurrogate(code_point) ? kReplacement : code_point;
    std::array<unsigned char, 4> bytes{};
    const int length = Poco::UTF8Encoding().convert(static_cast<int>(valid), bytes.data(), bytes.size());
    out.append(bytes.begin(), bytes.begin() + length);
}

std::string printable(std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const bool c1 =
            c == 0xc2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xe0U) == 0x80U;
        if (c < 0x20 || c == 0x7f || c1) {
            text[i] = ' ';
        }
        if (c1) {
            text[++i] = ' ';
        }
    }
    return text;
}

std::string_view utf8Prefix(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return text;
    }
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) {
        --most;
    }
    return text.substr(0, most);
}

std::string percentEncode(std::string_view text) {
    std::string out;
    Poco::URI::encode(std::string(text), kReserved, out);
    return out;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
    }
    return out;
}

std::string counted(std::size_t count, std::string_view singular, std::string_view plural) {
    return count == 1 ? "one " + std::string(singular) : std::to_string(count) + " " + std::string(plural);
}

}  // namespace lapwing
