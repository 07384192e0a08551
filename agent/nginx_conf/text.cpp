#include "agent/nginx_conf/text.h"

#include <algorithm>
#include <utility>

namespace lapwing::agent {

namespace {

constexpr int kMostDepth = 64;

bool isBlank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Expected<std::vector<NginxDirective>> run() {
        auto out = directives(0);
        if (!fault_.empty()) {
            const auto line =
                1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
            return fail(ErrorKind::protocol, "line " + std::to_string(line) + ": " + fault_);
        }
        return out;
    }

  private:
    bool atEnd() const { return at_ >= text_.size() || !fault_.empty(); }

    void skipBlanks() {
        while (!atEnd() && (isBlank(text_[at_]) || text_[at_] == '#')) {
            at_ = text_[at_] == '#' ? std::min(text_.find('\n', at_), text_.size()) : at_ + 1;
        }
    }

    std::vector<NginxDirective> directives(int depth) {
        std::vector<NginxDirective> out;
        NginxDirective current;
        if (depth > kMostDepth) {
            fault_ = "blocks are nested too deep";
        }
        for (skipBlanks(); !atEnd(); skipBlanks()) {
            const char c = text_[at_];
            const bool ends = c == ';' || c == '{' || c == '}';
            if (!ends) {
                current.words.push_back(c == '"' || c == '\'' ? quoted(c) : word());
                continue;
            }
            if (c == '}' ? !current.words.empty() || depth == 0 : current.words.empty()) {
                fault_ = std::string("unexpected \"") + c + "\"";
                break;
            }
            ++at_;
            if (c == '}') {
                return out;
            }
            if (c == '{') {
                block(current, depth);
            }
            out.push_back(std::move(current));
            current = {};
        }
        if (fault_.empty() && (depth > 0 || !current.words.empty())) {
            fault_ = "unexpected end of the file";
        }
        return out;
    }

    void block(NginxDirective& directive, int depth) {
        if (directive.name().ends_with("_by_lua_block")) {
            skipLua();
        } else {
            directive.block = directives(depth + 1);
        }
    }

    /// Reads the character after a backslash.
    char escaped() {
        const char c = text_[at_++];
        return c == 't' ? '\t' : c == 'r' ? '\r' : c == 'n' ? '\n' : c;
    }

    std::string quoted(char quote) {
        std::string out;
        ++at_;
        while (at_ < text_.size() && text_[at_] != quote) {
            const char c = text_[at_++];
            out += c == '\\' && at_ < text_.size() ? escaped() : c;
        }
        if (at_ >= text_.size()) {
            fault_ = "a quote does not end";
            return out;
        }
        ++at_;
        return out;
    }

    /// A brace after a dollar sign is part of a variable.
    std::string word() {
        std::string out;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (isBlank(c) || c == ';' || (c == '{' && (out.empty() || out.back() != '$'))) {
                break;
            }
            ++at_;
            out += c == '\\' && at_ < text_.size() ? escaped() : c;
        }
        return out;
    }

    /// Skips to the brace that ends the block; braces in strings and comments do not count.
    void skipLua() {
        int depth = 1;
        while (at_ < text_.size() && depth > 0) {
            const char c = text_[at_++];
            if (c == '{' || c == '}') {
                depth += c == '{' ? 1 : -1;
            } else if (c == '"' || c == '\'') {
                --at_;
                static_cast<void>(quoted(c));
            } else if (c == '-' && text_.substr(at_, 1) == "-") {
                at_ = std::min(text_.find('\n', at_), text_.size());
            }
        }
        if (depth > 0) {
            fault_ = "a block of Lua does not end";
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string fault_;
};

}  // namespace

Expected<std::vector<NginxDirective>> parseNginx(std::string_view text) {
    return Parser(text).run();
}

}  // namespace lapwing::agent
