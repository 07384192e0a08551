#include "collector/promql/unquote.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

struct Unit {
    std::string_view name;
    long long ms;
};
// Largest first; each at most once, in this order.
constexpr std::array kUnits = {
    Unit{"y", 31'536'000'000}, Unit{"w", 604'800'000}, Unit{"d", 86'400'000}, Unit{"h", 3'600'000},
    Unit{"m", 60'000},         Unit{"s", 1000},        Unit{"ms", 1}};
// Go's time.Duration counts nanoseconds in 63 bits.
constexpr long long kMostMs = std::numeric_limits<long long>::max() / 1'000'000;

int digitValue(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

void appendUtf8(std::string& out, std::uint32_t code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xc0U | (code >> 6));
        out += static_cast<char>(0x80U | (code & 0x3fU));
    } else if (code < 0x10000) {
        out += static_cast<char>(0xe0U | (code >> 12));
        out += static_cast<char>(0x80U | ((code >> 6) & 0x3fU));
        out += static_cast<char>(0x80U | (code & 0x3fU));
    } else {
        out += static_cast<char>(0xf0U | (code >> 18));
        out += static_cast<char>(0x80U | ((code >> 12) & 0x3fU));
        out += static_cast<char>(0x80U | ((code >> 6) & 0x3fU));
        out += static_cast<char>(0x80U | (code & 0x3fU));
    }
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
        if (i >= body.size()) return fail(ErrorKind::invalid, "escape sequence not terminated");
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

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\a':
                out += "\\a";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\v':
                out += "\\v";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    std::array<char, 8> hex{};
                    std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned>(c));
                    out += hex.data();
                } else {
                    out += c;
                }
        }
    }
    return out + '"';
}

bool parseDuration(std::string_view text, long long& ms) {
    if (text.empty()) return false;
    long long total = 0;
    std::size_t next_unit = 0;
    std::size_t i = 0;
    while (i < text.size()) {
        const auto digits = i;
        long long count = 0;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            count = count * 10 + (text[i] - '0');
            if (count > kMostMs) return false;
            ++i;
        }
        if (i == digits) return false;
        const auto unit_start = i;
        while (i < text.size() && (text[i] < '0' || text[i] > '9')) ++i;
        const auto name = text.substr(unit_start, i - unit_start);
        while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
        if (next_unit == kUnits.size()) return false;
        const auto unit = kUnits[next_unit++].ms;
        if (count > (kMostMs - total) / unit) return false;
        total += count * unit;
    }
    ms = total;
    return true;
}

}  // namespace lapwing::promql
