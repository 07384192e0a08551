#include <algorithm>
#include <string>
#include <utility>

#include "collector/rules/template/lexer.h"
#include "collector/rules/template/tree.h"

namespace lapwing::rules {
namespace {

constexpr int kMaxDepth = 64;

using Token = TemplateToken;

class Parser {
  public:
    Parser(std::string_view text, TemplateUse use) : use_(use), pieces_(splitTemplate(text)) {}

    TemplateTree run() {
        const auto end = list(tree_.root.body);
        if (!end.empty()) {
            error("unexpected {{" + end + "}}");
        }
        return std::move(tree_);
    }

  private:
    [[noreturn]] void error(const std::string& message) const {
        throw TemplateSyntaxError{"line " + std::to_string(line_) + ": " + message};
    }

    /// Parses up to the end of the text, or to a keyword that closes the list: "end" or "else" (returned,
    /// with its tokens kept).
    std::string list(std::vector<TemplateNode>& out) {
        while (next_piece_ < pieces_.size()) {
            const TemplatePiece& piece = pieces_[next_piece_++];
            if (!piece.action) {
                TemplateNode node;
                node.kind = TemplateNode::Kind::text;
                node.text = piece.text;
                out.push_back(std::move(node));
                continue;
            }
            line_ = piece.line;
            tokens_ = lexAction(piece.text);
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

    /// Parses a definition up to {{end}}. It sees no variables from outside.
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
                // `else if` shares its `end` with its `if`.
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
                if (!isTemplateFunction(token.text, use_)) {
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

    const TemplateUse use_;
    std::vector<TemplatePiece> pieces_;
    std::size_t next_piece_ = 0;
    std::vector<Token> tokens_ = {Token{}};
    std::size_t at_ = 0;
    int line_ = 1;
    int depth_ = 0;
    int loops_ = 0;
    bool defining_ = false;
    TemplateTree tree_;
    // Prometheus defines these before every template.
    std::vector<std::string> variables_ = {"$", "$labels", "$externalLabels", "$externalURL", "$value"};
};

}  // namespace

Expected<TemplateTree> parseTemplate(std::string_view text, TemplateUse use) {
    try {
        return Parser(text, use).run();
    } catch (const TemplateSyntaxError& error) {
        return fail(ErrorKind::invalid, "template: " + error.message);
    }
}

}  // namespace lapwing::rules
