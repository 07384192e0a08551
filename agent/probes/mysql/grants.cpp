#include "agent/probes/mysql/grants.h"

#include <array>

#include "common/database_errors.h"

namespace lapwing::agent::mysql {
namespace {

/// lapwing@localhost -> `lapwing`@`localhost`
std::string quoted(std::string_view account) {
    const auto at = account.rfind('@');
    if (at == std::string_view::npos) {
        return "`" + std::string(account) + "`";
    }
    return "`" + std::string(account.substr(0, at)) + "`@`" + std::string(account.substr(at + 1)) + "`";
}

/// The weakest sufficient privilege: the server lists the strongest first.
std::string_view missingPrivilege(std::string_view message) {
    constexpr std::array<std::string_view, 6> least = {"SLAVE MONITOR",      "BINLOG MONITOR",
                                                       "REPLICATION CLIENT", "REPLICATION SLAVE ADMIN",
                                                       "REPLICATION SLAVE",  "PROCESS"};
    for (const auto privilege : least) {
        if (message.find(privilege) != std::string_view::npos) {
            return privilege;
        }
    }
    return {};
}

}  // namespace

std::string grantStatement(const std::string& privilege, std::string_view account) {
    const bool whole = privilege.find(" ON ") == std::string::npos;
    return "GRANT " + privilege + (whole ? " ON *.*" : "") + " TO " + quoted(account);
}

std::string hintFor(unsigned code, std::string_view message, std::string_view account,
                    std::string_view user) {
    using database::ErrorClass;
    const auto* known = database::knownError(code);
    if (known == nullptr) {
        return {};
    }
    const std::string name(user.empty() ? "lapwing" : user);
    const std::string who = account.empty() ? name + "@localhost" : std::string(account);
    switch (known->kind) {
        case ErrorClass::privilege_missing: {
            const auto privilege = missingPrivilege(message);
            return privilege.empty() ? "grant what it names to " + quoted(who)
                                     : grantStatement(std::string(privilege), who);
        }
        case ErrorClass::credentials:
            return "if the account is missing: CREATE USER `" + name +
                   "`@`localhost` IDENTIFIED VIA unix_socket (MySQL: IDENTIFIED WITH auth_socket)";
        case ErrorClass::account_locked:
            return "the account is locked: ALTER USER " + quoted(who) + " ACCOUNT UNLOCK";
        case ErrorClass::password_expired:
            return "its password has expired: ALTER USER " + quoted(who) + " PASSWORD EXPIRE NEVER";
        case ErrorClass::tls_required:
            return "the server wants TLS: give the probe `ca`, or let it use the unix socket";
        case ErrorClass::auth_plugin:
            return "the account's plugin does not fit: unix_socket (MySQL: auth_socket) needs no password";
        case ErrorClass::host_not_allowed:
            return "the server knows no account for this address";
        case ErrorClass::host_blocked:
            return "the server has blocked this address: FLUSH HOSTS there";
        case ErrorClass::too_many_connections:
            return "the server is up and full: every connection of max_connections is taken";
        case ErrorClass::user_limit:
            return "the server is up; the account has reached its limit of connections or queries";
        case ErrorClass::no_resources:
            return "the server is up and has no memory or thread for another connection";
        case ErrorClass::offline_mode:
            return "the server is up and lets no client in: it shuts down, or offline_mode is on";
        default:
            return {};
    }
}

}  // namespace lapwing::agent::mysql
