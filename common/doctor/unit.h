#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/doctor/report.h"

namespace lapwing::doctor {

/// A unit in systemd's words (`systemctl show`).
struct Unit {
    std::string name;  ///< "lapwing-agent.service"
    /// Whether systemd has the unit, and the unit runs the program with the asked configuration file.
    bool known = false;
    std::string active;     ///< "active", "inactive", "failed", "activating"
    std::string sub;        ///< "running", "dead", "auto-restart"
    std::string result;     ///< "success", "exit-code", "oom-kill", "watchdog"
    std::string enabled;    ///< "enabled", "disabled"
    bool condition = true;  ///< false: a condition of the unit was not met at its last start
    int exit_status = 0;    ///< of the main process
    std::string user;       ///< "" for root
    std::string group;      ///< "" for the user's
    std::vector<std::string> more_groups;
    std::vector<std::string> last_lines;  ///< of its journal, the last five

    bool runs() const { return active == "active"; }
};

/// Reads the output of `systemctl show`, lines of NAME=VALUE. Pure.
Unit parseUnit(std::string_view shown, const std::string& name, const std::string& config_file);

/// Asks systemd; an unknown unit where there is none.
Unit unitOf(const std::string& name, const std::string& config_file);

/// Whether systemd is the first process (as sd_booted(3) decides) and systemctl is there.
bool hasSystemd();

/// Says why the program does not run, in systemd's words, with the command that changes it. `program` is
/// "lapwing-agent"; `why` says how it was asked: "/run/lapwing/agent.sock: No such file or directory".
/// `first_step` is the command without which the unit does not start: of a condition that is not met.
void reportStopped(Report& out, const Unit& unit, const std::string& program, const std::string& why,
                   const std::string& first_step);

}  // namespace lapwing::doctor
