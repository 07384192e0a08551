#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "collector/rules/template_tree.h"
#include "collector/rules/template_value.h"
#include "common/config/reader.h"

namespace lapwing::rules {
namespace {

using Arguments = std::vector<TemplateValue>;
using Outcome = Expected<TemplateValue>;

std::string print(const char* format, double value) {
    return templatePrintf(format, {{value}}, 0);
}

/// Scales by steps of 1000 below 1, as all of Prometheus' humanize functions do.
std::string humanizeSmall(double value, const std::string& unit) {
    std::string prefix;
    for (const char* p : {"m", "u", "n", "p", "f", "a", "z", "y"}) {
        if (std::abs(value) >= 1) {
            break;
        }
        prefix = p;
        value *= 1000;
    }
    return print("%.4g", value) + prefix + unit;
}

std::string humanize(double value) {
    if (value == 0 || !std::isfinite(value)) {
        return print("%.4g", value);
    }
    if (std::abs(value) < 1) {
        return humanizeSmall(value, "");
    }
    std::string prefix;
    for (const char* p : {"k", "M", "G", "T", "P", "E", "Z", "Y"}) {
        if (std::abs(value) < 1000) {
            break;
        }
        prefix = p;
        value /= 1000;
    }
    return print("%.4g", value) + prefix;
}

std::string humanize1024(double value) {
    if (std::abs(value) <= 1 || !std::isfinite(value)) {
        return print("%.4g", value);
    }
    std::string prefix;
    for (const char* p : {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}) {
        if (std::abs(value) < 1024) {
            break;
        }
        prefix = p;
        value /= 1024;
    }
    return print("%.4g", value) + prefix;
}

std::string humanizeDuration(double value) {
    if (!std::isfinite(value)) {
        return print("%.4g", value);
    }
    if (value == 0) {
        return "0s";
    }
    if (std::abs(value) < 1) {
        return humanizeSmall(value, "s");
    }
    const std::string sign = value < 0 ? "-" : "";
    value = std::abs(value);
    if (value > 9e15) {
        return sign + print("%.4g", value) + "s";
    }
    const auto duration = static_cast<std::int64_t>(value);
    const auto part = [](std::int64_t number, const char* unit) { return std::to_string(number) + unit; };
    const std::string seconds = part(duration % 60, "s");
    const std::string minutes = part(duration / 60 % 60, "m ");
    const std::string hours = part(duration / 3600 % 24, "h ");
    if (duration >= 86'400) {
        return sign + part(duration / 86'400, "d ") + hours + minutes + seconds;
    }
    if (duration >= 3600) {
        return sign + hours + minutes + seconds;
    }
    if (duration >= 60) {
        return sign + minutes + seconds;
    }
    return sign + print("%.4g", value) + "s";
}

/// As Prometheus: by way of whole nanoseconds, cut to milliseconds.
Expected<TemplateTime> toTime(double value) {
    if (!std::isfinite(value)) {
        return fail(ErrorKind::execution, "is not a number or infinite");
    }
    if (std::abs(value) > 9.2e9) {
        return fail(ErrorKind::execution, "exceeds the range of times");
    }
    return TemplateTime{static_cast<std::int64_t>(value * 1e9) / 1'000'000};
}

std::string humanizeTimestamp(double value) {
    const auto time = toTime(value);
    return time ? toString(*time) : print("%.4g", value);
}

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

std::string mapAscii(std::string text, bool upper) {
    for (char& c : text) {
        if (upper && c >= 'a' && c <= 'z') {
            c = static_cast<char>(c - 'a' + 'A');
        }
        if (!upper && c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return text;
}

std::string queryEscape(const std::string& text) {
    static constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
            out += c;
        } else if (c == ' ') {
            out += '+';
        } else {
            out += '%';
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        }
    }
    return out;
}

Expected<std::string> text(const TemplateValue& value) {
    if (const auto* string = std::get_if<std::string>(&value.data)) {
        return *string;
    }
    return fail(ErrorKind::execution, "wrong type: expected string; found " + value.typeName());
}

Expected<std::vector<std::string>> texts(const Arguments& arguments) {
    std::vector<std::string> out;
    for (const auto& argument : arguments) {
        auto one = text(argument);
        if (!one) {
            return tl::unexpected<Error>(one.error());
        }
        out.push_back(std::move(*one));
    }
    return out;
}

/// Expands $1, ${1} and ${name} as Go's regexp.Expand: the longest name counts, an unknown one is empty.
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

Outcome reReplaceAll(const std::string& pattern, const std::string& replacement, const std::string& input) {
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
        // An empty match right behind the one before is none (as in Go).
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

Outcome match(const std::string& pattern, const std::string& input) {
    const re2::RE2 regex(pattern, re2::RE2::Quiet);
    if (!regex.ok()) {
        return fail(ErrorKind::execution, "error parsing regexp: " + regex.error());
    }
    return TemplateValue{re2::RE2::PartialMatch(input, regex)};
}

std::string stripPort(const std::string& address) {
    if (!address.empty() && address.front() == '[') {
        const auto close = address.find(']');
        return close == std::string::npos || close + 1 == address.size() ? address
                                                                         : address.substr(1, close - 1);
    }
    const auto colon = address.find(':');
    if (colon == std::string::npos || address.find(':', colon + 1) != std::string::npos) {
        return address;
    }
    return address.substr(0, colon);
}

std::string stripDomain(const std::string& address) {
    const std::string host = stripPort(address);
    const bool ip =
        host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
    if (ip) {
        return address;
    }
    const auto dot = host.find('.');
    const std::string port = address.size() > host.size() ? address.substr(host.size()) : "";
    return host.substr(0, dot) + port;
}

/// Orders two basic values; numbers of different kinds compare by value.
Expected<int> compare(const TemplateValue& left, const TemplateValue& right) {
    const auto number = [](const TemplateValue& value) -> const double* {
        static thread_local std::array<double, 2> converted{};
        static thread_local std::size_t next = 0;
        double& slot = converted[next++ % 2];
        if (const auto* real = std::get_if<double>(&value.data)) {
            return &(slot = *real);
        }
        if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
            return &(slot = static_cast<double>(*whole));
        }
        return nullptr;
    };
    const auto* a = number(left);
    const auto* b = number(right);
    if (a != nullptr && b != nullptr) {
        return *a < *b ? -1 : *a == *b ? 0 : *a > *b ? 1 : 2;
    }
    const auto* string = std::get_if<std::string>(&left.data);
    const auto* other = std::get_if<std::string>(&right.data);
    if (string != nullptr && other != nullptr) {
        return string->compare(*other);
    }
    const auto* truth = std::get_if<bool>(&left.data);
    const auto* other_truth = std::get_if<bool>(&right.data);
    if (truth != nullptr && other_truth != nullptr) {
        return *truth == *other_truth ? 0 : 2;
    }
    return fail(ErrorKind::execution, "incompatible types for comparison");
}

Outcome comparison(const std::string& name, const Arguments& arguments) {
    if (arguments.size() < 2) {
        return fail(ErrorKind::execution, "missing argument for comparison");
    }
    if (name == "eq") {
        for (std::size_t i = 1; i < arguments.size(); ++i) {
            const auto order = compare(arguments[0], arguments[i]);
            if (!order) {
                return tl::unexpected<Error>(order.error());
            }
            if (*order == 0) {
                return TemplateValue{true};
            }
        }
        return TemplateValue{false};
    }
    if (arguments.size() > 2) {
        return fail(ErrorKind::execution, "too many arguments for comparison");
    }
    const auto order = compare(arguments[0], arguments[1]);
    if (!order) {
        return tl::unexpected<Error>(order.error());
    }
    // 2: neither less, equal nor greater (NaN), or without an order.
    const bool nan = *order == 2 && !std::holds_alternative<std::string>(arguments[0].data);
    if (name == "ne") {
        return TemplateValue{*order != 0};
    }
    if (nan) {
        return TemplateValue{false};
    }
    if (name == "lt") {
        return TemplateValue{*order < 0};
    }
    if (name == "le") {
        return TemplateValue{*order <= 0};
    }
    if (name == "gt") {
        return TemplateValue{*order > 0};
    }
    return TemplateValue{*order >= 0};
}

Outcome length(const TemplateValue& value) {
    if (const auto* string = std::get_if<std::string>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>(string->size())};
    }
    if (const auto* labels = std::get_if<Labels>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>(labels->size())};
    }
    if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>((*list)->size())};
    }
    if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&value.data)) {
        return TemplateValue{static_cast<std::int64_t>((*map)->size())};
    }
    return fail(ErrorKind::execution, "len of type " + value.typeName());
}

