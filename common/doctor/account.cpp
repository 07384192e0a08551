#include "common/doctor/account.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

namespace lapwing::doctor {
namespace {

constexpr std::size_t kMostGroups = 1024;

std::string userName(uid_t uid) {
    const passwd* found = ::getpwuid(uid);
    return found != nullptr ? found->pw_name : std::to_string(uid);
}

std::string groupName(gid_t gid) {
    const struct group* found = ::getgrgid(gid);
    return found != nullptr ? found->gr_name : std::to_string(gid);
}

std::vector<gid_t> groupsOf(const std::string& user, gid_t first) {
    std::vector<gid_t> out(kMostGroups);
    int count = static_cast<int>(out.size());
    if (::getgrouplist(user.c_str(), first, out.data(), &count) < 0) {
        return {first};
    }
    out.resize(static_cast<std::size_t>(count));
    return out;
}

std::optional<pid_t> listenerOf(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return std::nullopt;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = fd >= 0 &&
                       ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                       ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    if (fd >= 0) {
        ::close(fd);
    }
    return known && peer.pid > 0 ? std::optional(peer.pid) : std::nullopt;
}

/// The path, after the directories that lead to it.
std::vector<std::string> wayTo(const std::string& path) {
    std::vector<std::string> out;
    std::filesystem::path way;
    for (const auto& part : std::filesystem::path(path)) {
        way /= part;
        out.push_back(way.string());
    }
    return out;
}

int rightsFor(Use use) {
    switch (use) {
        case Use::read:
        case Use::secret:
            return R_OK;
        case Use::write:
            return W_OK | X_OK;
        case Use::connect:
            return W_OK;
    }
    return R_OK;
}

/// What the other process found: the error, and the place in wayTo() that is the obstacle.
struct Finding {
    int error = 0;
    int place = 0;
    bool open_to_others = false;  ///< a secret that can be read, by others too
};

/// With the rights of this process.
Finding look(const std::vector<std::string>& way, Use use) {
    for (std::size_t i = 0; i < way.size(); ++i) {
        const bool last = i + 1 == way.size();
        int rights = last ? rightsFor(use) : X_OK;
        struct stat status {};
        if (last && use == Use::read && ::stat(way[i].c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
            rights = R_OK | X_OK;
        }
        if (::faccessat(AT_FDCWD, way[i].c_str(), rights, AT_EACCESS) != 0) {
            return {errno, static_cast<int>(i), false};
        }
        if (last && use == Use::secret && ::stat(way[i].c_str(), &status) == 0 &&
            (status.st_mode & 077U) != 0) {
            return {EPERM, static_cast<int>(i), true};
        }
    }
    return {};
}

/// Enters the sandbox of a process. A failure leaves the sandbox of this one: a process that has ended.
void enterSandbox(pid_t pid) {
    const int mounts = ::open(("/proc/" + std::to_string(pid) + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
    if (mounts >= 0) {
        (void)::setns(mounts, CLONE_NEWNS);
        ::close(mounts);
    }
}

/// In a process of its own, for rights that were given up do not come back.
Expected<Finding> lookAs(const Account& account, const std::vector<std::string>& way, Use use) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(ErrorKind::internal, std::string("pipe: ") + std::strerror(errno));
    }
    const pid_t child = ::fork();
    if (child == 0) {
        if (account.pid != 0) {
            enterSandbox(account.pid);
        }
        if (::setgroups(account.groups.size(), account.groups.data()) != 0 ||
            ::setresgid(account.gid, account.gid, account.gid) != 0 ||
            ::setresuid(account.uid, account.uid, account.uid) != 0) {
            ::_exit(1);
        }
        const auto finding = look(way, use);
        const auto sent = ::write(ends[1], &finding, sizeof finding);
        ::_exit(sent == sizeof finding ? 0 : 1);
    }
    ::close(ends[1]);
    Finding finding;
    const auto got = child < 0 ? -1 : ::read(ends[0], &finding, sizeof finding);
    ::close(ends[0]);
    if (child > 0) {
        while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    if (got != sizeof finding) {
        return fail(ErrorKind::internal, "cannot try it as " + account.user);
    }
    return finding;
}

/// A word of a shell's command.
std::string quoted(const std::string& word) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                                            "XYZ0123456789-_./:@%+,=") == std::string::npos;
    if (plain) {
        return word;
    }
    std::string out = "'";
    for (const char c : word) {
        out += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return out + "'";
}

std::string restart(const Account& account) {
    return account.unit.empty() ? "" : " && systemctl restart " + account.unit;
}

/// Groups that may do more than read the files of a service.
bool isPowerful(const std::string& group) {
    static const std::set<std::string> names{"root",   "sudo",    "shadow", "disk",
                                             "docker", "haproxy", "kmem",   "lxd"};
    return names.contains(group);
}

/// The command that lets the account pass the obstacle, by the least change.
std::string permit(const Account& account, const std::string& path, const struct stat& status, Use use,
                   bool is_last) {
    const auto file = quoted(path);
    const bool directory = S_ISDIR(status.st_mode);
    if (is_last && use == Use::secret) {
        const bool owns = account.uid == 0 || status.st_uid == account.uid;
        const auto own = owns ? "" : fmt::format("chown {} {} && ", account.user, file);
        return fmt::format("{}chmod 0600 {}{}", own, file, restart(account));
    }
    if (is_last && use == Use::write) {
        return fmt::format("chown {}:{} {} && chmod u+rwx {}{}", account.user, account.group, file, file,
                           restart(account));
    }
    const std::string_view right = !is_last ? "x" : use == Use::connect ? "w" : directory ? "rx" : "r";
    const auto bits = (right.find('r') != std::string_view::npos ? 4U : 0U) |
                      (right.find('w') != std::string_view::npos ? 2U : 0U) |
                      (right.find('x') != std::string_view::npos ? 1U : 0U);
    if (status.st_uid == account.uid) {
        return fmt::format("chmod u+{} {}", right, file);
    }
    const auto group = groupName(status.st_gid);
    const bool group_may = ((status.st_mode >> 3U) & bits) == bits;
    if (group_may && status.st_gid != 0 && !isPowerful(group)) {
        const auto later = groupsOf(account.user, account.gid);
        const bool member = std::find(later.begin(), later.end(), status.st_gid) != later.end();
        if (member && !account.unit.empty()) {
            return "systemctl restart " + account.unit;  // it has the groups of its start
        }
        return fmt::format("usermod -aG {} {}{}", group, account.user, restart(account));
    }
    if (status.st_gid == 0 || status.st_gid == account.gid) {
        return fmt::format("chgrp {} {} && chmod g+{} {}", account.group, file, right, file);
    }
    return fmt::format("apt-get install -y acl && setfacl -m u:{}:{} {}", account.user, right, file);
}

/// For what the sandbox of the unit makes read-only or hides.
std::string passSandbox(const Account& account, const std::string& path, Use use, bool read_only) {
    if (use == Use::read || use == Use::secret) {
        const auto name = quoted("/etc/lapwing/" + std::filesystem::path(path).filename().string());
        const auto rights = use == Use::secret ? "-m 0600 -o " + account.user : "-m 0640 -g " + account.group;
        return fmt::format("install {} {} {}   # and write {} in the configuration", rights, quoted(path),
                           name, name);
    }
    if (account.unit.empty()) {
        return "";
    }
    return fmt::format(
        "install -D -m 0644 /dev/stdin /etc/systemd/system/{}.d/paths.conf <<'END'\n[Service]\n{}={}\nEND\n"
        "systemctl daemon-reload && systemctl restart {}",
        account.unit, read_only ? "ReadWritePaths" : "BindPaths", path, account.unit);
}

}  // namespace

Expected<Account> Account::named(const std::string& user) {
    const passwd* found = ::getpwnam(user.c_str());
    if (found == nullptr) {
        return fail(ErrorKind::not_found, "there is no user " + user);
    }
    Account out;
    out.uid = found->pw_uid;
    out.gid = found->pw_gid;
    out.user = user;
    out.group = groupName(out.gid);
    out.groups = groupsOf(user, out.gid);
    return out;
}

Account Account::own() {
    Account out;
    out.uid = ::geteuid();
    out.gid = ::getegid();
    out.user = userName(out.uid);
    out.group = groupName(out.gid);
    out.groups = groupsOf(out.user, out.gid);
    return out;
}

Expected<Account> Account::ofProcess(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    Account out;
    out.pid = pid;
    bool known = false;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name;
        unsigned id = 0;
        unsigned effective = 0;
        words >> name;
        if (name == "Uid:" && words >> id >> effective) {
            out.uid = effective;
            known = true;
        } else if (name == "Gid:" && words >> id >> effective) {
            out.gid = effective;
        } else if (name == "Groups:") {
            while (words >> id) {
                out.groups.push_back(id);
            }
        }
    }
    if (!known) {
        return fail(ErrorKind::not_found, "there is no process " + std::to_string(pid));
    }
    out.user = userName(out.uid);
    out.group = groupName(out.gid);
    return out;
}

Expected<Account> Account::ofService(const std::string& socket, const Unit& unit) {
    Expected<Account> out =
        fail(ErrorKind::not_found, "no unit of systemd and no running program says as whom it runs");
    if (const auto pid = listenerOf(socket)) {
        out = ofProcess(*pid);
    } else if (unit.known) {
        out = named(unit.user.empty() ? "root" : unit.user);
        if (out) {
            if (const auto* group = unit.group.empty() ? nullptr : ::getgrnam(unit.group.c_str())) {
                out->gid = group->gr_gid;
                out->group = unit.group;
            }
            for (const auto& name : unit.more_groups) {
                if (const auto* group = ::getgrnam(name.c_str())) {
                    out->groups.push_back(group->gr_gid);
                }
            }
        }
    }
    if (out && unit.known) {
        out->unit = unit.name;
    }
    return out;
}

Expected<std::optional<Obstacle>> tryUse(const Account& account, const std::string& path, Use use) {
    const auto way = wayTo(path);
    const bool root = ::geteuid() == 0;
    if (!root && account.uid != ::geteuid()) {
        return fail(ErrorKind::denied, "only root can try it as " + account.user);
    }
    const auto finding = root ? lookAs(account, way, use) : Expected<Finding>(look(way, use));
    if (!finding) {
        return fail(finding.error());
    }
    if (finding->error == 0) {
        return std::nullopt;
    }
    const auto& at = way.at(static_cast<std::size_t>(finding->place));
    const bool last = static_cast<std::size_t>(finding->place) + 1 == way.size();
    struct stat status {};
    Obstacle out;
    if (::stat(at.c_str(), &status) != 0) {
        out.absent = true;
        out.found = at + ": " + std::strerror(errno);
        return out;
    }
    const std::string what = use == Use::write     ? "make files in it"
                             : use == Use::connect ? "connect to it"
                                                   : "read it";
    if (finding->open_to_others) {
        out.found =
            fmt::format("others than its owner may read it, so {} does not: {} is {}:{} {:04o}", account.user,
                        at, userName(status.st_uid), groupName(status.st_gid), status.st_mode & 07777U);
        out.fix = permit(account, at, status, use, last);
        return out;
    }
    if (finding->error == EACCES) {
        out.found = fmt::format("{} may not {}: {} is {}:{} {:04o}", account.user, what, at,
                                userName(status.st_uid), groupName(status.st_gid), status.st_mode & 07777U);
        out.fix = permit(account, at, status, use, last);
        return out;
    }
    out.found = fmt::format("{} may not {}: its sandbox has {} ({})", account.user, what,
                            finding->error == EROFS ? "this read-only" : "no such file",
                            std::strerror(finding->error));
    out.fix = passSandbox(account, path, use, finding->error == EROFS);
    return out;
}

}  // namespace lapwing::doctor
