#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>

#include "collector/limits/query_limits.h"
#include "collector/limits/regex_size.h"
#include "collector/promql/functions.h"
#include "collector/promql/named.h"
#include "collector/promql/series_set.h"
#include "collector/promql/signatures.h"
#include "collector/promql/token.h"

namespace lapwing::promql {
namespace {

bool validLabelName(const Context& context, const std::string& name) {
    // Version 3 takes any UTF-8 name.
    return context.version2() ? isValidLabelName(name) : !name.empty() && isValidUtf8(name);
}

bool isWordCharacter(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Go's Regexp.Expand: $1, $name (the longest possible name), ${name}, $$; a name without a group expands
/// to nothing.
/// Bytes of a value times instructions of an expression: at most some seconds, which nothing can interrupt.
constexpr std::size_t kMostMatching = 500'000'000;

std::string expand(std::string_view text, const std::vector<re2::StringPiece>& groups,
                   const std::map<std::string, int>& names) {
    std::string out;
    std::size_t i = 0;
    while (i < text.size()) {
        if (text[i] != '$') {
            const auto plain = text.substr(i, text.find('$', i) - i);
            out += plain;
            i += plain.size();
            continue;
        }
        const auto rest = text.substr(i + 1);
        if (rest.starts_with('$')) {
            out += '$';
            i += 2;
            continue;
        }
        const bool braces = rest.starts_with('{');
        std::size_t length = 0;
        while (length + (braces ? 1 : 0) < rest.size() && isWordCharacter(rest[length + (braces ? 1 : 0)])) {
            ++length;
        }
        const auto name = std::string(rest.substr(braces ? 1 : 0, length));
        if (name.empty() || (braces && !rest.substr(length + 1).starts_with('}'))) {
            out += '$';
            ++i;
            continue;
        }
        i += 1 + length + (braces ? 2 : 0);
        std::size_t group = groups.size();
        if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
            if (name.size() < 9 && (name.size() == 1 || name[0] != '0')) {
                group = std::stoul(name);
            }
        } else if (const auto it = names.find(name); it != names.end()) {
            group = static_cast<std::size_t>(it->second);
        }
        if (group < groups.size()) {
            out.append(groups[group].data(), groups[group].size());
        }
    }
    return out;
}

Expected<std::vector<std::string>> texts(Evaluator& evaluator, const Call& call, const Grid& grid) {
    std::vector<std::string> out;
    for (std::size_t a = 1; a < call.arguments.size(); ++a) {
        auto text = evaluator.string(*call.arguments[a], grid);
        if (!text) {
            return fail(text.error());
        }
        out.push_back(std::move(*text));
    }
    return out;
}

/// Null if the pattern is wrong or too large.
std::unique_ptr<const re2::RE2> compile(const Context& context, const std::string& pattern) {
    if (regexSize(pattern) > kMostRegexSize) {
        return nullptr;
    }
    const QueryLimits::Patience patience;
    re2::RE2::Options options;
    options.set_log_errors(false);
    const bool dot_takes_newline = !context.version2();
    auto regex =
        std::make_unique<const re2::RE2>((dot_takes_newline ? "^(?s:" : "^(?:") + pattern + ")$", options);
    return regex->ok() ? std::move(regex) : nullptr;
}

bool match(const re2::RE2& regex, const std::string& value, std::vector<re2::StringPiece>& groups) {
    const QueryLimits::Patience patience;
    return regex.Match(value, 0, value.size(), re2::RE2::UNANCHORED, groups.data(),
                       static_cast<int>(groups.size()));
}

Expected<Value> labelReplace(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto given = texts(evaluator, call, grid);
    if (!given) {
        return fail(given.error());
    }
    const auto& [target, replacement, source, pattern] =
        std::tie((*given)[0], (*given)[1], (*given)[2], (*given)[3]);
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }

