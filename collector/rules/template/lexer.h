#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/rules/template/value.h"

/// The lexical part of templates. Pure functions.
namespace lapwing::rules {

/// Raised by the lexer and the parser; parseTemplate() turns it into an Error.
struct TemplateSyntaxError {
    std::string message;
};

/// A piece of a template: plain text, or the content of an action between {{ and }}.
struct TemplatePiece {
    bool action = false;
    std::string_view text;
    int line = 1;
};

/// Splits a template; comments are left out, and `{{-` and `-}}` have trimmed the text beside them. Throws
/// TemplateSyntaxError. The pieces point into `text`.
std::vector<TemplatePiece> splitTemplate(std::string_view text);

/// One token of an action.
struct TemplateToken {
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
    bool spaced = true;  ///< white space, or the beginning of the action, precedes it
};

/// The tokens of an action's content; the last one has the kind `end`. Throws TemplateSyntaxError.
std::vector<TemplateToken> lexAction(std::string_view text);

}  // namespace lapwing::rules
