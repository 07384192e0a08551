#include "collector/rules/template/value.h"

#include <array>
#include <cstdlib>

namespace lapwing::rules {

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
