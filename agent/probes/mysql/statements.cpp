#include "agent/probes/mysql/statements.h"

#include "agent/probes/mysql/heartbeat.h"
#include "common/database_states.h"

namespace lapwing::agent::mysql {
namespace {

/// MySQL has two features that MariaDB lacks: transactions by worker, and row locks in performance_schema.
bool hasTransactionsByWorker(const Version& version) {
    return !version.mariadb && version.atLeast(8, 0, 0);
}

/// The list of processes that costs the server least.
const char* processList(const Version& version, bool performance_schema) {
    const bool modern = !version.mariadb && version.atLeast(8, 0, 22) && performance_schema;
    return modern ? "performance_schema.processlist" : "information_schema.PROCESSLIST";
}

std::string processPart(const Version& version, bool performance_schema) {
    const char* processes = processList(version, performance_schema);
    // InnoDB tells times in the system's zone, whatever the session's is.
    return std::string("(SELECT COUNT(*) FROM ") + processes +
           " WHERE COMMAND LIKE 'Binlog Dump%') AS dump_threads, "
           "(SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, "
           "CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', 'SYSTEM'))), 0) / 1000000 "
           "FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> CONNECTION_ID()) "
           "AS longest_transaction";
}

}  // namespace

const char* replicaStatement(const Version& version) {
    if (version.mariadb) {
        return "SHOW ALL SLAVES STATUS";
    }
    return version.atLeast(8, 0, 22) ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
}

const char* sourceStatement(const Version& version) {
    if (version.mariadb) {
        return version.atLeast(10, 5, 2) ? "SHOW BINLOG STATUS" : "SHOW MASTER STATUS";
    }
    return version.atLeast(8, 2, 0) ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

const char* replicasStatement(const Version& version) {
    if (version.mariadb) {
        return version.atLeast(10, 5, 1) ? "SHOW REPLICA HOSTS" : "SHOW SLAVE HOSTS";
    }
    return version.atLeast(8, 0, 22) ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS";
}

const char* sourcePrivilege(const Version& version) {
    return version.mariadb && version.atLeast(10, 5, 2) ? "BINLOG MONITOR" : "REPLICATION CLIENT";
}

std::string sessionStatement(const Version& version) {
    const bool nowait = version.mariadb && version.atLeast(10, 3, 0);
    const std::string wait = nowait ? "0" : "1";
    // A server's defaults must neither keep a write from being committed nor change what a statement means.
    return "SET SESSION autocommit = 1, sql_mode = '', time_zone = '+00:00', group_concat_max_len = 65536, "
           "lock_wait_timeout = " +
           wait + ", innodb_lock_wait_timeout = " + wait;
}

std::string threadsStatement(const Version& version) {
    if (version.mariadb) {
        return {};
    }
    const bool whole = hasTransactionsByWorker(version);
    const auto age = [](const std::string& column) {
        return "TIMESTAMPDIFF(MICROSECOND, " + column + ", UTC_TIMESTAMP(6)) / 1000000";
    };
    const auto or_null = [&](const std::string& column) { return whole ? column : std::string("NULL"); };
    const auto age_or_null = [&](const std::string& column) { return whole ? age(column) : "NULL"; };
    return "SELECT 'receiver' AS side, CHANNEL_NAME AS channel, SERVICE_STATE AS state, "
           "COUNT_RECEIVED_HEARTBEATS AS heartbeats, " +
           age("LAST_HEARTBEAT_TIMESTAMP") + " AS age, " + or_null("LAST_QUEUED_TRANSACTION") +
           " AS last, NULL AS present, LAST_ERROR_NUMBER AS error_number, LAST_ERROR_MESSAGE AS "
           "error_message "
           "FROM performance_schema.replication_connection_status "
           "UNION ALL SELECT 'coordinator', CHANNEL_NAME, SERVICE_STATE, NULL, " +
           age_or_null("PROCESSING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP") + ", " +
           or_null("LAST_PROCESSED_TRANSACTION") + ", " + or_null("PROCESSING_TRANSACTION") +
           ", LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE "
           "FROM performance_schema.replication_applier_status_by_coordinator "
           "UNION ALL SELECT 'worker', CHANNEL_NAME, SERVICE_STATE, NULL, " +
           age_or_null("APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP") + ", " +
           or_null("LAST_APPLIED_TRANSACTION") + ", " + or_null("APPLYING_TRANSACTION") +
           ", LAST_ERROR_NUMBER, LAST_ERROR_MESSAGE "
           "FROM performance_schema.replication_applier_status_by_worker";
}

std::string blockerStatement(const Version& version) {
    if (hasTransactionsByWorker(version)) {
        // The waiting thread is an applier; the holding thread is not.
        const std::string holder =
            "b.PROCESSLIST_ID AS blocker, b.PROCESSLIST_USER AS user, b.PROCESSLIST_HOST AS host, "
            "(SELECT e.DIGEST_TEXT FROM performance_schema.events_statements_current e "
            "WHERE e.THREAD_ID = b.THREAD_ID ORDER BY e.EVENT_ID DESC LIMIT 1) AS statement ";
        const std::string applier =
            "JOIN performance_schema.replication_applier_status_by_worker a ON a.THREAD_ID = ";
        const std::string others = " AND b.NAME NOT REGEXP '^thread/sql/(replica|slave)_(worker|sql)$'";
        return "SELECT DISTINCT a.CHANNEL_NAME AS channel, 'transaction' AS kind, "
               "CONCAT(l.OBJECT_SCHEMA, '.', l.OBJECT_NAME) AS object, " +
               holder + "FROM performance_schema.data_lock_waits w " + applier +
               "w.REQUESTING_THREAD_ID JOIN performance_schema.threads b ON b.THREAD_ID = "
               "w.BLOCKING_THREAD_ID "
               "LEFT JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID "
               "WHERE 1" +
               others +
               " UNION ALL SELECT DISTINCT a.CHANNEL_NAME, IF(p.OBJECT_TYPE = 'TABLE', 'metadata_lock', "
               "'lock'), "
               "COALESCE(CONCAT(p.OBJECT_SCHEMA, '.', p.OBJECT_NAME), LOWER(p.OBJECT_TYPE)), " +
               holder + "FROM performance_schema.metadata_locks p " + applier +
               "p.OWNER_THREAD_ID JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = p.OBJECT_TYPE "
               "AND g.OBJECT_SCHEMA <=> p.OBJECT_SCHEMA AND g.OBJECT_NAME <=> p.OBJECT_NAME "
               "AND g.LOCK_STATUS = 'GRANTED' AND g.LOCK_TYPE <> 'INTENTION_EXCLUSIVE' "
               "AND g.OWNER_THREAD_ID <> p.OWNER_THREAD_ID "
               "JOIN performance_schema.threads b ON b.THREAD_ID = g.OWNER_THREAD_ID "
               "WHERE p.LOCK_STATUS = 'PENDING'" +
               others + " LIMIT 10";
    }
    // This table does not have the channel of replication threads.
    return "SELECT DISTINCT NULL AS channel, 'transaction' AS kind, l.lock_table AS object, "
           "b.trx_mysql_thread_id AS blocker, p.USER AS user, p.HOST AS host, p.INFO AS statement "
           "FROM information_schema.INNODB_LOCK_WAITS w "
           "JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id "
           "JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id "
           "JOIN information_schema.PROCESSLIST a ON a.ID = r.trx_mysql_thread_id AND a.USER = 'system user' "
           "JOIN information_schema.PROCESSLIST p ON p.ID = b.trx_mysql_thread_id AND p.USER <> 'system "
           "user' "
           "LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id "
           "UNION ALL SELECT NULL, IF(STATE = 'Waiting for table metadata lock', 'metadata_lock', 'lock'), "
           "NULL, NULL, NULL, NULL, NULL FROM information_schema.PROCESSLIST "
           "WHERE USER = 'system user' AND (STATE LIKE 'Waiting for % lock' OR STATE LIKE 'Waiting for "
           "backup%') "
           "LIMIT 10";
}

std::string metadataLocksStatement(const Version& version) {
    if (!version.mariadb) {
        return {};
    }
    return "SELECT DISTINCT m.THREAD_ID AS blocker, p.USER AS user, p.HOST AS host, p.INFO AS statement, "
           "CONCAT(m.TABLE_SCHEMA, '.', m.TABLE_NAME) AS object "
           "FROM information_schema.METADATA_LOCK_INFO m "
           "JOIN information_schema.PROCESSLIST p ON p.ID = m.THREAD_ID AND p.USER <> 'system user' "
           "WHERE m.THREAD_ID <> CONNECTION_ID() LIMIT 10";
}

std::string waitsStatement(const Version& version, bool performance_schema, const std::string& heartbeat,
                           unsigned long thread) {
    std::string states;
    for (const auto& known : database::kKnownStates) {
        if (database::stopsCommits(known.reason)) {
            states += (states.empty() ? "'" : ", '") + std::string(known.text) + "'";
        }
    }
    std::string beat = "0";
    if (!heartbeat.empty()) {
        const auto begins = [](const std::string& with) {
            std::string text;
            for (const char c : with) {
                text += c == '\'' || c == '\\' ? std::string(2, c) : std::string(1, c);
            }
            return "LOCATE('" + text + "', INFO) = 1";
        };
        beat = "COALESCE(" + begins(beatBeginning(heartbeat, false)) + " OR " +
               begins(beatBeginning(heartbeat, true)) + ", 0)";
    }
    return "SELECT ID AS id, STATE AS state, TIME AS seconds, " + beat + " AS beat FROM " +
           processList(version, performance_schema) +
           " WHERE ID <> CONNECTION_ID() AND USER <> 'system user' AND COMMAND <> 'Sleep' AND (STATE IN (" +
           states + ") OR ID = " + std::to_string(thread) + " OR " + beat + ") ORDER BY TIME DESC LIMIT 200";
}

std::string pulseStatement(const Version& version, const PulseParts& parts) {
    std::string out = "SELECT UTC_TIMESTAMP(6) AS utc, @@global.read_only AS read_only, ";
    out += version.mariadb
               ? "@@global.gtid_binlog_pos AS gtid_binlog_pos, @@global.gtid_slave_pos AS gtid_slave_pos, "
                 "@@global.gtid_binlog_state AS gtid_binlog_state"
               : "@@global.super_read_only AS super_read_only, @@global.gtid_executed AS gtid_executed";
    if (parts.process) {
        out += ", " + processPart(version, parts.performance_schema);
    }
    if (!parts.heartbeat.empty()) {
        out += ", (SELECT GROUP_CONCAT(server_id, ' ', ts ORDER BY ts DESC SEPARATOR '\\n') FROM " +
               parts.heartbeat + ") AS heartbeats";
    }
    return out;
}

std::string processStatement(const Version& version, bool performance_schema) {
    return "SELECT " + processPart(version, performance_schema);
}

}  // namespace lapwing::agent::mysql
