#include "agent/host/owners.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <string_view>

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

/// Makes the process the owner of the wanted sockets that it holds. False if its descriptors may not be read.
bool takeSockets(const std::string& proc, int pid, std::set<std::uint64_t>& wanted,
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

}  // namespace

Owners findOwners(const std::string& proc, const std::vector<Listener>& listeners) {
    std::set<std::uint64_t> wanted;
    for (const auto& listener : listeners) {
        if (listener.inode != 0) {
            wanted.insert(listener.inode);
        }
    }
    // Where hosts share a machine, most processes belong to other network namespaces. Those can hold a socket
    // of this namespace only if a process passed it on, so they come last.
    const auto network_namespace = linkTarget(proc + "/self/ns/net");
    Owners out;
    std::vector<int> elsewhere;
    for (const int pid : processIds(proc)) {
        if (linkTarget(proc + "/" + std::to_string(pid) + "/ns/net") != network_namespace) {
            elsewhere.push_back(pid);
        } else if (!takeSockets(proc, pid, wanted, out.by_inode)) {
            ++out.denied;
        }
    }
    for (const int pid : elsewhere) {
        if (wanted.empty()) {
            break;
        }
        out.denied += takeSockets(proc, pid, wanted, out.by_inode) ? 0 : 1;
    }
    if (wanted.empty()) {
        out.denied = 0;
    }
    return out;
}

}  // namespace lapwing::agent
