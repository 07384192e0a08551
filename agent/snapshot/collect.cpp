#include "agent/snapshot/collect.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "agent/snapshot/boot.h"
#include "agent/snapshot/host.h"
#include "agent/snapshot/listeners.h"

namespace lapwing::agent {

namespace {

constexpr std::size_t kMostOutput = 16U << 20;

struct DirectoryCloser {
    void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

std::string linkTarget(const std::string& path) {
    std::array<char, 4096> target{};
    const auto size = readlink(path.c_str(), target.data(), target.size());
    return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : "";
}

std::string firstLine(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::vector<int> processIds(const std::string& proc) {
    std::vector<int> ids;
    const Directory directory(opendir(proc.c_str()));
    while (directory != nullptr) {
        const auto* entry = readdir(directory.get());
        if (entry == nullptr) {
            break;
        }
        const std::string_view name(entry->d_name);
        int pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error == std::errc() && end == name.data() + name.size()) {
            ids.push_back(pid);
        }
    }
    std::sort(ids.begin(), ids.end());
    return ids;
}

/// The kernel cuts comm at 15 bytes: what the executable is called says the rest.
std::string processName(const std::string& comm, const std::string& executable) {
    constexpr std::size_t comm_length = 15;
    const auto name = executable.substr(executable.rfind('/') + 1);
    return comm.size() == comm_length && name.starts_with(comm) ? name.substr(0, name.find(' ')) : comm;
}

/// Gives each wanted inode the first process (the lowest id: the parent of the workers) that holds it. False
/// if the descriptors may not be read.
bool findOwned(const std::string& proc, int pid, std::set<std::uint64_t>& wanted,
               std::map<std::uint64_t, Owner>& owners) {
    const auto home = proc + "/" + std::to_string(pid);
    const Directory directory(opendir((home + "/fd").c_str()));
    if (directory == nullptr) {
        return errno != EACCES && errno != EPERM;
    }
    for (const auto* entry = readdir(directory.get()); entry != nullptr && !wanted.empty();
         entry = readdir(directory.get())) {
        const auto target = linkTarget(home + "/fd/" + entry->d_name);
        if (!target.starts_with("socket:[")) {
            continue;
        }
        const auto inode = std::strtoull(target.c_str() + sizeof("socket:[") - 1, nullptr, 10);
        if (wanted.erase(inode) != 0) {
            const auto executable = linkTarget(home + "/exe");
            owners[inode] = {pid, processName(firstLine(home + "/comm"), executable), executable};
        }
    }
    return true;
}

void findOwners(const CollectOptions& options, Snapshot& snapshot) {
    const auto listeners = listListeners(options.proc);
    if (!listeners) {
        snapshot.unread.push_back(listeners.error().message);
        return;
    }
    std::set<std::uint64_t> wanted;
    for (const auto& listener : *listeners) {
        if (listener.inode != 0) {
            wanted.insert(listener.inode);
        }
    }
    // Where hosts share a machine, most processes belong to other namespaces: those of this one come first,
    // and the others only for sockets that one of them passed on.
    const auto space = linkTarget(options.proc + "/self/ns/net");
    std::vector<int> elsewhere;
    std::size_t denied = 0;
    for (const int pid : processIds(options.proc)) {
        if (linkTarget(options.proc + "/" + std::to_string(pid) + "/ns/net") != space) {
            elsewhere.push_back(pid);
        } else if (!findOwned(options.proc, pid, wanted, snapshot.owners)) {
            ++denied;
        }
    }
    for (const int pid : elsewhere) {
        if (wanted.empty()) {
            break;
        }
        denied += findOwned(options.proc, pid, wanted, snapshot.owners) ? 0 : 1;
    }
    if (denied != 0 && !wanted.empty()) {
        snapshot.unread.push_back("the open files of " + std::to_string(denied) +
                                  " processes: permission denied");
    }
}

void readLegacy(const CollectOptions& options, Snapshot& snapshot) {
    for (const auto* family : {"ip", "ip6"}) {
        // Of the namespace that this thread is in; the file is there only once the module is loaded.
        const auto path = options.proc + "/thread-self/net/" + family + "_tables_names";
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            if (errno != ENOENT) {
                snapshot.legacy_status =
                    errno == EACCES || errno == EPERM ? ReadStatus::denied : ReadStatus::failed;
                snapshot.unread.push_back(path + ": " + std::strerror(errno));
            }
            continue;
        }
        close(fd);
        std::ifstream file(path);
        std::string table;
        while (std::getline(file, table)) {
            snapshot.legacy_tables.push_back(std::string(family) + " " + table);
            const auto tool =
                options.tools + (std::string(family) == "ip" ? "/iptables" : "/ip6tables") + "-legacy-save";
            snapshot.iptables.push_back(runTool({tool, "-t", table}, options.tool_deadline, kMostOutput));
        }
        if (snapshot.legacy_status == ReadStatus::absent) {
            snapshot.legacy_status = ReadStatus::ok;
        }
    }
}

/// Asks only where sshd listens: a host without it has no keys, and sshd no configuration.
void readSshd(const CollectOptions& options, Snapshot& snapshot) {
    const bool listens = std::any_of(snapshot.owners.begin(), snapshot.owners.end(),
                                     [](const auto& each) { return each.second.process == "sshd"; });
    if (listens) {
        snapshot.ssh_takes_passwords =
            takesPasswords(runTool({options.sshd, "-T"}, options.tool_deadline, kMostOutput).output);
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
    snapshot.keepalived = parseKeepalived(text);
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

    const auto version = runTool({options.nft, "--version"}, options.tool_deadline, kMostOutput);
    if (version.status == ReadStatus::ok) {
        snapshot.versions["nft"] = version.output.substr(0, version.output.find('\n'));
    }
    readRules(options, snapshot);
    readKeepalivedConfig(options, snapshot);
    snapshot.host = thisHost(options.proc);
    for (const auto& tool : snapshot.iptables) {
        noteUnread(tool, snapshot);
    }
    findOwners(options, snapshot);
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

void readRules(const CollectOptions& options, Snapshot& snapshot) {
    snapshot.ruleset =
        runTool({options.nft, "-j", "-s", "list", "ruleset"}, options.tool_deadline, kMostOutput);
    noteUnread(snapshot.ruleset, snapshot);
    snapshot.listing =
        runTool({options.nft, "-a", "-s", "list", "ruleset"}, options.tool_deadline, kMostOutput);
    if (snapshot.ruleset.output.find("\"xt\"") != std::string::npos) {
        for (const auto* tool : {"/iptables-nft-save", "/ip6tables-nft-save"}) {
            snapshot.iptables.push_back(runTool({options.tools + tool}, options.tool_deadline, kMostOutput));
        }
    }
    readLegacy(options, snapshot);
}

Expected<void> writeSnapshot(const std::string& file, const std::string& json, const std::string& group) {
    const auto failed = [&](const std::string& what) {
        return fail(errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable,
                    "writing " + what + ": " + std::strerror(errno));
    };
    const auto fresh = file + ".new";
    unlink(fresh.c_str());
    const int fd =
        open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return failed(fresh);
    }
    std::size_t written = 0;
    bool ok = true;
    while (ok && written < json.size()) {
        const auto some = write(fd, json.data() + written, json.size() - written);
        if (some > 0) {
            written += static_cast<std::size_t>(some);
        } else if (some == 0 || errno != EINTR) {
            ok = false;
        }
    }
    if (ok) {
        const auto* entry = group.empty() ? nullptr : getgrnam(group.c_str());
        // Without the group (the agent is not installed here) the file stays root's own.
        ok = (entry == nullptr || fchown(fd, static_cast<uid_t>(-1), entry->gr_gid) == 0) &&
             fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP) == 0;
    }
    const int error = errno;
    close(fd);
    if (ok && rename(fresh.c_str(), file.c_str()) == 0) {
        return {};
    }
    errno = ok ? errno : error;
    auto result = failed(file);
    unlink(fresh.c_str());
    return result;
}

}  // namespace lapwing::agent
