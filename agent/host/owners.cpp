#include "agent/host/owners.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

namespace lapwing::agent {

namespace {

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

/// The kernel cuts comm at 15 bytes: the executable's name has the rest.
std::string processName(const std::string& comm, const std::string& executable) {
    constexpr std::size_t comm_length = 15;
    const auto name = executable.substr(executable.rfind('/') + 1);
    return comm.size() == comm_length && name.starts_with(comm) ? name.substr(0, name.find(' ')) : comm;
}

std::string textOf(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The inodes of the wanted sockets that a process holds; nothing if its descriptors may not be read.
std::optional<std::vector<std::uint64_t>> socketsOf(const std::string& home,
                                                    const std::set<std::uint64_t>& wanted) {
    const Directory directory(opendir((home + "/fd").c_str()));
    std::vector<std::uint64_t> out;
    if (directory == nullptr) {
        return errno == EACCES || errno == EPERM ? std::nullopt : std::optional(out);
    }
    for (const auto* entry = readdir(directory.get()); entry != nullptr; entry = readdir(directory.get())) {
        const auto target = linkTarget(home + "/fd/" + entry->d_name);
        if (!target.starts_with("socket:[")) {
            continue;
        }
        const auto inode = std::strtoull(target.c_str() + sizeof("socket:[") - 1, nullptr, 10);
        if (wanted.contains(inode)) {
            out.push_back(inode);
        }
    }
    return out;
}

/// Looks at processes, and keeps the owner of each wanted socket.
class OwnerFinder {
  public:
    OwnerFinder(std::string proc, const std::set<std::uint64_t>& wanted)
        : proc_(std::move(proc)), wanted_(wanted) {}

    void look(int pid) {
        const auto home = proc_ + "/" + std::to_string(pid);
        const auto sockets = socketsOf(home, wanted_);
        if (!sockets) {
            ++out_.denied;
            return;
        }
        if (sockets->empty()) {
            return;
        }
        Owner owner;
        owner.pid = pid;
        owner.executable = linkTarget(home + "/exe");
        owner.process = processName(firstLine(home + "/comm"), owner.executable);
        const auto cgroup = textOf(home + "/cgroup");
        owner.unit = serviceOfCgroup(cgroup);
        // The manager of the system or of a user, which opens the sockets of .socket units.
        owner.held_by_systemd =
            owner.process == "systemd" && (pid == 1 || cgroup.find("/init.scope") != std::string::npos);
        for (const auto inode : *sockets) {
            const auto [known, is_new] = out_.by_inode.emplace(inode, owner);
            if (!is_new && known->second.held_by_systemd) {
                known->second = owner;
            }
        }
    }

    /// Every socket has an owner, and it is not systemd.
    bool done() const {
        return foundAll() && std::none_of(out_.by_inode.begin(), out_.by_inode.end(),
                                          [](const auto& each) { return each.second.held_by_systemd; });
    }

    Owners owners() && {
        if (foundAll()) {
            out_.denied = 0;
        }
        return std::move(out_);
    }

  private:
    bool foundAll() const { return out_.by_inode.size() == wanted_.size(); }

    const std::string proc_;
    const std::set<std::uint64_t>& wanted_;
    Owners out_;
};

}  // namespace

std::string serviceOfCgroup(const std::string& text) {
    // One line in the unified hierarchy; in the legacy ones systemd has a line of its own.
    std::istringstream lines(text);
    std::string path;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("0::") || line.find(":name=systemd:") != std::string::npos) {
            path = line.substr(line.find(':', line.find(':') + 1) + 1);
            if (path != "/") {
                break;
            }
        }
    }
    // A service may make groups of its own below its group, and a user's services are below user@UID.service.
    std::istringstream parts(path);
    std::string unit;
    for (std::string part; std::getline(parts, part, '/');) {
        if (part.ends_with(".service") && !part.starts_with("user@")) {
            unit = part;
        }
    }
    return unit;
}

Owners findOwners(const std::string& proc, const std::vector<Listener>& listeners) {
    std::set<std::uint64_t> wanted;
    for (const auto& listener : listeners) {
        if (listener.inode != 0) {
            wanted.insert(listener.inode);
        }
    }
    // Where hosts share a machine, most processes belong to other network namespaces. Those can hold a socket
    // of this namespace only if a process passed it on, as systemd does to a service with PrivateNetwork=, so
    // they come last.
    const auto network_namespace = linkTarget(proc + "/self/ns/net");
    OwnerFinder finder(proc, wanted);
    std::vector<int> elsewhere;
    for (const int pid : processIds(proc)) {
        if (finder.done()) {
            break;
        }
        if (linkTarget(proc + "/" + std::to_string(pid) + "/ns/net") != network_namespace) {
            elsewhere.push_back(pid);
        } else {
            finder.look(pid);
        }
    }
    for (const int pid : elsewhere) {
        if (finder.done()) {
            break;
        }
        finder.look(pid);
    }
    return std::move(finder).owners();
}

}  // namespace lapwing::agent