Outcome indexOne(const TemplateValue& collection, const TemplateValue& place) {
    if (const auto* labels = std::get_if<Labels>(&collection.data)) {
        const auto name = text(place);
        if (!name) {
            return tl::unexpected<Error>(name.error());
        }
        return TemplateValue{std::string(labels->get(*name))};
    }
    if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&collection.data)) {
        const auto name = text(place);
        if (!name) {
            return tl::unexpected<Error>(name.error());
        }
        const auto found = (*map)->find(*name);
        return found == (*map)->end() ? TemplateValue{} : found->second;
    }
    const auto* at = std::get_if<std::int64_t>(&place.data);
    if (const auto* string = std::get_if<std::string>(&collection.data); string != nullptr && at != nullptr) {
        if (*at < 0 || *at >= static_cast<std::int64_t>(string->size())) {
            return fail(ErrorKind::execution, "index out of range");
        }
        const auto byte = static_cast<unsigned char>((*string)[static_cast<std::size_t>(*at)]);
        return TemplateValue{static_cast<std::int64_t>(byte)};
    }
    const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&collection.data);
    if (list == nullptr || at == nullptr) {
        return fail(ErrorKind::execution, "can't index item of type " + collection.typeName());
    }
    if (*at < 0 || *at >= static_cast<std::int64_t>((*list)->size())) {
        return fail(ErrorKind::execution, "index out of range");
    }
    return (**list)[static_cast<std::size_t>(*at)];
}

