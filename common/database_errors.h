#pragma once

#include <algorithm>
#include <array>

#include "common/enum_names.h"

/// What the error numbers of MySQL 5.7 to 9.7 and MariaDB 10.3 to 11.8 mean for a client and for a replica.
/// Sources: `perror`, performance_schema.events_errors_summary_global_by_error, libmariadb's errmsg.h.
/// docs/replication.md has the same table; a test compares both.
namespace lapwing::database {

enum class ErrorClass {
    // The server is up and refuses the client.
    credentials,           ///< unknown account or wrong password
    account_locked,        ///< also: locked after failed logins
    password_expired,      ///< the account must set a new password first
    tls_required,          ///< the account or the server demands TLS
    auth_plugin,           ///< client and server have no common way to authenticate
    host_not_allowed,      ///< no account for this address
    host_blocked,          ///< too many failed connections from this address
    privilege_missing,     ///< connected, but a privilege is missing
    too_many_connections,  ///< max_connections
    user_limit,            ///< max_user_connections, or a limit of the account
    no_resources,          ///< no memory or no thread for a new connection
    offline_mode,          ///< offline_mode is on, or the server is shutting down
    // No conversation.
    unreachable,
    name_unresolved,
    tls,  ///< the TLS handshake failed
    protocol,
    packet_too_large,
    // Replication alone.
    binlog,         ///< the primary cannot send its binary log; the text says why
    fatal,          ///< the text says why
    relay_log,      ///< the replica cannot read or write its relay log
    configuration,  ///< settings of primary and replica do not fit together
    diverged,       ///< GTIDs: the replica is not a copy of the primary
    data_differ,    ///< a row or a table is not as on the primary
    lock_timeout,   ///< the applier waited too long for a lock
    disk_full,
};

inline constexpr std::array kErrorClassNames{
    EnumName<ErrorClass>{ErrorClass::credentials, "credentials"},
    EnumName<ErrorClass>{ErrorClass::account_locked, "account_locked"},
    EnumName<ErrorClass>{ErrorClass::password_expired, "password_expired"},
    EnumName<ErrorClass>{ErrorClass::tls_required, "tls_required"},
    EnumName<ErrorClass>{ErrorClass::auth_plugin, "auth_plugin"},
    EnumName<ErrorClass>{ErrorClass::host_not_allowed, "host_not_allowed"},
    EnumName<ErrorClass>{ErrorClass::host_blocked, "host_blocked"},
    EnumName<ErrorClass>{ErrorClass::privilege_missing, "privilege_missing"},
    EnumName<ErrorClass>{ErrorClass::too_many_connections, "too_many_connections"},
    EnumName<ErrorClass>{ErrorClass::user_limit, "user_limit"},
    EnumName<ErrorClass>{ErrorClass::no_resources, "no_resources"},
    EnumName<ErrorClass>{ErrorClass::offline_mode, "offline_mode"},
    EnumName<ErrorClass>{ErrorClass::unreachable, "unreachable"},
    EnumName<ErrorClass>{ErrorClass::name_unresolved, "name_unresolved"},
    EnumName<ErrorClass>{ErrorClass::tls, "tls"},
    EnumName<ErrorClass>{ErrorClass::protocol, "protocol"},
    EnumName<ErrorClass>{ErrorClass::packet_too_large, "packet_too_large"},
    EnumName<ErrorClass>{ErrorClass::binlog, "binlog"},
    EnumName<ErrorClass>{ErrorClass::fatal, "fatal"},
    EnumName<ErrorClass>{ErrorClass::relay_log, "relay_log"},
    EnumName<ErrorClass>{ErrorClass::configuration, "configuration"},
    EnumName<ErrorClass>{ErrorClass::diverged, "diverged"},
    EnumName<ErrorClass>{ErrorClass::data_differ, "data_differ"},
    EnumName<ErrorClass>{ErrorClass::lock_timeout, "lock_timeout"},
    EnumName<ErrorClass>{ErrorClass::disk_full, "disk_full"},
};

inline const char* errorClassName(ErrorClass kind) {
    return nameOf(kErrorClassNames, kind);
}

struct KnownError {
    unsigned number;
    ErrorClass kind;
};

inline constexpr std::array kKnownErrors{
    KnownError{1007, ErrorClass::data_differ},
    KnownError{1008, ErrorClass::data_differ},
    KnownError{1021, ErrorClass::disk_full},
    KnownError{1032, ErrorClass::data_differ},
    KnownError{1037, ErrorClass::no_resources},
    KnownError{1040, ErrorClass::too_many_connections},
    KnownError{1041, ErrorClass::no_resources},
    KnownError{1044, ErrorClass::credentials},
    KnownError{1045, ErrorClass::credentials},
    KnownError{1049, ErrorClass::data_differ},
    KnownError{1050, ErrorClass::data_differ},
    KnownError{1051, ErrorClass::data_differ},
    KnownError{1053, ErrorClass::offline_mode},
    KnownError{1054, ErrorClass::data_differ},
    KnownError{1060, ErrorClass::data_differ},
    KnownError{1061, ErrorClass::data_differ},
    KnownError{1062, ErrorClass::data_differ},
    KnownError{1091, ErrorClass::data_differ},
    KnownError{1129, ErrorClass::host_blocked},
    KnownError{1130, ErrorClass::host_not_allowed},
    KnownError{1135, ErrorClass::no_resources},
    KnownError{1142, ErrorClass::privilege_missing},
    KnownError{1146, ErrorClass::data_differ},
    KnownError{1153, ErrorClass::packet_too_large},
    KnownError{1156, ErrorClass::protocol},
    KnownError{1157, ErrorClass::protocol},
    KnownError{1158, ErrorClass::unreachable},
    KnownError{1159, ErrorClass::unreachable},
    KnownError{1160, ErrorClass::unreachable},
    KnownError{1161, ErrorClass::unreachable},
    KnownError{1189, ErrorClass::unreachable},
    KnownError{1190, ErrorClass::unreachable},
    KnownError{1201, ErrorClass::relay_log},
    KnownError{1203, ErrorClass::user_limit},
    KnownError{1205, ErrorClass::lock_timeout},
    KnownError{1213, ErrorClass::lock_timeout},
    KnownError{1226, ErrorClass::user_limit},
    KnownError{1227, ErrorClass::privilege_missing},
    KnownError{1236, ErrorClass::binlog},
    KnownError{1251, ErrorClass::auth_plugin},
    KnownError{1275, ErrorClass::auth_plugin},
    KnownError{1371, ErrorClass::relay_log},
    KnownError{1380, ErrorClass::relay_log},
    KnownError{1451, ErrorClass::data_differ},
    KnownError{1452, ErrorClass::data_differ},
    KnownError{1524, ErrorClass::auth_plugin},
    KnownError{1593, ErrorClass::fatal},
    KnownError{1594, ErrorClass::relay_log},
    KnownError{1595, ErrorClass::relay_log},
    KnownError{1623, ErrorClass::protocol},
    KnownError{1677, ErrorClass::data_differ},
    KnownError{1698, ErrorClass::credentials},
    KnownError{1743, ErrorClass::protocol},
    KnownError{1820, ErrorClass::password_expired},
    KnownError{1862, ErrorClass::password_expired},
    KnownError{1871, ErrorClass::relay_log},
    KnownError{1872, ErrorClass::relay_log},
    KnownError{1885, ErrorClass::diverged},
    KnownError{1945, ErrorClass::binlog},
    KnownError{1950, ErrorClass::diverged},
    KnownError{1951, ErrorClass::diverged},
    KnownError{1952, ErrorClass::diverged},
    KnownError{1955, ErrorClass::diverged},
    KnownError{2002, ErrorClass::unreachable},
    KnownError{2003, ErrorClass::unreachable},
    KnownError{2005, ErrorClass::name_unresolved},
    KnownError{2006, ErrorClass::unreachable},
    KnownError{2007, ErrorClass::protocol},
    KnownError{2012, ErrorClass::protocol},
    KnownError{2013, ErrorClass::unreachable},
    KnownError{2020, ErrorClass::packet_too_large},
    KnownError{2026, ErrorClass::tls},
    KnownError{2027, ErrorClass::protocol},
    KnownError{2049, ErrorClass::auth_plugin},
    KnownError{2055, ErrorClass::unreachable},
    KnownError{2059, ErrorClass::auth_plugin},
    KnownError{2061, ErrorClass::auth_plugin},
    KnownError{3032, ErrorClass::offline_mode},
    KnownError{3112, ErrorClass::configuration},
    KnownError{3118, ErrorClass::account_locked},
    KnownError{3159, ErrorClass::tls_required},
    KnownError{3675, ErrorClass::disk_full},
    KnownError{3955, ErrorClass::account_locked},
    KnownError{4151, ErrorClass::account_locked},
    KnownError{13114, ErrorClass::binlog},
    KnownError{13115, ErrorClass::protocol},
    KnownError{13117, ErrorClass::fatal},
    KnownError{13118, ErrorClass::protocol},
    KnownError{13121, ErrorClass::relay_log},
    KnownError{13122, ErrorClass::relay_log},
    KnownError{13123, ErrorClass::relay_log},
    KnownError{13124, ErrorClass::relay_log},
    KnownError{13125, ErrorClass::packet_too_large},
    KnownError{13133, ErrorClass::disk_full},
    KnownError{13146, ErrorClass::data_differ},
    KnownError{13148, ErrorClass::configuration},
    KnownError{13149, ErrorClass::configuration},
    KnownError{13150, ErrorClass::configuration},
};

/// Null for a number without a known meaning.
inline constexpr const KnownError* knownError(unsigned number) {
    const auto* found =
        std::lower_bound(kKnownErrors.begin(), kKnownErrors.end(), number,
                         [](const KnownError& row, unsigned wanted) { return row.number < wanted; });
    return found != kKnownErrors.end() && found->number == number ? found : nullptr;
}

/// The server answered, and refused the client.
inline constexpr bool isRefusal(ErrorClass kind) {
    return kind <= ErrorClass::offline_mode;
}

}  // namespace lapwing::database
