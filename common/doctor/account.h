#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/doctor/unit.h"
#include "common/error.h"

namespace lapwing::doctor {

/// As whom a service reads and writes files.
struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
    std::string user;
    std::string group;
    pid_t pid = 0;     ///< of the running service, whose sandbox counts; 0: none
    std::string unit;  ///< to be restarted after a change; "" where systemd does not start it

    /// An account of the system's, with all its groups. Error `not_found`.
    static Expected<Account> named(const std::string& user);
    /// Of a running process: the user and the groups that it has, which later changes of /etc/group do not
    /// touch.
    static Expected<Account> ofProcess(pid_t pid);
    /// The process that listens on a unix socket, or else the user of its unit. Error `not_found` where
    /// neither is known.
    static Expected<Account> ofService(const std::string& socket, const Unit& unit);
    /// This process itself.
    static Account own();
};

/// What a service does with a file.
enum class Use {
    read,
    secret,  ///< read a file that nobody but its owner may read: http::readSecret()
    write,   ///< make files in a directory
    connect  ///< to a unix socket
};

/// Why a service cannot use a file, and the commands that change it.
struct Obstacle {
    std::string found;  ///< "lapwing may not read it: /etc/lapwing/key.pem is root:root 0600"
    std::string fix;
    bool absent = false;  ///< nobody sees such a file
};

/// Whether an account can use a file. Root tries it in a process of its own with the rights of the account,
/// and in the sandbox of the running service. Other users try it for themselves only. Nothing: it can.
/// Error `denied`: this user cannot try it for the account.
Expected<std::optional<Obstacle>> tryUse(const Account& account, const std::string& path, Use use);

}  // namespace lapwing::doctor