Outcome index(const Arguments& arguments) {
    TemplateValue value = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        auto next = indexOne(value, arguments[i]);
        if (!next) {
            return next;
        }
        value = std::move(*next);
    }
    return value;
}

/// Of a string or a list: from the second argument up to before the third.
Outcome slice(const Arguments& arguments) {
    const auto* string = std::get_if<std::string>(&arguments[0].data);
    const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&arguments[0].data);
    if (string == nullptr && list == nullptr) {
        return fail(ErrorKind::execution, "can't slice item of type " + arguments[0].typeName());
    }
    const auto size = static_cast<std::int64_t>(string != nullptr ? string->size() : (*list)->size());
    std::array<std::int64_t, 2> ends = {0, size};
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto* at = std::get_if<std::int64_t>(&arguments[i].data);
        if (at == nullptr || *at < 0 || *at > size) {
            return fail(ErrorKind::execution, "index out of range");
        }
        ends[i - 1] = *at;
    }
    if (ends[0] > ends[1]) {
        return fail(ErrorKind::execution, "invalid slice index");
    }
    const auto begin = static_cast<std::size_t>(ends[0]);
    const auto count = static_cast<std::size_t>(ends[1] - ends[0]);
    if (string != nullptr) {
        return TemplateValue{string->substr(begin, count)};
    }
    const auto first = (*list)->begin() + ends[0];
    return TemplateValue{std::make_shared<const TemplateList>(first, (*list)->begin() + ends[1])};
}

/// The arguments as arg0, arg1, ...: for templates that take several.
Outcome argumentMap(const Arguments& arguments) {
    auto map = std::make_shared<TemplateMap>();
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        (*map)["arg" + std::to_string(i)] = arguments[i];
    }
    return TemplateValue{std::shared_ptr<const TemplateMap>(std::move(map))};
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

/// Go's template.HTMLEscapeString and JSEscapeString.
std::string escaped(const std::string& name, const std::string& text) {
    static const std::map<char, std::string> html = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"},
                                                     {'<', "&lt;"},  {'>', "&gt;"},   {'\0', "\xef\xbf\xbd"}};
    static const std::map<char, std::string> js = {
        {'\\', R"(\\)"},     {'\'', R"(\')"},    {'"', R"(\")"},     {'<', R"(\u003C)"},
        {'>', R"(\u003E)"},  {'&', R"(\u0026)"}, {'=', R"(\u003D)"}, {'\n', R"(\u000A)"},
        {'\r', R"(\u000D)"}, {'\t', R"(\u0009)"}};
    if (name == "urlquery") {
        return queryEscape(text);
    }
    return replaceEach(text, name == "html" ? html : js);
}

Expected<const TemplateList*> listOf(const TemplateValue& value) {
    if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&value.data)) {
        return list->get();
    }
    return fail(ErrorKind::execution,
                "wrong type: expected the result of a query; found " + value.typeName());
}

