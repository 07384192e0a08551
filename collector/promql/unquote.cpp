#include "collector/promql/unquote.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "collector/promql/token.h"
#include "common/model/labels.h"

namespace lapwing::promql {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t ms;
};
// Largest first; each at most once, in this order.
constexpr std::array kUnits = {
    Unit{"y", 31'536'000'000}, Unit{"w", 604'800'000}, Unit{"d", 86'400'000}, Unit{"h", 3'600'000},
    Unit{"m", 60'000},         Unit{"s", 1000},        Unit{"ms", 1}};
// Go's time.Duration counts nanoseconds in 63 bits.
constexpr std::int64_t kMostMs = std::numeric_limits<std::int64_t>::max() / 1'000'000;

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

std::string escaped(char kind, std::size_t digits, std::uint32_t code) {
    std::string out = {'\\', kind};
    for (auto shift = 4 * digits; shift > 0; shift -= 4) {
        out += "0123456789abcdef"[code >> (shift - 4) & 15U];
    }
    return out;
}

/// How many bytes the first character has; 0 if it is no UTF-8.
std::size_t sequenceLength(std::string_view text) {
    for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
        if (isValidUtf8(text.substr(0, length))) {
            return length;
        }
    }
    return 0;
}

std::uint32_t decode(std::string_view character) {
    auto code = static_cast<std::uint32_t>(static_cast<unsigned char>(character[0]));
    if (character.size() > 1) {
        code &= 0xffU >> (character.size() + 1);
    }
    for (const char c : character.substr(1)) {
        code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
    }
    return code;
}

struct CodeRange {
    std::uint32_t first;
    std::uint32_t last;
};
/// Characters that show nothing, or not themselves: controls, formatting, spaces but U+0020, private use.
constexpr std::array kInvisible = {
    CodeRange{0x00, 0x1f},       CodeRange{0x7f, 0xa0},     CodeRange{0xad, 0xad},
    CodeRange{0x600, 0x605},     CodeRange{0x61c, 0x61c},   CodeRange{0x6dd, 0x6dd},
    CodeRange{0x70f, 0x70f},     CodeRange{0x1680, 0x1680}, CodeRange{0x180e, 0x180e},
    CodeRange{0x2000, 0x200f},   CodeRange{0x2028, 0x202f}, CodeRange{0x205f, 0x206f},
    CodeRange{0x3000, 0x3000},   CodeRange{0xd800, 0xf8ff}, CodeRange{0xfeff, 0xfeff},
    CodeRange{0xfff0, 0xfffb},   CodeRange{0xfffe, 0xffff}, CodeRange{0xe0000, 0xe00ff},
    CodeRange{0xf0000, 0x10ffff}};

std::string quotedCharacter(std::string_view character) {
    switch (character[0]) {
        case '"':
            return "\\\"";
        case '\\':
            return "\\\\";
        case '\a':
            return "\\a";
        case '\b':
            return "\\b";
        case '\f':
            return "\\f";
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        case '\v':
            return "\\v";
        default:
            break;
    }
    const auto code = decode(character);
    for (const auto& range : kInvisible) {
        if (code < range.first || code > range.last) {
            continue;
        }
        if (code < 0x80) {
            return escaped('x', 2, code);
        }
        return code < 0x10000 ? escaped('u', 4, code) : escaped('U', 8, code);
    }
    return std::string(character);
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

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const auto length = sequenceLength(text.substr(i));
        if (length == 0) {
            out += escaped('x', 2, static_cast<unsigned char>(text[i]));
            ++i;
        } else {
            out += quotedCharacter(text.substr(i, length));
            i += length;
        }
    }
    return out + '"';
}

Expected<std::int64_t> parseDuration(std::string_view text) {
    const auto invalid = [&] {
        return fail(ErrorKind::invalid, "not a valid duration string: " + quote(text));
    };
    std::int64_t total = 0;
    const Unit* next_unit = kUnits.begin();
    std::size_t i = 0;
    while (i < text.size()) {
        const auto digits = i;
        std::int64_t count = 0;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            if (count > kMostMs) {
                return invalid();
            }
            count = count * 10 + (text[i++] - '0');
        }
        if (i == digits) {
            return invalid();
        }
        const auto unit_start = i;
        while (i < text.size() && (text[i] < '0' || text[i] > '9')) {
            ++i;
        }
        const auto name = text.substr(unit_start, i - unit_start);
        if (name.empty()) {
            return invalid();
        }
        const auto* unit =
            std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == name; });
        if (unit == kUnits.end()) {
            return fail(ErrorKind::invalid, "unknown unit " + quote(name) + " in duration " + quote(text));
        }
        if (unit < next_unit) {
            return invalid();
        }
        next_unit = unit + 1;
        if (count > (kMostMs - total) / unit->ms) {
            return fail(ErrorKind::invalid, "duration out of range");
        }
        total += count * unit->ms;
    }
    return total;
}

}  // namespace lapwing::promql
