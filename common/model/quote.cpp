#include "common/model/quote.h"

#include <array>
#include <cstdint>

#include "common/model/labels.h"

namespace lapwing {

namespace {

std::string escaped(char kind, std::size_t digits, std::uint32_t code) {
    std::string out = {'\\', kind};
    for (auto shift = 4 * digits; shift > 0; shift -= 4) {
        out += "0123456789abcdef"[code >> (shift - 4) & 15U];
    }
    return out;
}

/// The number of bytes of the first character; 0 if it is not UTF-8.
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
/// Invisible or ambiguous characters: controls, formatting, spaces except U+0020, private use.
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

}  // namespace lapwing
