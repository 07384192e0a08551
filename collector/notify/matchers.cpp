#include "collector/notify/matchers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/config/reader.h"

namespace lapwing::notify {
namespace {

using storage::Matcher;
using Type = storage::Matcher::Type;

// "=" is the last: "=~" begins with it.
constexpr std::array kTypes = {Type::not_regex, Type::regex, Type::not_equal, Type::equal};

Type typeOf(bool regex, bool equal) {
    if (regex) {
        return equal ? Type::regex : Type::not_regex;
    }
    return equal ? Type::equal : Type::not_equal;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') {
        text.remove_prefix(1);
    }
    while (!text.empty() && text.back() == ' ') {
        text.remove_suffix(1);
    }
    return text;
}

/// Alerts may have any UTF-8 text as the name of a label.
bool isName(std::string_view name) {
    return !name.empty() && isValidUtf8(name);
}

}  // namespace

Expected<Matcher> parseMatcher(std::string_view text) {
    const auto start = trimmed(text);
    const bool quoted = start.starts_with('"');
    const auto end = quoted ? start.find('"', 1) : start.find_first_of("=!");
    auto name = trimmed(start.substr(quoted ? 1 : 0, quoted ? end - 1 : end));
    const auto rest =
        end == std::string_view::npos ? std::string_view() : trimmed(start.substr(quoted ? end + 1 : end));
    const auto* type = std::find_if(kTypes.begin(), kTypes.end(),
                                    [&](Type each) { return rest.starts_with(storage::operatorOf(each)); });
    if (type == kTypes.end() || !(quoted ? isName(name) : isValidLabelName(name))) {
        return fail(ErrorKind::invalid, "\"" + std::string(text) +
                                            "\" is not a matcher: NAME=VALUE, NAME!=VALUE, NAME=~REGEX or "
                                            "NAME!~REGEX; a NAME with other signs than letters, digits and _ "
                                            "needs quotes");
    }
    auto value = trimmed(rest.substr(std::string_view(storage::operatorOf(*type)).size()));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
    }
    return Matcher::create(*type, std::string(name), std::string(value));
}

std::string toString(const Matcher& matcher) {
    const std::string name = isValidLabelName(matcher.name()) ? matcher.name() : "\"" + matcher.name() + "\"";
    return name + storage::operatorOf(matcher.type()) + "\"" + matcher.value() + "\"";
}

storage::Matchers readMatcherList(const config::Node& owner, const char* key) {
    storage::Matchers out;
    owner[key].forEach([&](const config::Node& entry) {
        std::string text;
        entry.read(text);
        auto matcher = parseMatcher(text);
        if (matcher) {
            out.push_back(std::move(*matcher));
        } else {
            entry.problem(entry.path() + ": " + matcher.error().message);
        }
    });
    if (!owner[key].present()) {
        owner.problem(owner.path() + " needs \"" + key + "\", a list of matchers");
    }
    return out;
}

bool matchesAll(const storage::Matchers& matchers, const Labels& labels) {
    return std::all_of(matchers.begin(), matchers.end(),
                       [&](const Matcher& matcher) { return matcher.matches(labels); });
}

Expected<storage::Matchers> readMatchers(const json::Value& list) {
    if (!list.IsArray()) {
        return fail(ErrorKind::invalid, "matchers must be a list");
    }
    storage::Matchers out;
    for (const auto& entry : list.GetArray()) {
        const auto& value = json::member(entry, "value");
        const auto name = json::text(entry, "name");
        if (!value.IsString() || !isName(name)) {
            return fail(ErrorKind::invalid, "a matcher needs a name and a value");
        }
        const bool regex = json::flag(entry, "isRegex").value_or(false);
        const bool equal = json::flag(entry, "isEqual").value_or(true);
        auto matcher = Matcher::create(typeOf(regex, equal), name, json::text(value));
        if (!matcher) {
            return fail(matcher.error());
        }
        out.push_back(std::move(*matcher));
    }
    return out;
}

}  // namespace lapwing::notify
