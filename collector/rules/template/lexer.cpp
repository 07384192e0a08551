#include "collector/rules/template/lexer.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "common/characters.h"
#include "common/text.h"

namespace lapwing::rules {
namespace {

bool isSpace(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Where the content of an action ends: before the first "}}" outside quotes.
std::size_t actionEnd(std::string_view text, std::size_t from) {
    char quote = 0;
    for (std::size_t i = from; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != 0) {
            if (c == '\\' && quote != '`') {
                ++i;
            } else if (c == quote) {
                quote = 0;
            }
        } else if (c == '"' || c == '`' || c == '\'') {
            quote = c;
        } else if (c == '}' && text.substr(i, 2) == "}}") {
            return i;
        }
    }
    return std::string_view::npos;
}

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    std::vector<TemplateToken> all() {
        std::vector<TemplateToken> tokens;
        while (true) {
            tokens.push_back(next());
            if (tokens.back().kind == TemplateToken::Kind::end) {
                return tokens;
            }
        }
    }

  private:
    TemplateToken next() {
        TemplateToken token;
        const auto before = at_;
        while (at_ < text_.size() && isSpace(text_[at_])) {
            ++at_;
        }
        token.spaced = at_ != before || before == 0;
        if (at_ == text_.size()) {
            return token;
        }
        const char c = text_[at_];
        if (isWordStart(c)) {
            token.kind = TemplateToken::Kind::word;
            token.text = word();
        } else if (c == '$') {
            ++at_;
            token.kind = TemplateToken::Kind::variable;
            token.text = "$" + word();
        } else if (c == '.' && at_ + 1 < text_.size() && isWordStart(text_[at_ + 1])) {
            ++at_;
            token.kind = TemplateToken::Kind::field;
            token.text = word();
        } else if (c == '.' && (at_ + 1 >= text_.size() || !isDigit(text_[at_ + 1]))) {
            ++at_;
            token.kind = TemplateToken::Kind::dot;
        } else if (isDigit(c) || c == '-' || c == '+' || c == '.') {
            number(token);
        } else if (c == '"') {
            quoted(token);
        } else if (c == '`') {
            const auto end = text_.find('`', at_ + 1);
            if (end == std::string_view::npos) {
                throw TemplateSyntaxError{"unterminated raw quoted string"};
            }
            token.kind = TemplateToken::Kind::string;
            token.value = {std::string(text_.substr(at_ + 1, end - at_ - 1))};
            at_ = end + 1;
        } else {
            sign(token);
        }
        return token;
    }

    std::string word() {
        const auto start = at_;
        while (at_ < text_.size() && isWordPart(text_[at_])) {
            ++at_;
        }
        return std::string(text_.substr(start, at_ - start));
    }

    void number(TemplateToken& token) {
        std::size_t end = at_ + 1;
        while (end < text_.size()) {
            const char c = text_[end];
            const bool exponent_sign =
                (c == '+' || c == '-') && (text_[end - 1] == 'e' || text_[end - 1] == 'E');
            if (!isWordPart(c) && c != '.' && !exponent_sign) {
                break;
            }
            ++end;
        }
        const std::string literal(text_.substr(at_, end - at_));
        at_ = end;
        char* stop = nullptr;
        token.kind = TemplateToken::Kind::number;
        errno = 0;
        const auto whole = std::strtoll(literal.c_str(), &stop, 0);
        if (*stop == '\0' && errno == 0) {
            token.value = {std::int64_t{whole}};
            return;
        }
        const double real = std::strtod(literal.c_str(), &stop);
        if (*stop != '\0') {
            throw TemplateSyntaxError{"bad number syntax: \"" + literal + "\""};
        }
        token.value = {real};
    }

