#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "collector/rules/template_tree.h"

namespace lapwing::rules {
namespace {

constexpr int kMaxDepth = 64;

/// Raised inside the parser alone, and turned into an Error at its edge.
struct SyntaxError {
    std::string message;
};

bool isSpace(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool isWordStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

bool isWord(char c) {
    return isWordStart(c) || isDigit(c);
}

void appendUtf8(std::string& out, unsigned code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xc0U | (code >> 6U));
        out += static_cast<char>(0x80U | (code & 0x3fU));
    } else if (code < 0x10000) {
        out += static_cast<char>(0xe0U | (code >> 12U));
        out += static_cast<char>(0x80U | ((code >> 6U) & 0x3fU));
        out += static_cast<char>(0x80U | (code & 0x3fU));
    } else {
        out += static_cast<char>(0xf0U | (code >> 18U));
        out += static_cast<char>(0x80U | ((code >> 12U) & 0x3fU));
        out += static_cast<char>(0x80U | ((code >> 6U) & 0x3fU));
        out += static_cast<char>(0x80U | (code & 0x3fU));
    }
}

/// A piece of the template: text, or what is between {{ and }}.
struct Piece {
    bool action = false;
    std::string_view text;
    int line = 1;
};

/// The end of an action's content: quotes may hold "}}".
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

std::vector<Piece> split(std::string_view text) {
    std::vector<Piece> pieces;
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
                throw SyntaxError{"unclosed comment"};
            }
            end = text.find("}}", close + 2);
            const auto rest =
                end == std::string_view::npos ? std::string_view() : text.substr(close + 2, end - close - 2);
            if (end == std::string_view::npos ||
                rest.find_first_not_of(" \t\r\n-") != std::string_view::npos) {
                throw SyntaxError{"comment ends before closing delimiter"};
            }
            trim_left = !rest.empty() && rest.back() == '-';
            at = end + 2;
            continue;
        }
        end = actionEnd(text, start);
        if (end == std::string_view::npos) {
            throw SyntaxError{"line " + std::to_string(line_of(open)) + ": unclosed action"};
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

struct Token {
    enum class Kind {
        end,
        word,
        variable,
        field,
        dot,
        string,
        number,
        open,
        close,
        pipe,
        comma,
        declare,
        assign
    };
    Kind kind = Kind::end;
    std::string text;
    TemplateValue value;
    bool spaced = true;  ///< white space, or the beginning, before it
};

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    std::vector<Token> all() {
        std::vector<Token> tokens;
        while (true) {
            tokens.push_back(next());
            if (tokens.back().kind == Token::Kind::end) {
                return tokens;
            }
        }
    }

  private:
    Token next() {
        Token token;
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
            token.kind = Token::Kind::word;
            token.text = word();
        } else if (c == '$') {
            ++at_;
            token.kind = Token::Kind::variable;
            token.text = "$" + word();
        } else if (c == '.' && at_ + 1 < text_.size() && isWordStart(text_[at_ + 1])) {
            ++at_;
            token.kind = Token::Kind::field;
            token.text = word();
        } else if (c == '.' && (at_ + 1 >= text_.size() || !isDigit(text_[at_ + 1]))) {
            ++at_;
            token.kind = Token::Kind::dot;
        } else if (isDigit(c) || c == '-' || c == '+' || c == '.') {
            number(token);
        } else if (c == '"') {
            quoted(token);
        } else if (c == '`') {
            const auto end = text_.find('`', at_ + 1);
            if (end == std::string_view::npos) {
                throw SyntaxError{"unterminated raw quoted string"};
            }
            token.kind = Token::Kind::string;
            token.value = {std::string(text_.substr(at_ + 1, end - at_ - 1))};
            at_ = end + 1;
        } else {
            sign(token);
        }
        return token;
    }

    std::string word() {
        const auto start = at_;
        while (at_ < text_.size() && isWord(text_[at_])) {
            ++at_;
        }
        return std::string(text_.substr(start, at_ - start));
    }

    void number(Token& token) {
        std::size_t end = at_ + 1;
        while (end < text_.size()) {
            const char c = text_[end];
            const bool exponent_sign =
                (c == '+' || c == '-') && (text_[end - 1] == 'e' || text_[end - 1] == 'E');
            if (!isWord(c) && c != '.' && !exponent_sign) {
                break;
            }
            ++end;
        }
        const std::string literal(text_.substr(at_, end - at_));
        at_ = end;
        char* stop = nullptr;
        token.kind = Token::Kind::number;
        errno = 0;
        const auto whole = std::strtoll(literal.c_str(), &stop, 0);
        if (*stop == '\0' && errno == 0) {
            token.value = {std::int64_t{whole}};
            return;
        }
        const double real = std::strtod(literal.c_str(), &stop);
        if (*stop != '\0') {
            throw SyntaxError{"bad number syntax: \"" + literal + "\""};
        }
        token.value = {real};
    }

    void quoted(Token& token) {
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
            throw SyntaxError{"unterminated quoted string"};
        }
        ++at_;
        token.kind = Token::Kind::string;
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
            throw SyntaxError{"invalid escape in a quoted string"};
        }
        if (digits == 2) {
            out += static_cast<char>(code);
        } else {
            appendUtf8(out, static_cast<unsigned>(code));
        }
        at_ += digits;
    }

    void sign(Token& token) {
        const char c = text_[at_++];
        switch (c) {
            case '(':
                token.kind = Token::Kind::open;
                return;
            case ')':
                token.kind = Token::Kind::close;
                return;
            case '|':
                token.kind = Token::Kind::pipe;
                return;
            case ',':
                token.kind = Token::Kind::comma;
                return;
            case '=':
                token.kind = Token::Kind::assign;
                return;
            case ':':
                if (at_ < text_.size() && text_[at_] == '=') {
                    ++at_;
                    token.kind = Token::Kind::declare;
                    return;
                }
                break;
            default:
                break;
        }
        throw SyntaxError{std::string("unexpected \"") + c + "\" in action"};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

class Parser {
  public:
    explicit Parser(std::string_view text) : pieces_(split(text)) {}

    TemplateTree run() {
        const auto end = list(tree_.root.body);
        if (!end.empty()) {
            error("unexpected {{" + end + "}}");
        }
        return std::move(tree_);
    }

  private:
    [[noreturn]] void error(const std::string& message) const {
        throw SyntaxError{"line " + std::to_string(line_) + ": " + message};
    }

    /// Parses up to the end, or to a keyword that closes the list: "end", "else" (returned, its tokens kept).
    std::string list(std::vector<TemplateNode>& out) {
        while (next_piece_ < pieces_.size()) {
            const Piece& piece = pieces_[next_piece_++];
            if (!piece.action) {
                TemplateNode node;
                node.kind = TemplateNode::Kind::text;
                node.text = piece.text;
                out.push_back(std::move(node));
                continue;
            }
            line_ = piece.line;
            tokens_ = Lexer(piece.text).all();
            at_ = 0;
            std::string keyword = peek().kind == Token::Kind::word ? peek().text : "";
            if (keyword == "end" || keyword == "else") {
                ++at_;
                return keyword;
            }
            if (keyword == "define") {
                if (depth_ > 0 || defining_) {
                    error("unexpected {{define}}");
                }
                ++at_;
                const auto name = templateName();
                finish();
                define(name);
                continue;
            }
            out.push_back(action(keyword));
        }
        return "";
    }

    TemplateNode action(const std::string& keyword) {
        using Kind = TemplateNode::Kind;
        if (keyword == "if") {
            return ++at_, branch(Kind::branch_if);
        }
        if (keyword == "with") {
            return ++at_, branch(Kind::branch_with);
        }
        if (keyword == "range") {
            return ++at_, branch(Kind::range);
        }
        if (keyword == "break" || keyword == "continue") {
            if (loops_ == 0) {
                error("{{" + keyword + "}} outside {{range}}");
            }
            ++at_;
            finish();
            TemplateNode node;
            node.kind = keyword == "break" ? Kind::break_loop : Kind::continue_loop;
            return node;
        }
        if (keyword == "template" || keyword == "block") {
            return ++at_, invocation(keyword == "block");
        }
        TemplateNode node;
        node.kind = Kind::action;
        node.pipeline = pipeline(false);
        finish();
        return node;
    }

    std::string templateName() {
        const Token token = take();
        const auto* name = std::get_if<std::string>(&token.value.data);
        if (token.kind != Token::Kind::string || name == nullptr) {
            error("a template's name must be quoted");
        }
        return *name;
    }

    /// Reads up to {{end}}. What is defined sees no variable from outside.
    void define(const std::string& name) {
        auto outer = std::exchange(variables_, {"$"});
        const auto loops = std::exchange(loops_, 0);
        const bool within = std::exchange(defining_, true);
        TemplateNode node;
        const auto closed = list(node.body);
        if (closed.empty()) {
            error("unexpected EOF: a block is not closed by {{end}}");
        }
        if (closed == "else") {
            error("unexpected {{else}}");
        }
        finish();
        defining_ = within;
        loops_ = loops;
        variables_ = std::move(outer);
        tree_.definitions[name] = std::move(node);
    }

    TemplateNode invocation(bool defines) {
        if (++depth_ > kMaxDepth) {
            error("nested too deeply");
        }
        TemplateNode node;
        node.kind = TemplateNode::Kind::invoke;
        node.text = templateName();
        if (peek().kind != Token::Kind::end) {
            node.pipeline = pipeline(false);
        } else if (defines) {
            error("missing value for block clause");
        }
        finish();
        if (defines) {
            define(node.text);
        }
        --depth_;
        return node;
    }

    TemplateNode branch(TemplateNode::Kind kind) {
        if (++depth_ > kMaxDepth) {
            error("nested too deeply");
        }
        TemplateNode node;
        node.kind = kind;
        const auto scope = variables_.size();
        node.pipeline = pipeline(kind == TemplateNode::Kind::range);
        finish();
        loops_ += kind == TemplateNode::Kind::range ? 1 : 0;
        const auto inner = variables_.size();
        auto closed = list(node.body);
        loops_ -= kind == TemplateNode::Kind::range ? 1 : 0;
        variables_.resize(inner);
        if (closed == "else") {
            const std::string keyword = peek().kind == Token::Kind::word ? peek().text : "";
            if (kind != TemplateNode::Kind::range && (keyword == "if" || keyword == "with")) {
                // `else if` shares its `end` with the `if` that it belongs to.
                ++at_;
                node.alternative.push_back(branch(keyword == "if" ? TemplateNode::Kind::branch_if
                                                                  : TemplateNode::Kind::branch_with));
                closed = "end";
            } else {
                finish();
                closed = list(node.alternative);
                if (closed == "end") {
                    finish();
                }
            }
        } else if (closed == "end") {
            finish();
        }
        if (closed.empty()) {
            error("unexpected EOF: a block is not closed by {{end}}");
        }
        if (closed == "else") {
            error("unexpected {{else}}");
        }
        variables_.resize(scope);
        --depth_;
        return node;
    }

    TemplatePipeline pipeline(bool may_declare_two) {
        if (++depth_ > kMaxDepth) {
            error("nested too deeply");
        }
        TemplatePipeline out;
        std::vector<std::string> names;
        const auto start = at_;
        if (peek().kind == Token::Kind::variable) {
            names.push_back(take().text);
            if (may_declare_two && peek().kind == Token::Kind::comma) {
                ++at_;
                if (peek().kind != Token::Kind::variable) {
                    error("range can only initialize variables");
                }
                names.push_back(take().text);
            }
            if (peek().kind == Token::Kind::declare || peek().kind == Token::Kind::assign) {
                out.declares = take().kind == Token::Kind::declare;
            } else if (names.size() == 2) {
                error("unexpected \",\" in range");
            } else {
                names.clear();
                at_ = start;
            }
        }
        while (true) {
            out.commands.push_back(command());
            if (peek().kind != Token::Kind::pipe) {
                break;
            }
            ++at_;
            const auto kind = peek().kind;
            if (kind != Token::Kind::word && kind != Token::Kind::open && kind != Token::Kind::field &&
                kind != Token::Kind::variable && kind != Token::Kind::dot) {
                error("non executable command in pipeline");
            }
        }
        for (const auto& name : names) {
            if (!out.declares && !defined(name)) {
                error("undefined variable \"" + name + "\"");
            }
            if (out.declares) {
                variables_.push_back(name);
            }
        }
        out.variables = std::move(names);
        --depth_;
        return out;
    }

    TemplateCommand command() {
        TemplateCommand out;
        while (true) {
            const auto kind = peek().kind;
            if (kind == Token::Kind::end || kind == Token::Kind::pipe || kind == Token::Kind::close) {
                break;
            }
            if (!out.operands.empty() && !peek().spaced) {
                error("unexpected token right after an operand");
            }
            out.operands.push_back(operand());
        }
        if (out.operands.empty()) {
            error("missing value for command");
        }
        return out;
    }

    TemplateOperand operand() {
        TemplateOperand out;
        const Token token = take();
        switch (token.kind) {
            case Token::Kind::string:
            case Token::Kind::number:
                out.kind = TemplateOperand::Kind::constant;
                out.constant = token.value;
                return out;
            case Token::Kind::word:
                if (token.text == "true" || token.text == "false" || token.text == "nil") {
                    out.kind = TemplateOperand::Kind::constant;
                    if (token.text != "nil") {
                        out.constant = {token.text == "true"};
                    }
                    return out;
                }
                if (!isTemplateFunction(token.text)) {
                    error("function \"" + token.text + "\" not defined");
                }
                out.kind = TemplateOperand::Kind::function;
                out.name = token.text;
                return out;
            case Token::Kind::variable:
                if (!defined(token.text)) {
                    error("undefined variable \"" + token.text + "\"");
                }
                out.kind = TemplateOperand::Kind::variable;
                out.name = token.text;
                break;
            case Token::Kind::dot:
                out.kind = TemplateOperand::Kind::dot;
                break;
            case Token::Kind::field:
                out.kind = TemplateOperand::Kind::dot;
                out.fields.push_back(token.text);
                break;
            case Token::Kind::open:
                out.kind = TemplateOperand::Kind::pipeline;
                out.pipeline = std::make_shared<const TemplatePipeline>(pipeline(false));
                if (take().kind != Token::Kind::close) {
                    error("unclosed left paren");
                }
                break;
            default:
                error("unexpected token in operand");
        }
        while (peek().kind == Token::Kind::field && !peek().spaced) {
            out.fields.push_back(take().text);
        }
        return out;
    }

    bool defined(const std::string& name) const {
        return std::find(variables_.begin(), variables_.end(), name) != variables_.end();
    }

    void finish() const {
        if (peek().kind == Token::Kind::close) {
            error("unexpected right paren");
        }
        if (peek().kind != Token::Kind::end) {
            error("unexpected token in action");
        }
    }

    const Token& peek() const { return tokens_[std::min(at_, tokens_.size() - 1)]; }
    Token take() {
        Token token = peek();
        if (at_ + 1 < tokens_.size()) {
            ++at_;
        }
        return token;
    }

    std::vector<Piece> pieces_;
    std::size_t next_piece_ = 0;
    std::vector<Token> tokens_ = {Token{}};
    std::size_t at_ = 0;
    int line_ = 1;
    int depth_ = 0;
    int loops_ = 0;
    bool defining_ = false;
    TemplateTree tree_;
    // Prometheus puts these before every template.
    std::vector<std::string> variables_ = {"$", "$labels", "$externalLabels", "$externalURL", "$value"};
};

}  // namespace

Expected<TemplateTree> parseTemplate(std::string_view text) {
    try {
        return Parser(text).run();
    } catch (const SyntaxError& error) {
        return fail(ErrorKind::invalid, "template: " + error.message);
    }
}

}  // namespace lapwing::rules
