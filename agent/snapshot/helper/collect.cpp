#include "agent/snapshot/helper/collect.h"

#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "agent/host/host.h"
#include "agent/host/listeners.h"
#include "agent/host/owners.h"
#include "agent/snapshot/helper/check_command.h"
#include "agent/snapshot/helper/keepalived_conf.h"
#include "agent/snapshot/helper/read_boot.h"
#include "agent/snapshot/helper/read_rules.h"
#include "agent/snapshot/helper/socket_units.h"
#include "common/run_tool.h"

namespace lapwing::agent {

namespace {

void readOwners(const CollectOptions& options, Snapshot& snapshot) {
    const auto listeners = listListeners(options.proc);
    if (!listeners) {
        snapshot.unread.push_back(listeners.error().message);
        return;
    }
    auto owners = findOwners(options.proc, *listeners);
    nameActivatedServices(options, *listeners, owners, snapshot.unread);
    snapshot.owners = std::move(owners.by_inode);
    if (owners.denied != 0) {
        snapshot.unread.push_back("the open files of " + std::to_string(owners.denied) +
                                  " processes: permission denied");
    }
}

/// Asks only where sshd listens: `sshd -T` fails on a host without host keys.
void readSshd(const CollectOptions& options, Snapshot& snapshot) {
    const bool listens = std::any_of(snapshot.owners.begin(), snapshot.owners.end(),
                                     [](const auto& each) { return each.second.process == "sshd"; });
    if (listens) {
        snapshot.ssh_takes_passwords =
            takesPasswords(runTool({options.sshd, "-T"}, options.tool_deadline, kMostToolOutput).output);
    }
}

void readKeepalivedConfig(const CollectOptions& options, Snapshot& snapshot) {
    int error = 0;
    std::vector<std::string> unread;
    const auto text = readKeepalived(options.keepalived, error, unread);
    if (error != 0) {
        snapshot.keepalived_status = error == ENOENT                     ? ReadStatus::absent
                                     : error == EACCES || error == EPERM ? ReadStatus::denied
                                                                         : ReadStatus::failed;
        snapshot.keepalived_error = options.keepalived + ": " + std::strerror(error);
        return;
    }
    snapshot.keepalived_status = ReadStatus::ok;
    snapshot.keepalived = parseKeepalived(text, {&scriptFault, ::getpwnam("keepalived_script") != nullptr});
    snapshot.keepalived.unread.insert(snapshot.keepalived.unread.end(), unread.begin(), unread.end());
}

void noteUnread(const ToolOutput& tool, Snapshot& snapshot) {
    if (tool.status != ReadStatus::ok) {
        snapshot.unread.push_back(tool.tool + ": " + readStatusName(tool.status) + ": " + tool.error);
    }
}

}  // namespace

Snapshot collectSnapshot(const CollectOptions& options) {
    Snapshot snapshot;
    snapshot.time = nowMs();
    snapshot.boot_id = bootId(options.proc);
    snapshot.network_namespace = networkNamespace(options.proc);

    const auto version = runTool({options.nft, "--version"}, options.tool_deadline, kMostToolOutput);
    if (version.status == ReadStatus::ok) {
        snapshot.versions["nft"] = version.output.substr(0, version.output.find('\n'));
    }
    readRules(options, snapshot);
    noteUnread(snapshot.ruleset, snapshot);
    readKeepalivedConfig(options, snapshot);
    snapshot.host = thisHost(options.proc, options.neighbours);
    for (const auto& tool : snapshot.iptables) {
        noteUnread(tool, snapshot);
    }
    readOwners(options, snapshot);
    readSshd(options, snapshot);
    snapshot.boot = readBoot(options, snapshot.host);
    return snapshot;
}

std::optional<bool> takesPasswords(std::string_view effective_sshd_config) {
    std::optional<bool> out;
    std::istringstream in{std::string(effective_sshd_config)};
    std::string key;
    std::string value;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        if (words >> key >> value &&
            (key == "passwordauthentication" || key == "kbdinteractiveauthentication")) {
            out = out.value_or(false) || value == "yes";
        }
    }
    return out;
}

}  // namespace lapwing::agent