Outcome runQuery(const std::string& expression, const TemplateData& data) {
    if (!data.query) {
        return fail(ErrorKind::execution, "queries are not available here");
    }
    auto result = data.query(expression);
    if (!result) {
        return tl::unexpected<Error>(result.error());
    }
    auto list = std::make_shared<TemplateList>();
    for (auto& sample : *result) {
        list->push_back({std::move(sample)});
    }
    return TemplateValue{std::shared_ptr<const TemplateList>(std::move(list))};
}

Outcome sampleFunction(const std::string& name, const Arguments& arguments) {
    const auto* sample = std::get_if<TemplateSample>(&arguments.back().data);
    if (sample == nullptr) {
        return fail(ErrorKind::execution,
                    "wrong type: expected a sample; found " + arguments.back().typeName());
    }
    if (name == "value") {
        return TemplateValue{sample->value};
    }
    if (name == "strvalue") {
        return TemplateValue{std::string(sample->labels.get("__value__"))};
    }
    const auto label = text(arguments[0]);
    if (!label) {
        return tl::unexpected<Error>(label.error());
    }
    return TemplateValue{std::string(sample->labels.get(*label))};
}

Outcome sortByLabel(const std::string& label, const TemplateValue& value) {
    const auto list = listOf(value);
    if (!list) {
        return tl::unexpected<Error>(list.error());
    }
    auto sorted = std::make_shared<TemplateList>(**list);
    std::stable_sort(sorted->begin(), sorted->end(), [&](const TemplateValue& a, const TemplateValue& b) {
        const auto* left = std::get_if<TemplateSample>(&a.data);
        const auto* right = std::get_if<TemplateSample>(&b.data);
        return left != nullptr && right != nullptr && left->labels.get(label) < right->labels.get(label);
    });
    return TemplateValue{std::shared_ptr<const TemplateList>(std::move(sorted))};
}

Outcome printArguments(const std::string& name, const Arguments& arguments) {
    std::string out;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const bool strings = i > 0 && (std::holds_alternative<std::string>(arguments[i].data) ||
                                       std::holds_alternative<std::string>(arguments[i - 1].data));
        // Go's Sprint puts a space between operands when neither is a string.
        if (i > 0 && (name == "println" || !strings)) {
            out += ' ';
        }
        out += arguments[i].toString();
    }
    return TemplateValue{name == "println" ? out + "\n" : out};
}

struct Arity {
    int least;
    int most;  ///< -1: any number
};

const std::map<std::string, Arity, std::less<>> kFunctions = {{"query", {1, 1}},
                                                              {"first", {1, 1}},
                                                              {"label", {2, 2}},
                                                              {"value", {1, 1}},
                                                              {"strvalue", {1, 1}},
                                                              {"sortByLabel", {2, 2}},
                                                              {"humanize", {1, 1}},
                                                              {"humanize1024", {1, 1}},
                                                              {"humanizeDuration", {1, 1}},
                                                              {"humanizePercentage", {1, 1}},
                                                              {"humanizeTimestamp", {1, 1}},
                                                              {"reReplaceAll", {3, 3}},
                                                              {"match", {2, 2}},
                                                              {"title", {1, 1}},
                                                              {"toUpper", {1, 1}},
                                                              {"toLower", {1, 1}},
                                                              {"stripPort", {1, 1}},
                                                              {"stripDomain", {1, 1}},
                                                              {"parseDuration", {1, 1}},
                                                              {"toTime", {1, 1}},
                                                              {"call", {1, -1}},
                                                              {"args", {0, -1}},
                                                              {"slice", {1, 3}},
                                                              {"html", {1, -1}},
                                                              {"js", {1, -1}},
                                                              {"urlquery", {1, -1}},
                                                              {"graphLink", {1, 1}},
                                                              {"tableLink", {1, 1}},
                                                              {"externalURL", {0, 0}},
                                                              {"pathPrefix", {0, 0}},
                                                              {"safeHtml", {1, 1}},
                                                              {"print", {0, -1}},
                                                              {"printf", {1, -1}},
                                                              {"println", {0, -1}},
                                                              {"len", {1, 1}},
                                                              {"index", {1, -1}},
                                                              {"and", {1, -1}},
                                                              {"or", {1, -1}},
                                                              {"not", {1, 1}},
                                                              {"eq", {2, -1}},
                                                              {"ne", {2, 2}},
                                                              {"lt", {2, 2}},
                                                              {"le", {2, 2}},
                                                              {"gt", {2, 2}},
                                                              {"ge", {2, 2}}};

