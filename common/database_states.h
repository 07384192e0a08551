#pragma once

#include <array>
#include <string_view>

#include "common/enum_names.h"

/// What the servers' thread states say about replication and commits: Slave_IO_State, Slave_SQL_Running_State
/// and the processlist's State, of MySQL 5.7 to 9.7 and MariaDB 10.3 to 11.8. docs/replication.md has the
/// same table; a test compares both.
namespace lapwing::database {

/// Why a thread waits.
enum class WaitReason {
    semi_sync_ack,   ///< a commit waits for a replica's acknowledgement
    group_commit,    ///< a commit waits for an earlier one, or for the storage engine
    global_lock,     ///< writes wait for FLUSH TABLES WITH READ LOCK, a backup or read_only
    disk_full,       ///< a write waits for free disk space
    relay_log_full,  ///< the receiver waits: relay_log_space_limit is reached
    table_lock,      ///< a lock of one table, schema or routine
    workers_busy,    ///< the applier's coordinator waits for its workers
    delay,           ///< the deliberate delay
    reconnecting,    ///< the receiver has no connection to the primary
    other,           ///< of an agent's own statement: any other state
};

/// As the label `reason` names them.
inline constexpr std::array kWaitReasonNames{
    EnumName<WaitReason>{WaitReason::semi_sync_ack, "semi_sync_ack"},
    EnumName<WaitReason>{WaitReason::group_commit, "group_commit"},
    EnumName<WaitReason>{WaitReason::global_lock, "global_lock"},
    EnumName<WaitReason>{WaitReason::disk_full, "disk_full"},
    EnumName<WaitReason>{WaitReason::relay_log_full, "relay_log_full"},
    EnumName<WaitReason>{WaitReason::table_lock, "table_lock"},
    EnumName<WaitReason>{WaitReason::workers_busy, "workers_busy"},
    EnumName<WaitReason>{WaitReason::delay, "delay"},
    EnumName<WaitReason>{WaitReason::reconnecting, "reconnecting"},
    EnumName<WaitReason>{WaitReason::other, "other"},
};

inline const char* waitReasonName(WaitReason reason) {
    return nameOf(kWaitReasonNames, reason);
}

struct KnownState {
    std::string_view text;
    WaitReason reason;
};

inline constexpr std::array kKnownStates{
    KnownState{"Waiting for semi-sync ACK from slave", WaitReason::semi_sync_ack},
    KnownState{"Waiting for semi-sync ACK from replica", WaitReason::semi_sync_ack},
    KnownState{"Waiting for prior transaction to commit", WaitReason::group_commit},
    KnownState{"Waiting for prior transaction to start commit", WaitReason::group_commit},
    KnownState{"Waiting for preceding transaction to commit", WaitReason::group_commit},
    KnownState{"Waiting for dependent transaction to commit", WaitReason::group_commit},
    KnownState{"Waiting for its turn to commit", WaitReason::group_commit},
    KnownState{"Waiting for Binlog Group Commit ticket", WaitReason::group_commit},
    KnownState{"waiting for handler commit", WaitReason::group_commit},
    KnownState{"Waiting for global read lock", WaitReason::global_lock},
    KnownState{"Waiting for commit lock", WaitReason::global_lock},
    KnownState{"Waiting for backup lock", WaitReason::global_lock},
    KnownState{"Waiting for someone to free space", WaitReason::disk_full},
    KnownState{"Waiting for disk space", WaitReason::disk_full},
    KnownState{"Waiting for the slave SQL thread to free enough relay log space", WaitReason::relay_log_full},
    KnownState{"Waiting for the replica SQL thread to free enough relay log space",
               WaitReason::relay_log_full},
    KnownState{"Waiting for the replica SQL thread to free relay log space", WaitReason::relay_log_full},
    KnownState{"Waiting for table metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for table level lock", WaitReason::table_lock},
    KnownState{"Waiting for table flush", WaitReason::table_lock},
    KnownState{"Waiting for schema metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for tablespace metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for stored function metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for stored procedure metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for trigger metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for event metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for foreign key metadata lock", WaitReason::table_lock},
    KnownState{"Waiting for room in worker thread event queue", WaitReason::workers_busy},
    KnownState{"Waiting for Slave Workers to free pending events", WaitReason::workers_busy},
    KnownState{"Waiting for Replica Workers to free pending events", WaitReason::workers_busy},
    KnownState{"Waiting for Slave Worker queue", WaitReason::workers_busy},
    KnownState{"Waiting for Replica Worker queue", WaitReason::workers_busy},
    KnownState{"Waiting for Slave Worker to release partition", WaitReason::workers_busy},
    KnownState{"Waiting for Replica Worker to release partition", WaitReason::workers_busy},
    KnownState{"Waiting while replication worker thread pool is busy", WaitReason::workers_busy},
    KnownState{"Waiting until MASTER_DELAY seconds after master executed event", WaitReason::delay},
    KnownState{"Waiting until SOURCE_DELAY seconds after source executed event", WaitReason::delay},
    KnownState{"Connecting to master", WaitReason::reconnecting},
    KnownState{"Connecting to source", WaitReason::reconnecting},
    KnownState{"Reconnecting after a failed master event read", WaitReason::reconnecting},
    KnownState{"Reconnecting after a failed source event read", WaitReason::reconnecting},
    KnownState{"Reconnecting after a failed binlog dump request", WaitReason::reconnecting},
    KnownState{"Reconnecting after a failed registration on master", WaitReason::reconnecting},
    KnownState{"Reconnecting after a failed registration on source", WaitReason::reconnecting},
    KnownState{"Waiting to reconnect after a failed master event read", WaitReason::reconnecting},
    KnownState{"Waiting to reconnect after a failed source event read", WaitReason::reconnecting},
    KnownState{"Waiting to reconnect after a failed binlog dump request", WaitReason::reconnecting},
    KnownState{"Waiting to reconnect after a failed registration on master", WaitReason::reconnecting},
    KnownState{"Waiting to reconnect after a failed registration on source", WaitReason::reconnecting},
};

/// Null for a state that names no reason to wait.
inline constexpr const KnownState* knownState(std::string_view text) {
    for (const auto& row : kKnownStates) {
        if (row.text == text) {
            return &row;
        }
    }
    return nullptr;
}

/// A client's commit waits for that reason: nothing is written to the server meanwhile.
inline constexpr bool stopsCommits(WaitReason reason) {
    return reason == WaitReason::semi_sync_ack || reason == WaitReason::group_commit ||
           reason == WaitReason::global_lock || reason == WaitReason::disk_full;
}

/// In daily work a commit waits for a moment for its group and for a replica, but for that during a backup at
/// most.
inline constexpr bool tellsTrouble(WaitReason reason) {
    return reason == WaitReason::global_lock || reason == WaitReason::disk_full;
}

}  // namespace lapwing::database
