#include "common/reach/iptables_save.h"

#include <algorithm>
#include <charconv>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

SaveStatement::Kind kindOf(std::string_view line) {
    if (line.empty() || line[0] == '#') {
        return SaveStatement::Kind::comment;
    }
    if (line[0] == '*') {
        return SaveStatement::Kind::table;
    }
    if (line[0] == ':') {
        return SaveStatement::Kind::chain;
    }
    if (line == "COMMIT") {
        return SaveStatement::Kind::commit;
    }
    return line.starts_with("-A ") ? SaveStatement::Kind::rule : SaveStatement::Kind::other;
}

/// The end of a rule: the first newline outside quotes; npos where a quote does not end.
std::size_t endOfRule(std::string_view text) {
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (quoted && text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            // Inside a word, the quote is a part of a name.
            quoted = !quoted && (at == 0 || text[at - 1] == ' ');
        } else if (text[at] == '\n' && !quoted) {
            return at;
        }
    }
    return quoted ? std::string_view::npos : text.size();
}

bool isEscaped(char character) {
    return character == '"' || character == '\\' || character == '\'';
}

}  // namespace

std::optional<std::vector<SaveToken>> saveTokens(std::string_view rule) {
    std::vector<SaveToken> out;
    std::size_t at = 0;
    while ((at = rule.find_first_not_of(' ', at)) != std::string_view::npos) {
        SaveToken token;
        token.quoted = rule[at] == '"';
        if (token.quoted) {
            for (++at; at < rule.size() && rule[at] != '"'; ++at) {
                if (rule[at] == '\\' && (++at >= rule.size() || !isEscaped(rule[at]))) {
                    return std::nullopt;
                }
                token.text += rule[at];
            }
            const bool ends = at < rule.size() && (at + 1 == rule.size() || rule[at + 1] == ' ');
            if (!ends) {
                return std::nullopt;
            }
            ++at;
        } else {
            const auto end = std::min(rule.find(' ', at), rule.size());
            token.text = rule.substr(at, end - at);
            if (token.text.find_first_of("\"\n") != std::string::npos) {
                return std::nullopt;
            }
            at = end;
        }
        out.push_back(std::move(token));
    }
    return out;
}

std::vector<SaveStatement> saveStatements(std::string_view save) {
    std::vector<SaveStatement> out;
    while (!save.empty()) {
        SaveStatement statement;
        auto end = std::min(save.find('\n'), save.size());
        statement.kind = kindOf(save.substr(0, end));
        if (statement.kind == SaveStatement::Kind::rule) {
            const auto whole = endOfRule(save);
            statement.open = whole == std::string_view::npos;
            end = statement.open ? end : whole;
        }
        statement.text = save.substr(0, end);
        save.remove_prefix(std::min(end + 1, save.size()));
        out.push_back(statement);
    }
    return out;
}

std::vector<std::string> tablesOfSave(std::string_view save) {
    std::vector<std::string> out;
    for (const auto& statement : saveStatements(save)) {
        if (statement.kind == SaveStatement::Kind::table) {
            out.emplace_back(statement.text.substr(1));
        }
    }
    return out;
}

std::string withoutCounters(std::string_view save) {
    std::string out;
    for (const auto& statement : saveStatements(save)) {
        if (statement.kind == SaveStatement::Kind::comment) {
            continue;
        }
        auto text = statement.text;
        if (statement.kind == SaveStatement::Kind::chain) {
            text = text.substr(0, text.rfind(" ["));
        }
        out.append(text).append("\n");
    }
    return out;
}

std::vector<std::string> saveList(const std::string& text, char separator) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at <= text.size()) {
        const auto end = std::min(text.find(separator, at), text.size());
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

std::optional<std::uint64_t> saveNumber(const std::string& text) {
    std::uint64_t number = 0;
    const bool hex = text.starts_with("0x");
    const auto* begin = text.data() + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number, hex ? 16 : 10);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

}  // namespace lapwing::reach
