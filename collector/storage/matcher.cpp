#include <re2/re2.h>

#include "collector/storage/queryable.h"

namespace lapwing::storage {

Expected<Matcher> Matcher::create(Type type, std::string name, std::string value) {
    Matcher matcher;
    matcher.type_ = type;
    if (type == Type::regex || type == Type::not_regex) {
        RE2::Options options;
        options.set_log_errors(false);
        options.set_never_capture(true);
        // As Prometheus anchors it since 2.43; a newline in a label's value is matched by `.`.
        auto regex = std::make_shared<RE2>("(?s)^(?:" + value + ")$", options);
        if (!regex->ok()) {
            return fail(ErrorKind::invalid, "regular expression \"" + value + "\": " + regex->error());
        }
        matcher.regex_ = std::move(regex);
    }
    matcher.name_ = std::move(name);
    matcher.value_ = std::move(value);
    return matcher;
}

bool Matcher::matches(std::string_view value) const {
    switch (type_) {
        case Type::equal:
            return value == value_;
        case Type::not_equal:
            return value != value_;
        case Type::regex:
            return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
        case Type::not_regex:
            return !RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
    }
    return false;
}

}  // namespace lapwing::storage
