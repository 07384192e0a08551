#include <re2/re2.h>

#include "collector/limits/query_limits.h"
#include "collector/limits/regex_size.h"
#include "collector/storage/queryable.h"

namespace lapwing::storage {
namespace {

/// The messages of Go's regexp/syntax, which Prometheus shows.
const char* problem(RE2::ErrorCode code) {
    switch (code) {
        case RE2::ErrorBadEscape:
            return "invalid escape sequence";
        case RE2::ErrorBadCharClass:
            return "invalid character class";
        case RE2::ErrorBadCharRange:
            return "invalid character class range";
        case RE2::ErrorMissingBracket:
            return "missing closing ]";
        case RE2::ErrorMissingParen:
            return "missing closing )";
        case RE2::ErrorUnexpectedParen:
            return "unexpected )";
        case RE2::ErrorTrailingBackslash:
            return "trailing backslash at end of expression";
        case RE2::ErrorRepeatArgument:
            return "missing argument to repetition operator";
        case RE2::ErrorRepeatSize:
            return "invalid repeat count";
        case RE2::ErrorRepeatOp:
            return "invalid nested repetition operator";
        case RE2::ErrorBadPerlOp:
            return "invalid or unsupported Perl syntax";
        case RE2::ErrorBadUTF8:
            return "invalid UTF-8";
        case RE2::ErrorBadNamedCapture:
            return "invalid named capture";
        case RE2::ErrorPatternTooLarge:
            return "expression too large";
        case RE2::ErrorInternal:
        case RE2::NoError:
            break;
    }
    return "internal error";
}

}  // namespace

const char* operatorOf(Matcher::Type type) {
    switch (type) {
        case Matcher::Type::equal:
            return "=";
        case Matcher::Type::not_equal:
            return "!=";
        case Matcher::Type::regex:
            return "=~";
        case Matcher::Type::not_regex:
            return "!~";
    }
    return "=";
}

Expected<Matcher> Matcher::create(Type type, std::string name, std::string value) {
    Matcher matcher;
    matcher.type_ = type;
    if (type == Type::regex || type == Type::not_regex) {
        if (regexSize(value) > kMostRegexSize) {
            return fail(ErrorKind::invalid,
                        std::string("error parsing regexp: ") + problem(RE2::ErrorPatternTooLarge));
        }
        const QueryLimits::Patience patience;
        RE2::Options options;
        options.set_log_errors(false);
        options.set_never_capture(true);
        // As in Prometheus 3, `.` matches a newline in a label's value.
        options.set_dot_nl(true);
        auto regex = std::make_shared<RE2>(value, options);
        if (!regex->ok()) {
            return fail(ErrorKind::invalid, std::string("error parsing regexp: ") +
                                                problem(regex->error_code()) + ": `" + regex->error_arg() +
                                                "`");
        }
        matcher.regex_ = std::move(regex);
    }
    matcher.name_ = std::move(name);
    matcher.value_ = std::move(value);
    return matcher;
}

bool Matcher::matches(std::string_view value) const {
    if (type_ == Type::equal) {
        return value == value_;
    }
    if (type_ == Type::not_equal) {
        return value != value_;
    }
    const QueryLimits::Patience patience;
    const bool matched = RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
    return matched == (type_ == Type::regex);
}

}  // namespace lapwing::storage
