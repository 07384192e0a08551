#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/model/labels.h"

namespace lapwing::json {

/// `"key": {"name":"value",...}`, with any of RapidJSON's writers.
template <class Out>
void putLabels(Out& out, std::string_view name, const Labels& labels) {
    key(out, name);
    out.StartObject();
    for (const auto& label : labels) {
        put(out, label.name, label.value);
    }
    out.EndObject();
}

/// The labels that putLabels() wrote. Members that are not text are left out; no labels where `object` has
/// no such member.
inline Labels readLabels(const Value& object, std::string_view name) {
    std::vector<Label> out;
    for (const auto& [label, value] : members(member(object, name))) {
        if (value.IsString()) {
            out.push_back({text(label), text(value)});
        }
    }
    return Labels(std::move(out));
}

}  // namespace lapwing::json
