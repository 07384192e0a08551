#include "collector/promql/unquote.h"

#include <array>
#include <cstdint>
#include <cstdio>

#include "common/text.h"

namespace lapwing::promql {
namespace {

int digitValue(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return 16;
}

std::string unicodeName(char c) {
    std::array<char, 32> text{};
    const auto code = static_cast<unsigned>(static_cast<unsigned char>(c));
    if (code >= 0x20 && code < 0x7f) {
        std::snprintf(text.data(), text.size(), "U+%04X '%c'", code, c);
    } else {
        std::snprintf(text.data(), text.size(), "U+%04X", code);
    }
    return text.data();
}

}  // namespace

Expected<std::string> unquote(std::string_view body, char quote_character) {
    std::string out;
    out.reserve(body.size());
    for (std::size_t i = 0; i < body.size(); ++i) {
        if (body[i] != '\\') {
            out += body[i];
            continue;
        }
        ++i;
        if (i >= body.size()) {
            return fail(ErrorKind::invalid, "escape sequence not terminated");
        }
        const char c = body[i];
        std::size_t digits = 0;
        std::uint32_t base = 16;
        std::uint32_t max = 255;
        switch (c) {
            case 'a':
                out += '\a';
                continue;
            case 'b':
                out += '\b';
                continue;
            case 'f':
                out += '\f';
                continue;
            case 'n':
                out += '\n';
                continue;
            case 'r':
                out += '\r';
                continue;
            case 't':
                out += '\t';
                continue;
            case 'v':
                out += '\v';
                continue;
            case '\\':
                out += '\\';
                continue;
            case 'x':
                digits = 2;
                break;
            case 'u':
                digits = 4, max = 0x10ffff;
                break;
            case 'U':
                digits = 8, max = 0x10ffff;
                break;
            default:
                if (c == quote_character) {
                    out += c;
                    continue;
                }
                if (c < '0' || c > '7') {
                    return fail(ErrorKind::invalid, "unknown escape sequence " + unicodeName(c));
                }
                digits = 3, base = 8;
                --i;
        }
        std::uint64_t code = 0;
        for (std::size_t k = 0; k < digits; ++k) {
            ++i;
            const char character = i < body.size() ? body[i] : quote_character;
            const auto digit = static_cast<std::uint32_t>(digitValue(character));
            if (digit >= base) {
                return fail(ErrorKind::invalid,
                            "illegal character " + unicodeName(character) + " in escape sequence");
            }
            code = code * base + digit;
        }
        if (code > max || (code >= 0xd800 && code < 0xe000)) {
            return fail(ErrorKind::invalid, "escape sequence is an invalid Unicode code point");
        }
        if (max == 255) {
            out += static_cast<char>(code);
        } else {
            appendUtf8(out, static_cast<std::uint32_t>(code));
        }
    }
    return out;
}

}  // namespace lapwing::promql
