#pragma once

#include <string>

#include "agent/snapshot/keepalived.h"

namespace lapwing::agent {

struct CheckCommand {
    vrrp::Watched watched = vrrp::Watched::unknown;
    std::string target;  ///< see vrrp::Check; of an unknown command its program
};

/// What the command of a vrrp_script looks at: `killall -0`, pidof, pgrep, `systemctl is-active`, `service
/// NAME status`, curl, wget, `nc -z`, also behind `sh -c`. Any other command is unknown. `as_root`: whether
/// keepalived runs it as root; another user may not signal a program (`killall -0`). Pure.
CheckCommand checkCommand(const std::string& command, bool as_root);

/// Why keepalived would not run the program of a command: it does not exist, is not executable or, with
/// enable_script_security, others than root may change it (man keepalived.conf). "" if it would.
std::string scriptFault(const std::string& command, bool security);

}  // namespace lapwing::agent
