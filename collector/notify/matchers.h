#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/error.h"
#include "common/json.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::notify {

/// `name=value`, `name!=value`, `name=~regex` or `name!~regex`, as silences and inhibitions match alerts.
/// Quotes around the value are optional. A name that is not [a-zA-Z_][a-zA-Z0-9_]* needs quotes. Error
/// `invalid`, in words for a person.
Expected<storage::Matcher> parseMatcher(std::string_view text);
std::string toString(const storage::Matcher& matcher);

/// The matchers in the list `owner[key]`, each as parseMatcher() takes it. Problems, a missing list included,
/// go to the node's reader.
storage::Matchers readMatcherList(const config::Node& owner, const char* key);

bool matchesAll(const storage::Matchers& matchers, const Labels& labels);

/// Alertmanager's form: [{"name":"a","value":"b","isRegex":false,"isEqual":true}]. Error `invalid`.
Expected<storage::Matchers> readMatchers(const json::Value& list);

/// The same, written with any of RapidJSON's writers.
template <class Writer>
void writeMatchers(Writer& out, const storage::Matchers& matchers) {
    using Type = storage::Matcher::Type;
    out.StartArray();
    for (const auto& matcher : matchers) {
        out.StartObject();
        json::put(out, "name", matcher.name());
        json::put(out, "value", matcher.value());
        json::put(out, "isRegex", matcher.type() == Type::regex || matcher.type() == Type::not_regex);
        json::put(out, "isEqual", matcher.type() == Type::equal || matcher.type() == Type::regex);
        out.EndObject();
    }
    out.EndArray();
}

}  // namespace lapwing::notify
