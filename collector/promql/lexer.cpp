#include <algorithm>
#include <array>
#include <cctype>

#include "collector/promql/token.h"
#include "collector/promql/unquote.h"
#include "common/characters.h"
#include "common/text.h"

namespace lapwing::promql {
namespace {

constexpr std::array kKeywords = {"by",          "without", "on",     "ignoring", "group_left",
                                  "group_right", "bool",    "offset", "start",    "end"};
constexpr std::array kNeverMetrics = {"bool", "on", "ignoring", "group_left", "group_right", "atan2"};
constexpr std::array kWordOperators = {"and", "or", "unless", "atan2"};
constexpr std::array kAggregations = {"sum",          "avg",      "count",  "min",        "max",
                                      "group",        "stddev",   "stdvar", "topk",       "bottomk",
                                      "count_values", "quantile", "limitk", "limit_ratio"};

bool isSpace(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

template <std::size_t N>
bool contains(const std::array<const char*, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

class Lexer {
  public:
    explicit Lexer(std::string_view input) : input_(input) {}

    std::vector<Token> run() {
        while (step()) {
        }
        return std::move(tokens_);
    }

  private:
    char peek(std::size_t ahead = 0) const {
        return position_ + ahead < input_.size() ? input_[position_ + ahead] : '\0';
    }
    bool atEnd() const { return position_ >= input_.size(); }

    bool emit(TokenType type, std::string value = {}) {
        tokens_.push_back(Token{type, start_, position_,
                                std::string(input_.substr(start_, position_ - start_)), std::move(value)});
        return true;
    }
    bool symbol(std::size_t length) {
        position_ += length;
        return emit(TokenType::symbol);
    }
    bool failWith(std::string message) {
        tokens_.push_back(Token{TokenType::error, start_, input_.size(), std::move(message), {}});
        return false;
    }
    /// The character at a position, as Go prints a rune with %q.
    std::string rune(std::size_t at) const {
        if (at >= input_.size()) {
            return "'\xef\xbf\xbd'";
        }
        std::size_t length = 1;
        while (at + length < input_.size() &&
               (static_cast<unsigned char>(input_[at + length]) & 0xc0U) == 0x80U) {
            ++length;
        }
        const auto text = input_.substr(at, length);
        if (text == "'") {
            return "'\\''";
        }
        if (text == "\"") {
            return "'\"'";
        }
        const auto quoted = quote(text);
        return "'" + quoted.substr(1, quoted.size() - 2) + "'";
    }

    bool step() {
        start_ = position_;
        if (atEnd()) {
            return finish();
        }
        const char c = peek();
        if (isSpace(c)) {
            ++position_;
            return true;
        }
        if (c == '#' && !range_begins_) {
            while (!atEnd() && peek() != '\n') {
                ++position_;
            }
            return true;
        }
        if (range_begins_) {
            return range(c);
        }
        if (c == '"' || c == '\'' || c == '`') {
            return lexString(c);
        }
        return brace_open_ ? insideBraces(c) : statement(c);
    }

    bool finish() {
        if (brace_open_) {
            return failWith("unexpected end of input inside braces");
        }
        if (range_begins_) {
            return failWith("unexpected end of input in duration expression");
        }
        if (paren_depth_ != 0) {
            return failWith("unclosed left parenthesis");
        }
        if (bracket_open_) {
            return failWith("unclosed left bracket");
        }
        emit(TokenType::end);
        return false;
    }

    bool insideBraces(char c) {
        switch (c) {
            case ',':
                return symbol(1);
            case '=':
                return symbol(peek(1) == '~' ? 2 : 1);
            case '!':
                if (peek(1) == '~' || peek(1) == '=') {
                    return symbol(2);
                }
                return failWith("unexpected character after '!' inside braces: " + rune(position_ + 1));
            case '{':
                return failWith("unexpected left brace '{'");
            case '}':
                brace_open_ = false;
                return symbol(1);
            default:
                break;
        }
        if (!isWordStart(c)) {
            return failWith("unexpected character inside braces: " + rune(position_));
        }
        while (isWordPart(peek())) {
            ++position_;
        }
        return emit(TokenType::identifier);
    }

    bool statement(char c) {
        switch (c) {
            case ',':
            case '*':
            case '/':
            case '%':
            case '+':
            case '-':
            case '^':
            case '@':
                return symbol(1);
            case '=':
                if (peek(1) == '=') {
                    return symbol(2);
                }
                if (peek(1) == '~') {
                    return failWith("unexpected character after '=': '~'");
                }
                return symbol(1);
            case '!':
                if (peek(1) == '=') {
                    return symbol(2);
                }
                return failWith("unexpected character after '!': " + rune(position_ + 1));
            case '<':
            case '>':
                return symbol(peek(1) == '=' ? 2 : 1);
            case '(':
                ++paren_depth_;
                return symbol(1);
            case ')':
                if (--paren_depth_ < 0) {
                    // Prometheus reports the position after the character.
                    ++start_;
                    return failWith("unexpected right parenthesis ')'");
                }
                return symbol(1);
            case '{':
                brace_open_ = true;
                return symbol(1);
            case '}':
                return failWith("unexpected character: '}'");
            case '[':
                if (bracket_open_) {
                    return failWith("unexpected left bracket '['");
                }
                bracket_open_ = true;
                range_begins_ = true;
                got_colon_ = false;
                return symbol(1);
            case ']':
                if (!bracket_open_) {
                    return failWith("unexpected right bracket ']'");
                }
                bracket_open_ = false;
                range_begins_ = false;
                return symbol(1);
            default:
                break;
        }
        if (isDigit(c) || (c == '.' && isDigit(peek(1)))) {
            return numberOrDuration();
        }
        if (bracket_open_ && c == ':') {
            if (got_colon_) {
                return failWith("unexpected colon ':'");
            }
            got_colon_ = true;
            return symbol(1);
        }
        if (bracket_open_ && isWordStart(c)) {
            if (got_colon_) {
                return failWith("unexpected colon " + rune(position_));
            }
            return failWith("unexpected character: " + rune(position_) + ", expected ':'");
        }
        if (isWordStart(c) || c == ':') {
            return word();
        }
        return failWith("unexpected character: " + rune(position_));
    }

    bool word() {
        bool colon = false;
        while (isWordPart(peek()) || peek() == ':') {
            colon = colon || peek() == ':';
            ++position_;
        }
        std::string name = lower(input_.substr(start_, position_ - start_));
        if (contains(kKeywords, name)) {
            return emit(TokenType::keyword, std::move(name));
        }
        if (contains(kWordOperators, name)) {
            return emit(TokenType::word_operator, std::move(name));
        }
        if (contains(kAggregations, name)) {
            return emit(TokenType::aggregation, std::move(name));
        }
        if (name == "inf" || name == "nan") {
            return emit(TokenType::number);
        }
        return emit(colon ? TokenType::metric_identifier : TokenType::identifier);
    }

    /// Scans a possible number, which the parser validates. Underscores stand between digits,
    /// hexadecimal numbers have no fraction. Leaves the position where Prometheus' messages end.
    bool scanNumber() {
        std::string_view digits = "0123456789";
        if (accept("0") && accept("xX")) {
            accept("_");
            digits = "0123456789abcdefABCDEF";
        }
        const bool hex = digits.size() > 10;
        accept(".");
        accept(digits);
        bool point = false;
        bool exponent = false;
        while (true) {
            if (peek() == '.') {
                ++position_;
                if (point || accept("_.") || hex) {
                    return false;
                }
                point = true;
            } else if (accept("eE")) {
                if (exponent) {
                    return false;
                }
                exponent = true;
                accept("+-");
                if (accept("._eE") || atEnd()) {
                    return false;
                }
            } else if (accept("_")) {
                if (accept("._eE") || atEnd()) {
                    return false;
                }
            } else if (!accept(digits)) {
                break;
            }
        }
        return !isWordPart(peek());
    }

    bool numberOrDuration() {
        if (scanNumber()) {
            return emit(TokenType::number);
        }
        if (acceptDuration()) {
            return emit(TokenType::duration);
        }
        return failWith("bad number or duration syntax: " + quote(input_.substr(start_, position_ - start_)));
    }

    /// True between a bracket and the first duration after it.
    bool range(char c) {
        if (isDigit(c) || (c == '.' && isDigit(peek(1)))) {
            range_begins_ = false;
            return numberOrDuration();
        }
        switch (c) {
            case ']':
            case ')':
                return statement(c);
            case '(':
                ++paren_depth_;
                return symbol(1);
            case '+':
            case '-':
            case '*':
            case '/':
            case '%':
            case '^':
                return symbol(1);
            case ':':
                // Prometheus reports the position after the character.
                ++start_;
                return failWith("unexpected colon before duration in duration expression");
            default:
                return failWith("unexpected character in duration expression: " + rune(position_));
        }
    }

    bool accept(std::string_view characters) {
        if (atEnd() || characters.find(peek()) == std::string_view::npos) {
            return false;
        }
        ++position_;
        return true;
    }

    /// Scans the units after the first digits and the text behind them; leaves the position where
    /// Prometheus' messages end.
    bool acceptDuration() {
        if (!accept("smhdwy")) {
            return false;
        }
        accept("s");
        while (accept("0123456789")) {
            while (accept("0123456789")) {
            }
            if (!accept("smhdw")) {
                return false;
            }
            accept("s");
        }
        if (!isWordPart(peek())) {
            return true;
        }
        ++position_;
        return false;
    }

    bool lexString(char open) {
        ++position_;
        if (open == '`') {
            const auto close = input_.find('`', position_);
            if (close == std::string_view::npos) {
                return failWith("unterminated raw string");
            }
            position_ = close + 1;
            return emit(TokenType::string, std::string(input_.substr(start_ + 1, close - start_ - 1)));
        }
        while (true) {
            if (atEnd() || peek() == '\n') {
                return failWith("unterminated quoted string");
            }
            if (peek() == open) {
                break;
            }
            if (peek() == '\\') {
                ++position_;
                if (atEnd()) {
                    return failWith("escape sequence not terminated");
                }
            }
            ++position_;
        }
        const auto body = input_.substr(start_ + 1, position_ - start_ - 1);
        ++position_;
        auto value = unquote(body, open);
        if (!value) {
            return failWith(value.error().message);
        }
        return emit(TokenType::string, std::move(*value));
    }

    std::string_view input_;
    std::size_t position_ = 0;
    std::size_t start_ = 0;
    int paren_depth_ = 0;
    bool brace_open_ = false;
    bool bracket_open_ = false;
    bool got_colon_ = false;
    bool range_begins_ = false;  ///< after a left bracket
    std::vector<Token> tokens_;
};

}  // namespace

bool Token::isMetricName() const {
    if (type == TokenType::keyword || type == TokenType::word_operator) {
        return !contains(kNeverMetrics, value);
    }
    return isLabelName() || type == TokenType::metric_identifier;
}

std::vector<Token> lex(std::string_view query) {
    return Lexer(query).run();
}

}  // namespace lapwing::promql
