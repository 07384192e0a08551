#include "collector/notify/commands.h"

#include <algorithm>
#include <cctype>

#include "common/text.h"

namespace lapwing::notify {
namespace {

std::string visible(const std::string& command) {
    return printable(command) == command ? command : "";
}

}  // namespace

std::string shellQuoted(std::string_view text) {
    const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("_./:=@%+,-").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (plain && !text.empty()) {
        return std::string(text);
    }
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

std::string silenceCommand(const Labels& alert) {
    std::string out = "sudo lapwing-collector silence 1h";
    for (const auto& label : alert) {
        // No matcher can express a name with a quote.
        if (label.name == "severity" || label.name.find('"') != std::string::npos) {
            continue;
        }
        const auto name = isValidLabelName(label.name) ? label.name : "\"" + label.name + "\"";
        out += " --matcher " + shellQuoted(name + "=\"" + label.value + "\"");
    }
    return visible(out + " --comment 'WHY'");
}

std::string acceptCommand(const Labels& alert) {
    if (!alert.has("id") || !alert.has("subject")) {
        return "";
    }
    return visible("sudo lapwing-collector accept " + shellQuoted(alert.get("id")) + " " +
                   shellQuoted(alert.get("subject")) + " --until 30d --reason 'WHY'");
}

}  // namespace lapwing::notify