Outcome humanizeFunction(const std::string& name, const TemplateValue& argument) {
    const auto number = argument.toFloat();
    if (!number) {
        return tl::unexpected<Error>(number.error());
    }
    if (name == "humanize") {
        return TemplateValue{humanize(*number)};
    }
    if (name == "humanize1024") {
        return TemplateValue{humanize1024(*number)};
    }
    if (name == "humanizeDuration") {
        return TemplateValue{humanizeDuration(*number)};
    }
    if (name == "humanizePercentage") {
        return TemplateValue{print("%.4g", *number * 100) + "%"};
    }
    return TemplateValue{humanizeTimestamp(*number)};
}

Outcome textFunction(const std::string& name, const Arguments& arguments) {
    const auto strings = texts(arguments);
    if (!strings) {
        return tl::unexpected<Error>(strings.error());
    }
    const auto& s = *strings;
    if (name == "reReplaceAll") {
        return reReplaceAll(s[0], s[1], s[2]);
    }
    if (name == "match") {
        return match(s[0], s[1]);
    }
    if (name == "title") {
        return TemplateValue{title(s[0])};
    }
    if (name == "toUpper") {
        return TemplateValue{mapAscii(s[0], true)};
    }
    if (name == "toLower") {
        return TemplateValue{mapAscii(s[0], false)};
    }
    if (name == "stripPort") {
        return TemplateValue{stripPort(s[0])};
    }
    if (name == "stripDomain") {
        return TemplateValue{stripDomain(s[0])};
    }
    if (name == "safeHtml") {
        return TemplateValue{s[0]};
    }
    if (name == "graphLink") {
        return TemplateValue{"/graph?g0.expr=" + queryEscape(s[0]) + "&g0.tab=0"};
    }
    if (name == "tableLink") {
        return TemplateValue{"/graph?g0.expr=" + queryEscape(s[0]) + "&g0.tab=1"};
    }
    const auto duration = config::parseDuration(s[0]);
    if (!duration) {
        return tl::unexpected<Error>(duration.error());
    }
    return TemplateValue{static_cast<double>(*duration) / 1000};
}

/// "/path" of "http://host/path/".
std::string pathPrefix(const std::string& url) {
    const auto scheme = url.find("://");
    const auto slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
    return slash == std::string::npos ? "" : url.substr(slash);
}

}  // namespace

bool isTemplateFunction(std::string_view name) {
    return kFunctions.find(name) != kFunctions.end();
}

Expected<TemplateValue> callTemplateFunction(const std::string& name,
                                             const std::vector<TemplateValue>& arguments,
                                             const TemplateData& data) {
    const auto known = kFunctions.find(name);
    if (known == kFunctions.end()) {
        return fail(ErrorKind::execution, "function \"" + name + "\" not defined");
    }
    const int count = static_cast<int>(arguments.size());
    if (count < known->second.least || (known->second.most >= 0 && count > known->second.most)) {
        return fail(ErrorKind::execution, "wrong number of args: got " + std::to_string(count));
    }
    if (name == "query") {
        const auto expression = text(arguments[0]);
        if (!expression) {
            return tl::unexpected<Error>(expression.error());
        }
        return runQuery(*expression, data);
    }
    if (name == "first") {
        const auto list = listOf(arguments[0]);
        if (!list) {
            return tl::unexpected<Error>(list.error());
        }
        if ((*list)->empty()) {
            return fail(ErrorKind::execution, "first() called on vector with no elements");
        }
        return (*list)->front();
    }
    if (name == "sortByLabel") {
        const auto label = text(arguments[0]);
        if (!label) {
            return tl::unexpected<Error>(label.error());
        }
        return sortByLabel(*label, arguments[1]);
    }
    if (name == "value" || name == "strvalue" || name == "label") {
        return sampleFunction(name, arguments);
    }
    if (name.rfind("humanize", 0) == 0) {
        return humanizeFunction(name, arguments[0]);
    }
    if (name == "externalURL") {
        return TemplateValue{data.external_url};
    }
    if (name == "pathPrefix") {
        return TemplateValue{pathPrefix(data.external_url)};
    }
    if (name == "print" || name == "println") {
        return printArguments(name, arguments);
    }
    if (name == "printf") {
        const auto format = text(arguments[0]);
        if (!format) {
            return tl::unexpected<Error>(format.error());
        }
        return TemplateValue{templatePrintf(*format, arguments, 1)};
    }
    if (name == "toTime") {
        const auto number = arguments[0].toFloat();
        if (!number) {
            return tl::unexpected<Error>(number.error());
        }
        const auto time = toTime(*number);
        if (!time) {
            return tl::unexpected<Error>(time.error());
        }
        return TemplateValue{*time};
    }
    // No value here is a function.
    if (name == "call") {
        return fail(ErrorKind::execution, "non-function of type " + arguments[0].typeName());
    }
    if (name == "args") {
        return argumentMap(arguments);
    }
    if (name == "slice") {
        return slice(arguments);
    }
    if (name == "html" || name == "js" || name == "urlquery") {
        const auto printed = printArguments("print", arguments);
        return TemplateValue{escaped(name, printed->toString())};
    }
    if (name == "len") {
        return length(arguments[0]);
    }
    if (name == "index") {
        return index(arguments);
    }
    if (name == "not") {
        return TemplateValue{!arguments[0].truth()};
    }
    // Reached when no argument before the last decided.
    if (name == "and" || name == "or") {
        return arguments.back();
    }
    if (name == "eq" || name == "ne" || name == "lt" || name == "le" || name == "gt" || name == "ge") {
        return comparison(name, arguments);
    }
    return textFunction(name, arguments);
}

