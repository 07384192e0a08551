#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Small operations on text that several modules need. All are pure and thread-safe; none depends on a
/// locale.
namespace lapwing {

/// ASCII letters in lower case; other bytes stay.
std::string lower(std::string_view text);
/// Equality that ignores the case of ASCII letters.
bool equalsIgnoreCase(std::string_view left, std::string_view right);

/// Appends the UTF-8 encoding (RFC 3629) of a code point; U+FFFD for a surrogate or a number above U+10FFFF.
void appendUtf8(std::string& out, std::uint32_t code_point);

/// The text with blanks in place of control characters: what other programs say must not begin a line of a
/// log, move a terminal's cursor or colour it. Covers ASCII's (0-31, 127) and C1 (U+0080 to U+009F in UTF-8).
std::string printable(std::string text);

/// The longest prefix of at most `most` bytes that does not cut a UTF-8 sequence in two.
std::string_view utf8Prefix(std::string_view text, std::size_t most);

/// Percent-encoding (RFC 3986, 2.1) of every byte but unreserved characters (A-Z a-z 0-9 - . _ ~).
std::string percentEncode(std::string_view text);

/// "web-01, web-02 and monitor"
std::string joined(const std::vector<std::string>& words);
/// "one thing", "2 things"
std::string counted(std::size_t count, std::string_view singular, std::string_view plural);

}  // namespace lapwing
