#include "agent/probes/mysql/statements.h"

namespace lapwing::agent::mysql {
namespace {

bool hasTransactionsByWorker(const Version& version) {
    return !version.mariadb && version.atLeast(8, 0, 0);
}

std::string processPart(const Version& version, bool performance_schema) {
    // InnoDB tells times in the system's zone, whatever the session's is.
    std::string transaction =
        "(SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, "
        "CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', 'SYSTEM'))), 0) / 1000000 "
        "FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> CONNECTION_ID()) "
        "AS longest_transaction";
    if (!hasProcessTable(version, performance_schema)) {
        return transaction;
    }
    return "(SELECT COUNT(*) FROM performance_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%') "
           "AS dump_threads, " +
           transaction;
}

}  // namespace

bool hasLockTables(const Version& version) {
    return !version.mariadb && version.atLeast(8, 0, 0);
}

bool hasProcessTable(const Version& version, bool performance_schema) {
    return !version.mariadb && version.atLeast(8, 0, 22) && performance_schema;
}

std::string processListStatement(const Version& version, bool performance_schema) {
    // information_schema.PROCESSLIST would need a temporary table on disk for every answer.
    return hasProcessTable(version, performance_schema)
               ? "SELECT ID AS Id, USER AS User, HOST AS Host, COMMAND AS Command, TIME AS Time, STATE AS "
                 "State, "
                 "LEFT(INFO, 100) AS Info FROM performance_schema.processlist WHERE COMMAND <> 'Sleep'"
               : "SHOW PROCESSLIST";
}

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
    if (hasLockTables(version)) {
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
    // This table has neither the channel of replication threads nor the accounts.
    return "SELECT DISTINCT NULL AS channel, 'transaction' AS kind, l.lock_table AS object, "
           "r.trx_mysql_thread_id AS waiter, b.trx_mysql_thread_id AS blocker, b.trx_query AS statement "
           "FROM information_schema.INNODB_LOCK_WAITS w "
           "JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id "
           "JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id "
           "LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id "
           "LIMIT 200";
}

std::string metadataLocksStatement(const Version& version) {
    if (!version.mariadb) {
        return {};
    }
    return "SELECT DISTINCT THREAD_ID AS blocker, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS object "
           "FROM information_schema.METADATA_LOCK_INFO WHERE THREAD_ID <> CONNECTION_ID() LIMIT 200";
}

const char* compressionStatement() {
    return "SELECT PAGE_SIZE AS page_size, COMPRESS_OPS AS compress_ops, COMPRESS_OPS_OK AS compress_ops_ok, "
           "COMPRESS_TIME AS compress_time, UNCOMPRESS_OPS AS uncompress_ops, "
           "UNCOMPRESS_TIME AS uncompress_time FROM information_schema.INNODB_CMP";
}

const char* compressedPagesStatement() {
    return "SELECT PAGE_SIZE AS page_size, BUFFER_POOL_INSTANCE AS buffer_pool_instance, "
           "PAGES_USED AS pages_used, PAGES_FREE AS pages_free, RELOCATION_OPS AS relocation_ops, "
           "RELOCATION_TIME AS relocation_time FROM information_schema.INNODB_CMPMEM";
}

const char* responseTimesStatement(ResponseTimes kind) {
    switch (kind) {
        case ResponseTimes::reads:
            return "SELECT TIME, COUNT, TOTAL FROM information_schema.QUERY_RESPONSE_TIME_READ";
        case ResponseTimes::writes:
            return "SELECT TIME, COUNT, TOTAL FROM information_schema.QUERY_RESPONSE_TIME_WRITE";
        default:
            return "SELECT TIME, COUNT, TOTAL FROM information_schema.QUERY_RESPONSE_TIME";
    }
}

std::string pulseStatement(const Version& version, const PulseParts& parts) {
    std::string out = "SELECT UTC_TIMESTAMP(6) AS utc, @@global.read_only AS read_only, ";
    out += version.mariadb
               ? "@@global.gtid_binlog_pos AS gtid_binlog_pos, @@global.gtid_slave_pos AS gtid_slave_pos, "
                 "@@global.gtid_binlog_state AS gtid_binlog_state, "
                 "(SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                 "WHERE VARIABLE_NAME = 'SLAVES_CONNECTED') AS registered_replicas"
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
