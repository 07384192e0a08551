#include "agent/probes/exec/perfdata.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "agent/probes/text.h"

namespace lapwing::agent::exec {

namespace {

constexpr std::size_t kMostValues = 64;
constexpr std::size_t kMostLabelBytes = 128;
constexpr std::size_t kMostUnitBytes = 16;
constexpr double kKibi = 1024;

struct KnownUnit {
    std::string_view written;
    const char* unit;
    double factor;
};
constexpr std::array kUnits{
    KnownUnit{"s", "seconds", 1},
    KnownUnit{"ms", "seconds", 1e-3},
    KnownUnit{"us", "seconds", 1e-6},
    KnownUnit{"ns", "seconds", 1e-9},
    KnownUnit{"%", "ratio", 1e-2},
    KnownUnit{"B", "bytes", 1},
    KnownUnit{"KB", "bytes", kKibi},
    KnownUnit{"MB", "bytes", kKibi* kKibi},
    KnownUnit{"GB", "bytes", kKibi* kKibi* kKibi},
    KnownUnit{"TB", "bytes", kKibi* kKibi* kKibi* kKibi},
    KnownUnit{"KiB", "bytes", kKibi},
    KnownUnit{"MiB", "bytes", kKibi* kKibi},
    KnownUnit{"GiB", "bytes", kKibi* kKibi* kKibi},
    KnownUnit{"TiB", "bytes", kKibi* kKibi* kKibi* kKibi},
};

bool isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Takes a label and its "=" off `rest`. A label in quotes may have blanks, and '' stands for a quote.
std::optional<std::string> takeLabel(std::string_view& rest) {
    std::string out;
    if (!rest.starts_with('\'')) {
        const auto end = rest.find_first_of("= \t\r\n");
        if (end == std::string_view::npos || rest[end] != '=') {
            return std::nullopt;
        }
        out = rest.substr(0, end);
        rest.remove_prefix(end + 1);
        return out;
    }
    for (rest.remove_prefix(1); !rest.empty(); rest.remove_prefix(1)) {
        if (rest.starts_with("''")) {
            rest.remove_prefix(1);
        } else if (rest.front() == '\'') {
            if (!rest.starts_with("'=")) {
                return std::nullopt;
            }
            rest.remove_prefix(2);
            return out;
        }
        out += rest.front();
    }
    return std::nullopt;
}

/// "12.5ms": nothing for "U", which says that the plugin does not know it.
std::optional<Value> valueOf(std::string_view text) {
    Value out;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
    const auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (error != std::errc() || !std::isfinite(out.value)) {
        return std::nullopt;
    }
    const auto* known =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& each) { return each.written == unit; });
    if (known != kUnits.end()) {
        out.unit = known->unit;
        out.value *= known->factor;
    } else if (unit == "c") {
        out.counter = true;
    } else if (unit.size() <= kMostUnitBytes && std::all_of(unit.begin(), unit.end(), isLetter)) {
        out.unit = unit;
    } else {
        return std::nullopt;
    }
    return out;
}

void readValues(std::string_view rest, std::set<std::string>& seen, PluginOutput& out) {
    for (;;) {
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
        if (rest.empty()) {
            return;
        }
        auto label = takeLabel(rest);
        const auto item = rest.substr(0, rest.find_first_of(" \t\r\n"));
        rest.remove_prefix(item.size());
        auto value = label ? valueOf(item.substr(0, item.find(';'))) : std::nullopt;
        if (!value || label->empty() || label->size() > kMostLabelBytes || out.values.size() >= kMostValues ||
            !seen.insert(*label).second) {
            ++out.left_out;
            continue;
        }
        value->label = std::move(*label);
        out.values.push_back(std::move(*value));
    }
}

}  // namespace

PluginOutput parsePluginOutput(std::string_view output) {
    PluginOutput out;
    std::set<std::string> seen;
    auto rest = output;
    std::string_view line;
    nextLine(rest, line);
    const auto bar = line.find('|');
    out.text = trimmed(line.substr(0, bar));
    if (bar != std::string_view::npos) {
        readValues(line.substr(bar + 1), seen, out);
    }
    // After further lines of text, a "|" begins more of it, up to the end.
    if (const auto second = rest.find('|'); second != std::string_view::npos) {
        readValues(rest.substr(second + 1), seen, out);
    }
    return out;
}

}  // namespace lapwing::agent::exec
