#include "common/doctor/unit.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <map>
#include <sstream>

#include "common/run_tool.h"
#include "common/text.h"

namespace lapwing::doctor {
namespace {

constexpr const char* kSystemctl = "/usr/bin/systemctl";
constexpr const char* kJournalctl = "/usr/bin/journalctl";
constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kMostShown = 64U << 10;
/// The program's exit code for a wrong configuration.
constexpr int kWrongConfiguration = 2;

std::vector<std::string> linesOf(std::string_view text) {
    std::vector<std::string> out;
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
        if (!line.empty()) {
            out.push_back(printable(line));
        }
    }
    return out;
}

}  // namespace

Unit parseUnit(std::string_view shown, const std::string& name, const std::string& config_file) {
    std::map<std::string, std::string> values;
    for (const auto& line : linesOf(shown)) {
        if (const auto equals = line.find('='); equals != std::string::npos) {
            values[line.substr(0, equals)] = line.substr(equals + 1);
        }
    }
    Unit out;
    out.name = name;
    // Blanks on both sides: "/etc/lapwing/agent.yaml" is not "/etc/lapwing/agent.yaml.old".
    out.known = values["LoadState"] == "loaded" &&
                (values["ExecStart"] + " ").find(" " + config_file + " ") != std::string::npos;
    out.active = values["ActiveState"];
    out.sub = values["SubState"];
    out.result = values["Result"];
    out.enabled = values["UnitFileState"];
    // The condition counts once systemd has looked at it: before the first start it says "no", too.
    out.condition = values["ConditionResult"] != "no" || values["ConditionTimestampMonotonic"] == "0";
    const auto& status = values["ExecMainStatus"];
    std::from_chars(status.data(), status.data() + status.size(), out.exit_status);
    out.user = values["User"];
    out.group = values["Group"];
    std::istringstream groups(values["SupplementaryGroups"]);
    for (std::string group; groups >> group;) {
        out.more_groups.push_back(group);
    }
    return out;
}

bool hasSystemd() {
    return ::access("/run/systemd/system", F_OK) == 0 && ::access(kSystemctl, X_OK) == 0;
}

Unit unitOf(const std::string& name, const std::string& config_file) {
    Unit out;
    out.name = name;
    if (!hasSystemd()) {
        return out;
    }
    const auto shown = runTool({kSystemctl, "show", name,
                                "--property=LoadState,ActiveState,SubState,Result,UnitFileState,"
                                "ConditionResult,ConditionTimestampMonotonic,ExecMainStatus,ExecStart,User,"
                                "Group,SupplementaryGroups"},
                               kPatience, kMostShown);
    if (shown.status != ReadStatus::ok) {
        return out;
    }
    out = parseUnit(shown.output, name, config_file);
    if (out.known && !out.runs()) {
        const auto journal =
            runTool({kJournalctl, "--unit", name, "--lines", "5", "--output", "cat", "--no-pager", "--quiet"},
                    kPatience, kMostShown);
        out.last_lines = linesOf(journal.output);
    }
    return out;
}

void reportStopped(Report& out, const Unit& unit, const std::string& program, const std::string& why,
                   const std::string& first_step) {
    if (!unit.known) {
        out.wrong("service", program, "does not run (" + why + "); systemd does not start it",
                  program + " run");
        return;
    }
    std::string found = fmt::format("does not run ({}); systemd: {} ({})", why, unit.active, unit.sub);
    if (!unit.result.empty() && unit.result != "success") {
        found += ", " + unit.result;
    }
    if (unit.exit_status != 0) {
        found += fmt::format(", exit status {}", unit.exit_status);
    }
    if (!unit.condition) {
        found += ", a condition of the unit is not met";
    }
    for (const auto& line : unit.last_lines) {
        found += "; its log: " + line;
    }
    std::string fix = "systemctl enable --now " + unit.name;
    if (!unit.condition) {
        fix = first_step;
    } else if (unit.exit_status == kWrongConfiguration) {
        fix = program + " check-config && systemctl restart " + unit.name;
    } else if (unit.runs() || unit.active == "activating") {
        fix = "systemctl restart " + unit.name;
    }
    out.wrong("service", program, found, fix);
}

}  // namespace lapwing::doctor
