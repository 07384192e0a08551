#pragma once

namespace lapwing {

/// Classes of ASCII characters. None depends on a locale, and other bytes belong to no class. All are pure
/// and thread-safe.
constexpr bool isDigit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// What an identifier begins with, and what it goes on with.
constexpr bool isWordStart(char c) {
    return isLetter(c) || c == '_';
}
constexpr bool isWordPart(char c) {
    return isWordStart(c) || isDigit(c);
}
/// The value of a hexadecimal digit, -1 for another character.
constexpr int hexValue(char c) {
    if (isDigit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace lapwing
