#include "agent/probes/mysql/grants.h"

#include <array>

namespace lapwing::agent::mysql {
namespace {

// Error numbers of the servers (mysqld_error.h).
constexpr unsigned kDatabaseDenied = 1044;
constexpr unsigned kAccessDenied = 1045;
constexpr unsigned kHostBlocked = 1129;
constexpr unsigned kHostNotAllowed = 1130;
constexpr unsigned kTableDenied = 1142;
constexpr unsigned kPrivilegeMissing = 1227;
constexpr unsigned kDeniedWithoutPassword = 1698;

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

std::string grantFor(unsigned code, std::string_view message, std::string_view account,
                     std::string_view user) {
    const std::string name(user.empty() ? "lapwing" : user);
    switch (code) {
        case kPrivilegeMissing:
        case kTableDenied: {
            const auto privilege = missingPrivilege(message);
            const std::string who = account.empty() ? name + "@localhost" : std::string(account);
            if (!privilege.empty()) {
                return grantStatement(std::string(privilege), who);
            }
            return "grant what it names to " + quoted(who);
        }
        case kAccessDenied:
        case kDeniedWithoutPassword:
        case kDatabaseDenied:
            return "if the account is missing: CREATE USER `" + name +
                   "`@`localhost` IDENTIFIED VIA unix_socket (MySQL: IDENTIFIED WITH auth_socket)";
        case kHostNotAllowed:
            return "the server knows no account for this address";
        case kHostBlocked:
            return "the server has blocked this address: FLUSH HOSTS there";
        default:
            return {};
    }
}

}  // namespace lapwing::agent::mysql
