#include "collector/notify/matchers.h"

#include <algorithm>
#include <array>

namespace lapwing::notify {
namespace {

using storage::Matcher;
using Type = storage::Matcher::Type;

constexpr std::array<std::pair<std::string_view, Type>, 4> kOperators = {
    {{"!~", Type::not_regex}, {"=~", Type::regex}, {"!=", Type::not_equal}, {"=", Type::equal}}};

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

}  // namespace

Expected<Matcher> parseMatcher(std::string_view text) {
    const auto at = text.find_first_of("=!");
    const auto rest = at == std::string_view::npos ? std::string_view() : text.substr(at);
    const auto* found = std::find_if(kOperators.begin(), kOperators.end(),
                                     [&](const auto& each) { return rest.starts_with(each.first); });
    const auto name = trimmed(text.substr(0, at));
    if (found == kOperators.end() || !isValidLabelName(name)) {
        return fail(ErrorKind::invalid, "\"" + std::string(text) +
                                            "\" is not a matcher: NAME=VALUE, NAME!=VALUE, NAME=~REGEX or "
                                            "NAME!~REGEX");
    }
    auto value = trimmed(rest.substr(found->first.size()));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
    }
    return Matcher::create(found->second, std::string(name), std::string(value));
}

std::string toString(const Matcher& matcher) {
    const auto* found = std::find_if(kOperators.begin(), kOperators.end(),
                                     [&](const auto& each) { return each.second == matcher.type(); });
    return matcher.name() + std::string(found->first) + "\"" + matcher.value() + "\"";
}

bool matchesAll(const storage::Matchers& matchers, const Labels& labels) {
    return std::all_of(matchers.begin(), matchers.end(),
                       [&](const Matcher& matcher) { return matcher.matches(labels); });
}

Expected<storage::Matchers> readMatchers(const rapidjson::Value& json) {
    if (!json.IsArray()) {
        return fail(ErrorKind::invalid, "matchers must be a list");
    }
    storage::Matchers out;
    for (const auto& entry : json.GetArray()) {
        const auto member = [&](const char* name) -> const rapidjson::Value* {
            const auto found = entry.FindMember(name);
            return found == entry.MemberEnd() ? nullptr : &found->value;
        };
        const auto* name = entry.IsObject() ? member("name") : nullptr;
        const auto* value = entry.IsObject() ? member("value") : nullptr;
        if (name == nullptr || !name->IsString() || value == nullptr || !value->IsString() ||
            !isValidLabelName(name->GetString())) {
            return fail(ErrorKind::invalid, "a matcher needs a name and a value");
        }
        const auto* regex = member("isRegex");
        const auto* equal = member("isEqual");
        const auto type = typeOf(regex != nullptr && regex->IsTrue(), equal == nullptr || !equal->IsFalse());
        auto matcher =
            Matcher::create(type, name->GetString(), {value->GetString(), value->GetStringLength()});
        if (!matcher) {
            return tl::unexpected<Error>(matcher.error());
        }
        out.push_back(std::move(*matcher));
    }
    return out;
}

}  // namespace lapwing::notify
