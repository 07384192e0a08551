#pragma once

#include <rapidjson/document.h>

#include <string>
#include <string_view>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/error.h"

namespace lapwing::notify {

/// `name=value`, `name!=value`, `name=~regex` or `name!~regex`, as a silence or an inhibition names alerts.
/// Quotes around the value may be left out. Error `invalid`, in words for a person.
Expected<storage::Matcher> parseMatcher(std::string_view text);
std::string toString(const storage::Matcher& matcher);

bool matchesAll(const storage::Matchers& matchers, const Labels& labels);

/// Alertmanager's form: [{"name":"a","value":"b","isRegex":false,"isEqual":true}]. Error `invalid`.
Expected<storage::Matchers> readMatchers(const rapidjson::Value& json);

/// The same, written with any of RapidJSON's writers.
template <class Writer>
void writeMatchers(Writer& json, const storage::Matchers& matchers) {
    using Type = storage::Matcher::Type;
    const auto text = [&](const std::string& value) {
        json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    };
    json.StartArray();
    for (const auto& matcher : matchers) {
        json.StartObject();
        json.Key("name");
        text(matcher.name());
        json.Key("value");
        text(matcher.value());
        json.Key("isRegex");
        json.Bool(matcher.type() == Type::regex || matcher.type() == Type::not_regex);
        json.Key("isEqual");
        json.Bool(matcher.type() == Type::equal || matcher.type() == Type::regex);
        json.EndObject();
    }
    json.EndArray();
}

}  // namespace lapwing::notify
