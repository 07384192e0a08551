#include "agent/probes/exec/commands.h"

#include <algorithm>
#include <set>

#include "common/config/reader.h"

namespace lapwing::agent::exec {

namespace {

constexpr std::size_t kMostWords = 64;
constexpr std::int64_t kMostTimeoutMs = 300'000;

bool isName(const std::string& text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '.';
    };
    return !text.empty() && text.size() <= kMostNameBytes && std::all_of(text.begin(), text.end(), allowed);
}

/// Why the command cannot be run; "" if it can.
std::string mistakeIn(const Command& command) {
    if (!isName(command.name)) {
        return "needs a name of letters, digits, \"_\", \"-\" and \".\"";
    }
    if (command.argv.empty() || !command.argv[0].starts_with('/')) {
        return "needs a command: a list that begins with an absolute path";
    }
    if (command.argv.size() > kMostWords) {
        return "has a command of more than " + std::to_string(kMostWords) + " words";
    }
    if (command.timeout_ms < 100 || command.timeout_ms > kMostTimeoutMs) {
        return "has a timeout that is not between 100ms and 5m";
    }
    return command.interval_ms < 10'000 ? "has an interval of less than 10s" : "";
}

}  // namespace

std::vector<Command> readCommands(const config::Node& node) {
    std::vector<Command> out;
    std::set<std::string> names;
    node.forEach([&](const config::Node& entry) {
        entry.allow({"name", "command", "interval", "timeout", "format"});
        Command command;
        entry["name"].read(command.name);
        entry["command"].read(command.argv);
        entry["interval"].readDuration(command.interval_ms);
        entry["timeout"].readDuration(command.timeout_ms);
        entry["format"].readOneOf(command.format,
                                  {{"nagios", Format::nagios}, {"prometheus", Format::prometheus}});
        auto mistake = mistakeIn(command);
        if (mistake.empty() && !names.insert(command.name).second) {
            mistake = "has the name of another command, " + command.name;
        }
        if (mistake.empty() && out.size() >= kMostCommands) {
            mistake = "is one of more than " + std::to_string(kMostCommands) + " commands";
        }
        if (!mistake.empty()) {
            entry.problem(entry.path() + " " + mistake);
            return;
        }
        out.push_back(std::move(command));
    });
    return out;
}

}  // namespace lapwing::agent::exec
