#include <re2/re2.h>

#include <array>
#include <charconv>
#include <map>

#include "collector/rules/links.h"
#include "collector/rules/template/functions.h"
#include "common/text.h"

namespace lapwing::rules {
namespace {

std::string title(std::string text) {
    bool first = true;
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool letter = std::isalnum(byte) != 0 || c == '_' || c == '\'' || byte >= 0x80;
        if (letter && first && c >= 'a' && c <= 'z') {
            c = static_cast<char>(c - 'a' + 'A');
        }
        first = !letter;
    }
    return text;
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') {
            c = static_cast<char>(c - 'a' + 'A');
        }
    }
    return text;
}

/// In Prometheus, safeHtml marks text for console templates; alerts are not HTML.
std::string safeHtml(const std::string& text) {
    return text;
}

/// Expands $1, ${1} and ${name} as Go's regexp.Expand does: $name takes the longest possible name, and an
/// unknown name expands to nothing.
std::string expandGroups(const std::string& pattern, const std::vector<re2::StringPiece>& groups,
                         const std::map<std::string, int>& names) {
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '$' || i + 1 == pattern.size()) {
            out += pattern[i];
            continue;
        }
        if (pattern[i + 1] == '$') {
            out += '$';
            ++i;
            continue;
        }
        const bool braces = pattern[i + 1] == '{';
        const std::size_t start = i + (braces ? 2 : 1);
        std::size_t end = start;
        while (end < pattern.size() &&
               (std::isalnum(static_cast<unsigned char>(pattern[end])) != 0 || pattern[end] == '_')) {
            ++end;
        }
        if (end == start || (braces && (end == pattern.size() || pattern[end] != '}'))) {
            out += '$';
            continue;
        }
        const std::string name = pattern.substr(start, end - start);
        int index = -1;
        const auto number = std::from_chars(name.data(), name.data() + name.size(), index);
        if (number.ec != std::errc() || number.ptr != name.data() + name.size()) {
            const auto known = names.find(name);
            index = known == names.end() ? -1 : known->second;
        }
        if (index >= 0 && index < static_cast<int>(groups.size())) {
            const auto& group = groups[static_cast<std::size_t>(index)];
            if (group.data() != nullptr) {
                out.append(group.data(), group.size());
            }
        }
        i = braces ? end : end - 1;
    }
    return out;
}

TemplateResult replaceAll(const std::string& pattern, const std::string& replacement,
                          const std::string& input) {
    const re2::RE2 regex(pattern, re2::RE2::Quiet);
    if (!regex.ok()) {
        return fail(ErrorKind::execution, "error parsing regexp: " + regex.error());
    }
    std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) + 1);
    std::string out;
    std::size_t at = 0;
    std::size_t copied = 0;
    while (at <= input.size() && regex.Match(input, at, input.size(), re2::RE2::UNANCHORED, groups.data(),
                                             static_cast<int>(groups.size()))) {
        const auto start = static_cast<std::size_t>(groups[0].data() - input.data());
        const auto size = groups[0].size();
        // As in Go, skip an empty match directly after the previous match.
        if (size > 0 || start > copied || copied == 0) {
            out.append(input, copied, start - copied);
            out += expandGroups(replacement, groups, regex.NamedCapturingGroups());
            copied = start + size;
        }
        at = size > 0 ? start + size : start + 1;
    }
    if (copied < input.size()) {
        out.append(input, copied, std::string::npos);
    }
    return TemplateValue{std::move(out)};
}

TemplateResult matches(const std::string& pattern, const std::string& input) {
    const re2::RE2 regex(pattern, re2::RE2::Quiet);
    if (!regex.ok()) {
        return fail(ErrorKind::execution, "error parsing regexp: " + regex.error());
    }
    return TemplateValue{re2::RE2::PartialMatch(input, regex)};
}

std::string replaceEach(const std::string& text, const std::map<char, std::string>& replacements) {
    std::string out;
    for (const char c : text) {
        const auto found = replacements.find(c);
        if (found == replacements.end()) {
            out += c;
        } else {
            out += found->second;
        }
    }
    return out;
}

/// Go's template.HTMLEscapeString.
std::string escapeHtml(const std::string& text) {
    static const std::map<char, std::string> html = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"},
                                                     {'<', "&lt;"},  {'>', "&gt;"},   {'\0', "\xef\xbf\xbd"}};
    return replaceEach(text, html);
}

/// Go's template.JSEscapeString.
std::string escapeJs(const std::string& text) {
    static const std::map<char, std::string> js = {
        {'\\', R"(\\)"},     {'\'', R"(\')"},    {'"', R"(\")"},     {'<', R"(\u003C)"},
        {'>', R"(\u003E)"},  {'&', R"(\u0026)"}, {'=', R"(\u003D)"}, {'\n', R"(\u000A)"},
        {'\r', R"(\u000D)"}, {'\t', R"(\u0009)"}};
    return replaceEach(text, js);
}

/// Go's fmt.Sprint: a space between operands when neither is a string.
std::string printed(const TemplateArguments& arguments) {
    std::string out;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const bool beside_string = i > 0 && (std::holds_alternative<std::string>(arguments[i].data) ||
                                             std::holds_alternative<std::string>(arguments[i - 1].data));
        if (i > 0 && !beside_string) {
            out += ' ';
        }
        out += arguments[i].toString();
    }
    return out;
}

TemplateResult print(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    return TemplateValue{printed(arguments)};
}

TemplateResult println(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    std::string out;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        out += (i == 0 ? "" : " ") + arguments[i].toString();
    }
    return TemplateValue{out + "\n"};
}

TemplateResult printf(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto format = textArgument(arguments[0]);
    if (!format) {
        return fail(format.error());
    }
    return TemplateValue{templatePrintf(*format, arguments, 1)};
}

/// Applies a function of one text to the arguments as print() prints them.
template <auto Function>
TemplateResult ofPrinted(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    return TemplateValue{Function(printed(arguments))};
}

TemplateResult match(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    const auto pattern = textArgument(arguments[0]);
    const auto input = textArgument(arguments[1]);
    if (!pattern || !input) {
        return fail(pattern ? input.error() : pattern.error());
    }
    return matches(*pattern, *input);
}

TemplateResult reReplaceAll(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    std::array<std::string, 3> texts;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        auto text = textArgument(arguments[i]);
        if (!text) {
            return fail(text.error());
        }
        texts[i] = std::move(*text);
    }
    return replaceAll(texts[0], texts[1], texts[2]);
}

constexpr int kAnyNumber = TemplateFunction::kAnyNumber;
constexpr std::array kFunctions = {
    TemplateFunction{"html", 1, kAnyNumber, ofPrinted<escapeHtml>},
    TemplateFunction{"js", 1, kAnyNumber, ofPrinted<escapeJs>},
    TemplateFunction{"match", 2, 2, match},
    TemplateFunction{"print", 0, kAnyNumber, print},
    TemplateFunction{"printf", 1, kAnyNumber, printf},
    TemplateFunction{"println", 0, kAnyNumber, println},
    TemplateFunction{"reReplaceAll", 3, 3, reReplaceAll},
    TemplateFunction{"safeHtml", 1, 1, ofText<safeHtml>},
    TemplateFunction{"title", 1, 1, ofText<title>},
    TemplateFunction{"toLower", 1, 1, ofText<lower>},
    TemplateFunction{"toUpper", 1, 1, ofText<upper>},
    TemplateFunction{"urlquery", 1, kAnyNumber, ofPrinted<queryEscape>},
};

}  // namespace

std::span<const TemplateFunction> textFunctions() {
    return kFunctions;
}

}  // namespace lapwing::rules