    void quoted(TemplateToken& token) {
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] != '\\') {
                out += text_[at_];
                continue;
            }
            if (++at_ == text_.size()) {
                break;
            }
            escape(text_[at_], out);
        }
        if (at_ >= text_.size()) {
            throw TemplateSyntaxError{"unterminated quoted string"};
        }
        ++at_;
        token.kind = TemplateToken::Kind::string;
        token.value = {std::move(out)};
    }

    void escape(char c, std::string& out) {
        constexpr std::string_view names = "abfnrtv\\\"'";
        constexpr std::string_view values = "\a\b\f\n\r\t\v\\\"'";
        const auto known = names.find(c);
        if (known != std::string_view::npos) {
            out += values[known];
            return;
        }
        const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        const std::string hex(text_.substr(std::min(at_ + 1, text_.size()), digits));
        char* stop = nullptr;
        const auto code = std::strtoul(hex.c_str(), &stop, 16);
        if (digits == 0 || hex.size() != digits || *stop != '\0' || code > 0x10ffff) {
            throw TemplateSyntaxError{"invalid escape in a quoted string"};
        }
        if (digits == 2) {
            out += static_cast<char>(code);
        } else {
            appendUtf8(out, static_cast<std::uint32_t>(code));
        }
        at_ += digits;
    }

    void sign(TemplateToken& token) {
        const char c = text_[at_++];
        switch (c) {
            case '(':
                token.kind = TemplateToken::Kind::open;
                return;
            case ')':
                token.kind = TemplateToken::Kind::close;
                return;
            case '|':
                token.kind = TemplateToken::Kind::pipe;
                return;
            case ',':
                token.kind = TemplateToken::Kind::comma;
                return;
            case '=':
                token.kind = TemplateToken::Kind::assign;
                return;
            case ':':
                if (at_ < text_.size() && text_[at_] == '=') {
                    ++at_;
                    token.kind = TemplateToken::Kind::declare;
                    return;
                }
                break;
            default:
                break;
        }
        throw TemplateSyntaxError{std::string("unexpected \"") + c + "\" in action"};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::vector<TemplatePiece> splitTemplate(std::string_view text) {
    std::vector<TemplatePiece> pieces;
    std::size_t at = 0;
    bool trim_left = false;
    const auto line_of = [&](std::size_t offset) {
        return 1 + static_cast<int>(
                       std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
    };
    const auto add_text = [&](std::string_view plain, bool trim_right) {
        if (trim_left) {
            while (!plain.empty() && isSpace(plain.front())) {
                plain.remove_prefix(1);
            }
        }
        if (trim_right) {
            while (!plain.empty() && isSpace(plain.back())) {
                plain.remove_suffix(1);
            }
        }
        if (!plain.empty()) {
            pieces.push_back({false, plain, 0});
        }
    };
    while (true) {
        const auto open = text.find("{{", at);
        if (open == std::string_view::npos) {
            add_text(text.substr(at), false);
            return pieces;
        }
        std::size_t start = open + 2;
        const bool trim_right = start + 1 < text.size() && text[start] == '-' && isSpace(text[start + 1]);
        if (trim_right) {
            ++start;
        }
        add_text(text.substr(at, open - at), trim_right);
        std::size_t content = start;
        while (content < text.size() && isSpace(text[content])) {
            ++content;
        }
        std::size_t end = 0;
        if (text.substr(content, 2) == "/*") {
            const auto close = text.find("*/", content + 2);
            if (close == std::string_view::npos) {
                throw TemplateSyntaxError{"unclosed comment"};
            }
            end = text.find("}}", close + 2);
            const auto rest =
                end == std::string_view::npos ? std::string_view() : text.substr(close + 2, end - close - 2);
            if (end == std::string_view::npos ||
                rest.find_first_not_of(" \t\r\n-") != std::string_view::npos) {
                throw TemplateSyntaxError{"comment ends before closing delimiter"};
            }
            trim_left = !rest.empty() && rest.back() == '-';
            at = end + 2;
            continue;
        }
        end = actionEnd(text, start);
        if (end == std::string_view::npos) {
            throw TemplateSyntaxError{"line " + std::to_string(line_of(open)) + ": unclosed action"};
        }
        auto inner = text.substr(start, end - start);
        trim_left = inner.size() >= 2 && inner.back() == '-' && isSpace(inner[inner.size() - 2]);
        if (trim_left) {
            inner.remove_suffix(1);
        }
        pieces.push_back({true, inner, line_of(open)});
        at = end + 2;
    }
}

std::vector<TemplateToken> lexAction(std::string_view text) {
    return Lexer(text).all();
}

}  // namespace lapwing::rules
