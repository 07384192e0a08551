#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/config/reader.h"
#include "common/doctor/account.h"
#include "common/doctor/report.h"

namespace lapwing::doctor {

/// Calls `each` for every file that a configuration names for reading or connecting: certificates and keys
/// (ca, cert, key), NAME_file, sockets of probes, logs, the directory of a textfile probe. Left out:
/// patterns, files that the program itself makes (data, status_socket, admin.socket), and files that
/// lapwing-snapshot reads (inventory).
void forEachNamedFile(
    const config::Node& root,
    const std::function<void(const config::Node& place, const std::string& path, Use use)>& each);

/// A file, and what a service does with it.
struct NamedFile {
    std::string path;
    Use use = Use::read;
};

/// Commands that change a setting: an edit where `place` stands, or `fragment` with the text `yaml` where
/// nothing sets it yet; a fragment that exists is edited, not overwritten. `change`: the setting in words,
/// "spool.size: 100MB".
std::string settingFix(const config::Node& place, const std::string& fragment, const std::string& yaml,
                       const std::string& change, const std::string& unit);

/// Tries files as the account, each once. A fix that removes the obstacles of several files is printed once.
void reportFiles(Report& out, const Account& account, const std::vector<NamedFile>& files);

/// Reports the problems of a configuration. `program` is the command with its --config, `unit` its unit.
void reportConfiguration(Report& out, const std::string& file, const std::vector<config::Problem>& problems,
                         const std::string& program, const std::string& unit);

/// Reports each of these files that the account cannot use, as a problem of its place, with the fix. Sockets
/// and logs that do not exist are none: their server may be stopped. False if some could not be tried:
/// another user than root asks.
bool judgeNamedFiles(const config::Node& root, const Account& account);

/// The end of check-config's line: as whom files were tried, or why not. `tried`: what judgeNamedFiles()
/// said. `program`: "agent".
std::string triedAs(const Expected<Account>& account, bool tried, const std::string& program);

}  // namespace lapwing::doctor
