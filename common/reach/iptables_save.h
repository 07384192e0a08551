#pragma once

// The grammar of iptables-save; private to this library.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lapwing::reach {

struct SaveToken {
    std::string text;
    bool quoted = false;

    bool isOption() const { return !quoted && text.size() > 1 && text[0] == '-'; }
};

/// The tokens of one rule, as libxtables prints them (xtables_save_string): an argument with other characters
/// than letters, digits, `_` and `-` stands in double quotes, with a backslash before `"`, `\` and `'`; some
/// modules print their arguments without quotes. Nothing for a text that they do not print.
std::optional<std::vector<SaveToken>> saveTokens(std::string_view rule);

/// One statement of a save. A quoted argument of a rule may have newlines.
struct SaveStatement {
    enum class Kind { comment, table, chain, rule, commit, other };
    Kind kind = Kind::other;
    std::string_view text;  ///< without the newline at its end
    bool open = false;      ///< a quote in it does not end: what follows in the save cannot be trusted
};

/// The statements of a save, in their order. Their texts are parts of `save`.
std::vector<SaveStatement> saveStatements(std::string_view save);

/// The parts of a list: "22,80" by ','.
std::vector<std::string> saveList(const std::string& text, char separator);
/// A number, decimal or with "0x"; nothing for other text.
std::optional<std::uint64_t> saveNumber(const std::string& text);

}  // namespace lapwing::reach