bool TemplateValue::truth() const {
    if (const auto* truth = std::get_if<bool>(&data)) {
        return *truth;
    }
    if (const auto* whole = std::get_if<std::int64_t>(&data)) {
        return *whole != 0;
    }
    if (const auto* real = std::get_if<double>(&data)) {
        return *real != 0;
    }
    if (const auto* string = std::get_if<std::string>(&data)) {
        return !string->empty();
    }
    if (const auto* labels = std::get_if<Labels>(&data)) {
        return !labels->empty();
    }
    if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&data)) {
        return !(*list)->empty();
    }
    if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&data)) {
        return !(*map)->empty();
    }
    return !std::holds_alternative<std::monostate>(data);
}

std::string TemplateValue::toString() const {
    if (const auto* truth = std::get_if<bool>(&data)) {
        return *truth ? "true" : "false";
    }
    if (const auto* whole = std::get_if<std::int64_t>(&data)) {
        return std::to_string(*whole);
    }
    if (const auto* real = std::get_if<double>(&data)) {
        return formatGoFloat(*real);
    }
    if (const auto* string = std::get_if<std::string>(&data)) {
        return *string;
    }
    if (const auto* labels = std::get_if<Labels>(&data)) {
        std::string out;
        for (const auto& label : *labels) {
            out += (out.empty() ? "" : " ") + label.name + ":" + label.value;
        }
        return "map[" + out + "]";
    }
    if (const auto* sample = std::get_if<TemplateSample>(&data)) {
        return "{" + TemplateValue{sample->labels}.toString() + " " + formatGoFloat(sample->value) + "}";
    }
    if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&data)) {
        std::string out;
        for (const auto& item : **list) {
            out += (out.empty() ? "" : " ") + item.toString();
        }
        return "[" + out + "]";
    }
    if (const auto* time = std::get_if<TemplateTime>(&data)) {
        return lapwing::rules::toString(*time);
    }
    if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&data)) {
        std::string out;
        for (const auto& [name, value] : **map) {
            out += (out.empty() ? "" : " ") + name + ":" + value.toString();
        }
        return "map[" + out + "]";
    }
    return "<no value>";
}

std::string TemplateValue::typeName() const {
    static constexpr std::array<const char*, 11> names = {"nil",
                                                          "bool",
                                                          "int",
                                                          "float64",
                                                          "string",
                                                          "map[string]string",
                                                          "*template.sample",
                                                          "template.queryResult",
                                                          "struct",
                                                          "*time.Time",
                                                          "map[string]interface {}"};
    return names[data.index()];
}

Expected<double> TemplateValue::toFloat() const {
    if (const auto* real = std::get_if<double>(&data)) {
        return *real;
    }
    if (const auto* whole = std::get_if<std::int64_t>(&data)) {
        return static_cast<double>(*whole);
    }
    if (const auto* string = std::get_if<std::string>(&data)) {
        char* end = nullptr;
        const double value = std::strtod(string->c_str(), &end);
        if (!string->empty() && *end == '\0') {
            return value;
        }
    }
    return fail(ErrorKind::execution, "can't convert " + typeName() + " to float");
}

}  // namespace lapwing::rules