    const auto regex = compile(evaluator.context(), pattern);
    if (!regex) {
        return fail(ErrorKind::execution, "invalid regular expression in label_replace(): " + pattern);
    }
    if (!validLabelName(evaluator.context(), target)) {
        return fail(ErrorKind::execution, "invalid destination label name in label_replace(): " + target);
    }
    std::vector<re2::StringPiece> groups(static_cast<std::size_t>(regex->NumberOfCapturingGroups()) + 1);
    for (auto& series : *set) {
        if (auto go_on = evaluator.context().proceed(); !go_on) {
            return fail(go_on.error());
        }
        const std::string value(series.labels.get(source));
        if (value.size() > kMostMatching / static_cast<std::size_t>(std::max(regex->ProgramSize(), 1))) {
            return fail(ErrorKind::exhausted,
                        "label_replace(): the regular expression is too large for a value of " +
                            std::to_string(value.size()) + " bytes");
        }
        if (match(*regex, value, groups)) {
            series.labels.set(target, expand(replacement, groups, regex->NamedCapturingGroups()));
        }
    }
    if (auto done = unify(*set, Duplicates::merge); !done) {
        return fail(done.error());
    }
    return std::move(*set);
}

Expected<Value> labelJoin(Evaluator& evaluator, const Call& call, const Grid& grid) {
    auto given = texts(evaluator, call, grid);
    if (!given) {
        return fail(given.error());
    }
    const auto& target = (*given)[0];
    const auto& separator = (*given)[1];
    if (!validLabelName(evaluator.context(), target)) {
        return fail(ErrorKind::execution, "invalid destination label name in label_join(): " + target);
    }
    for (std::size_t a = 2; a < given->size(); ++a) {
        if (!validLabelName(evaluator.context(), (*given)[a])) {
            return fail(ErrorKind::execution, "invalid source label name in label_join(): " + (*given)[a]);
        }
    }
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    for (auto& series : *set) {
        if (auto go_on = evaluator.context().proceed(); !go_on) {
            return fail(go_on.error());
        }
        std::string joined;
        for (std::size_t a = 2; a < given->size(); ++a) {
            if (a > 2) {
                joined += separator;
            }
            joined += series.labels.get((*given)[a]);
        }
        series.labels.set(target, joined);
    }
    if (auto done = unify(*set, Duplicates::merge); !done) {
        return fail(done.error());
    }
    return std::move(*set);
}

/// The run of digits, or of other characters, at the beginning of a text.
std::string_view firstChunk(std::string_view text) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t length = 1;
    while (length < text.size() && digit(text[length]) == digit(text[0])) {
        ++length;
    }
    return text.substr(0, length);
}

/// A run of digits as a number; nothing for other text or a number too large.
std::optional<std::int64_t> asInteger(std::string_view chunk) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(chunk.data(), chunk.data() + chunk.size(), value);
    if (error != std::errc() || end != chunk.data() + chunk.size()) {
        return std::nullopt;
    }
    return value;
}

/// Compares runs of digits as numbers: web-2 before web-10.
bool naturallyLess(std::string_view a, std::string_view b) {
    while (!a.empty() && !b.empty()) {
        const auto x = firstChunk(a);
        const auto y = firstChunk(b);
        const auto number = asInteger(x);
        const auto other = asInteger(y);
        if (number && other) {
            if (*number != *other) {
                return *number < *other;
            }
        } else if (x != y) {
            return x < y;
        }
        a.remove_prefix(x.size());
        b.remove_prefix(y.size());
    }
    return a.size() < b.size();
}

Expected<Value> sortByLabels(Evaluator& evaluator, const Call& call, const Grid& grid, bool descending) {
    auto names = texts(evaluator, call, grid);
    if (!names) {
        return fail(names.error());
    }
    auto set = evaluator.vector(*call.arguments[0], grid);
    if (!set) {
        return fail(set.error());
    }
    std::stable_sort(set->begin(), set->end(), [&](const Series& first, const Series& second) {
        evaluator.context().proceedOrThrow();
        const auto& a = descending ? second : first;
        const auto& b = descending ? first : second;
        for (const auto& name : *names) {
            const auto x = a.labels.get(name);
            const auto y = b.labels.get(name);
            if (x != y) {
                return naturallyLess(x, y);
            }
        }
        return a.labels < b.labels;
    });
    return std::move(*set);
}

Expected<Value> sortByLabel(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return sortByLabels(evaluator, call, grid, false);
}
Expected<Value> sortByLabelDescending(Evaluator& evaluator, const Call& call, const Grid& grid) {
    return sortByLabels(evaluator, call, grid, true);
}

constexpr std::array<Named<CallHandler>, 4> kFunctions = {{{"label_join", labelJoin},
                                                           {"label_replace", labelReplace},
                                                           {"sort_by_label", sortByLabel},
                                                           {"sort_by_label_desc", sortByLabelDescending}}};

}  // namespace

CallHandler findLabelFunction(std::string_view name) {
    return findNamed(kFunctions, name);
}

}  // namespace lapwing::promql
