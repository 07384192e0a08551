#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/snapshot/helper/units.h"

namespace lapwing::agent::configtest {

/// How a unit starts its program.
struct UnitCommand {
    std::vector<std::string> words;        ///< the command line, with the program; empty if there is none
    std::vector<std::string> environment;  ///< "NAME=value"
    std::string unknown;                   ///< why the command line is not known; "" if it is
};

/// The variables that a service's Environment= and EnvironmentFile= set. `root`: prefix of the files' paths.
std::map<std::string, std::string> environmentOf(const Units& units, const std::string& service,
                                                 const std::string& root);

/// "NAME=value" of each variable.
std::vector<std::string> assignmentsOf(const std::map<std::string, std::string>& environment);

/// The words with systemd's `$NAME` and `${NAME}` replaced (systemd.service(5)). Pure.
std::vector<std::string> expanded(const std::vector<std::string>& words,
                                  const std::map<std::string, std::string>& environment);

/// The command by which the service starts `program`, the name of a file.
UnitCommand unitCommand(const Units& units, const std::string& service, const std::string& program,
                        const std::string& root);

}  // namespace lapwing::agent::configtest
