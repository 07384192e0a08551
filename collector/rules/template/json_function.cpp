#include <array>
#include <cmath>
#include <cstdint>
#include <memory>

#include "collector/rules/template/functions.h"
#include "common/json.h"
#include "common/time_text.h"

namespace lapwing::rules {
namespace {

constexpr int kMostDepth = 20;

/// Writes a value as JSON. False for one that has no JSON: a sample, the root of a rule's template.
bool write(json::Writer& out, const TemplateValue& value, int depth) {
    if (depth > kMostDepth) {
        return false;
    }
    if (const auto* truth = std::get_if<bool>(&value.data)) {
        out.Bool(*truth);
    } else if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
        out.Int64(*whole);
    } else if (const auto* real = std::get_if<double>(&value.data); real != nullptr && std::isfinite(*real)) {
        out.Double(*real);
    } else if (const auto* text = std::get_if<std::string>(&value.data)) {
        out.String(text->data(), static_cast<unsigned>(text->size()));
    } else if (const auto* time = std::get_if<TemplateTime>(&value.data)) {
        const auto moment = rfc3339Milliseconds(time->ms);
        out.String(moment.data(), static_cast<unsigned>(moment.size()));
    } else if (const auto* labels = std::get_if<Labels>(&value.data)) {
        out.StartObject();
        for (const auto& label : *labels) {
            json::put(out, label.name, label.value);
        }
        out.EndObject();
    } else if (const auto* list = std::get_if<std::shared_ptr<const TemplateList>>(&value.data)) {
        out.StartArray();
        for (const auto& item : **list) {
            if (!write(out, item, depth + 1)) {
                return false;
            }
        }
        out.EndArray();
    } else if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&value.data)) {
        out.StartObject();
        for (const auto& [name, item] : **map) {
            json::key(out, name);
            if (!write(out, item, depth + 1)) {
                return false;
            }
        }
        out.EndObject();
    } else if (std::holds_alternative<std::monostate>(value.data)) {
        out.Null();
    } else {
        return false;
    }
    return true;
}

/// Alertmanager's toJson: the value with the quotes and escapes of JSON.
TemplateResult toJson(const TemplateArguments& arguments, const TemplateData& /*data*/) {
    json::Writer out;
    if (!write(out, arguments[0], 0)) {
        return fail(ErrorKind::execution, "a " + arguments[0].typeName() + " has no JSON");
    }
    return TemplateValue{out.text()};
}

constexpr std::array kFunctions = {TemplateFunction{"toJson", 1, 1, toJson}};

}  // namespace

std::span<const TemplateFunction> notificationFunctions() {
    return kFunctions;
}

}  // namespace lapwing::rules
