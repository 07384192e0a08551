#include "agent/probes/scrape/selection.h"

#include <algorithm>
#include <utility>

namespace lapwing::agent::scrape {

namespace {

std::string_view valueOf(std::string_view name, const LabelList& labels, const std::string& label) {
    if (label == "__name__") {
        return name;
    }
    const auto found =
        std::find_if(labels.begin(), labels.end(), [&](const auto& each) { return each.name == label; });
    return found == labels.end() ? std::string_view() : std::string_view(found->value);
}

}  // namespace

Expected<Pattern> makePattern(std::string label, const std::string& regex) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    auto compiled = std::make_shared<re2::RE2>(regex, options);
    if (!compiled->ok()) {
        return fail(ErrorKind::invalid, compiled->error());
    }
    return Pattern{std::move(label), std::move(compiled)};
}

bool Selection::wants(std::string_view name, const LabelList& labels) const {
    const auto matches = [&](const Rule& rule) {
        return std::all_of(rule.begin(), rule.end(), [&](const Pattern& pattern) {
            const auto value = valueOf(name, labels, pattern.label);
            return re2::RE2::FullMatch({value.data(), value.size()}, *pattern.regex);
        });
    };
    return (keep.empty() || std::any_of(keep.begin(), keep.end(), matches)) &&
           std::none_of(drop.begin(), drop.end(), matches);
}

}  // namespace lapwing::agent::scrape
