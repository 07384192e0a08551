#include "collector/analysis/replication/receiver_advice.h"

#include "collector/analysis/replication/stated_causes.h"

namespace lapwing::analysis::replication {

namespace {

using database::ErrorClass;

constexpr std::uint16_t kMysqlPort = 3306;

std::string restart(const ChannelContext& context, const char* thread) {
    return context.dialect.command(context.dialect.thread("START", thread));
}

std::string showStatus(const ChannelContext& context) {
    return context.dialect.command(context.dialect.status());
}

/// For an account that the primary refuses. The account is Master_User (Source_User) of the status.
Advice refusedAccount(const ChannelContext& context, std::optional<ErrorClass> kind) {
    const auto& replica = context.replica_name;
    const auto primary = primaryName(context);
    const auto& dialect = context.dialect;
    const auto sql = [&](const std::string& statement) { return dialect.command(statement); };
    switch (kind.value_or(ErrorClass::credentials)) {
        case ErrorClass::account_locked:
            return {
                "the primary has locked the replica's account",
                onHost(primary, sql("ALTER USER ... ACCOUNT UNLOCK") + " for the account that " + replica +
                                    " names as " + (dialect.replica_words ? "Source_User" : "Master_User"))};
        case ErrorClass::password_expired:
            return {"the password of the replica's account has expired",
                    onHost(primary, sql("ALTER USER ... PASSWORD EXPIRE NEVER") +
                                        ", or give the account a new "
                                        "password there and on " +
                                        replica)};
        case ErrorClass::tls_required:
            return {"the primary demands TLS of the replica's account",
                    onHost(replica, sql(dialect.thread("STOP", "IO_THREAD") + "; CHANGE " +
                                        (dialect.replica_words ? "REPLICATION SOURCE TO SOURCE_SSL=1"
                                                               : "MASTER TO MASTER_SSL=1")) +
                                        ", then " + restart(context, "IO_THREAD"))};
        case ErrorClass::auth_plugin:
            return {"replica and primary have no common way to authenticate",
                    onHost(replica,
                           dialect.mariadb
                               ? "let the account on " + primary +
                                     " use a plugin that the replica has (mysql_native_password, ed25519)"
                               : sql(dialect.thread("STOP", "IO_THREAD") + "; CHANGE " +
                                     (dialect.replica_words ? "REPLICATION SOURCE TO GET_SOURCE_PUBLIC_KEY=1"
                                                            : "MASTER TO GET_MASTER_PUBLIC_KEY=1")) +
                                     " or TLS, then " + restart(context, "IO_THREAD"))};
        case ErrorClass::host_blocked:
            return {"the primary has blocked the replica's address after failed connections",
                    onHost(primary,
                           sql("FLUSH HOSTS") +
                               " (MySQL 8.4: TRUNCATE TABLE performance_schema.host_cache); then look for "
                               "what failed there")};
        case ErrorClass::host_not_allowed:
            return {"the primary has no account for the replica's address",
                    onHost(primary, sql("SELECT user, host FROM mysql.user") +
                                        "; create the replica's account for the address of " + replica)};
        case ErrorClass::privilege_missing:
            return {"the replica's account lacks a privilege on the primary",
                    onHost(primary, sql("GRANT REPLICATION SLAVE ON *.* TO ...") + ", then on " + replica +
                                        ": " + restart(context, "IO_THREAD"))};
        default:
            return {"the primary refuses the replica's account",
                    onHost(replica, "set the right user and password, " + sql(dialect.changeSource(primary)) +
                                        ", then " + restart(context, "IO_THREAD"))};
    }
}

Advice errantAdvice(const ChannelContext& context) {
    return {"the replica has transactions that the primary has not",
            onHost(context.replica_name,
                   showStatus(context) +
                       "; compare the GTIDs of both servers, then copy the primary's data anew")};
}

std::string copyAnew(const ChannelContext& context) {
    return "copy the data of " + primaryName(context) + " to " + context.replica_name + " anew (" +
           (context.dialect.mariadb ? "mariabackup" : "the CLONE plugin or xtrabackup") + ")";
}

}  // namespace

Advice adviceFor(const ChannelContext& context, Cause cause, const evidence::ThreadError& error) {
    const auto& replica = context.replica_name;
    const auto primary = primaryName(context);
    const auto& dialect = context.dialect;
    switch (cause) {
        case Cause::credentials:
            return refusedAccount(context, classOf(error));
        case Cause::too_many_connections:
            return {
                "the primary takes no further connection of the replica",
                onHost(primary, dialect.command("SHOW PROCESSLIST") +
                                    "; end what is not needed, or raise max_connections (or the account's "
                                    "limit)")};
        case Cause::tls: {
            const auto& source = context.channel.source;
            return {
                "the TLS handshake with the primary fails",
                onHost(replica, "openssl s_client -starttls mysql -connect " +
                                    Endpoint{source.host.empty() ? primary : source.host,
                                             source.port == 0 ? kMysqlPort : source.port}
                                        .toString() +
                                    " shows the primary's certificate; compare it with the SSL settings in " +
                                    showStatus(context))};
        }
        case Cause::protocol:
            return {"the receiver does not understand what the primary sends",
                    onHost(replica, showStatus(context) +
                                        " says what; are the versions compatible, and is a "
                                        "proxy between them? Then " +
                                        restart(context, "IO_THREAD"))};
        case Cause::packet_too_large:
            return {"an event is larger than max_allowed_packet",
                    "on " + primary + " and " + replica +
                        ": raise max_allowed_packet, and on the replica slave_max_allowed_packet "
                        "(replica_max_allowed_packet), to 1G; then on " +
                        replica + ": " + restart(context, "IO_THREAD")};
        case Cause::binlog_purged:
            return {"the primary no longer has the binary log that the replica needs",
                    copyAnew(context) + "; nothing else brings back what was purged"};
        case Cause::binlog_damaged:
            return {"the primary cannot read its binary log at the place that the replica needs",
                    onHost(primary,
                           dialect.command("SHOW BINARY LOGS") +
                               "; journalctl -k | tail (does the disk fail?); if the log is damaged or was "
                               "cut short by a crash, ") +
                        copyAnew(context)};
        case Cause::relay_log_damaged:
            return {"the replica cannot read or write its relay log",
                    onHost(replica,
                           "df -h; if the disk is well, the relay log is damaged: set relay_log_recovery=1 "
                           "in its configuration and restart it, which fetches the log anew")};
        case Cause::configuration_mismatch:
            return {"settings of primary and replica do not fit together",
                    onHost(replica,
                           showStatus(context) +
                               " names the setting (log_bin, server_id, gtid_mode, checksums); correct it, "
                               "then " +
                               restart(context, "IO_THREAD"))};
        case Cause::disk_full:
            return {"the replica's disk is full",
                    onHost(replica, "df -h; free space where its data and relay logs are, then " +
                                        restart(context, ""))};
        case Cause::errant_transactions:
            return errantAdvice(context);
        default:
            return {"the replica has the same server id or UUID as another server",
                    onHost(replica,
                           "give it a server_id of its own (on a cloned MySQL remove auto.cnf too), "
                           "restart it, then " +
                               restart(context, "IO_THREAD"))};
    }
}

}  // namespace lapwing::analysis::replication
