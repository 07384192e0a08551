#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/evidence/attempts.h"
#include "collector/analysis/evidence/track.h"
#include "common/database_states.h"
#include "common/endpoint.h"
#include "common/enum_names.h"
#include "common/reach/address.h"

namespace lapwing::analysis::evidence {

/// A position in a binary log as one number that grows: the file's number, then the byte.
inline constexpr int kFileShift = 40;
inline std::int64_t coordinate(double file, double position) {
    return (static_cast<std::int64_t>(file) << kFileShift) + static_cast<std::int64_t>(position);
}

/// Tracks of GTIDs. On MariaDB the key is the domain and the value the sequence number; on MySQL the key is
/// the source's UUID (with its tag) and the value the number of transactions.
using GtidTracks = std::map<std::string, Track>;

struct ThreadError {
    int number = 0;
    std::string text;         ///< the server's message; "" while its document is missing
    std::string digest = {};  ///< of the document with the message
};

enum class ThreadState { running, connecting, stopped, unknown };

/// As the agents' label `state` and the API name them.
inline constexpr std::array kThreadStateNames{
    EnumName<ThreadState>{ThreadState::running, "running"},
    EnumName<ThreadState>{ThreadState::connecting, "connecting"},
    EnumName<ThreadState>{ThreadState::stopped, "stopped"},
    EnumName<ThreadState>{ThreadState::unknown, "unknown"},
};

inline const char* threadStateName(ThreadState state) {
    return nameOf(kThreadStateNames, state);
}

/// Why a thread waits, by its state.
struct ThreadWait {
    database::WaitReason reason = database::WaitReason::other;
    std::string state;  ///< the server's text
};

/// The receiver (I/O thread) or the applier (SQL thread) of a channel. The errors of the applier's workers
/// are among its errors.
struct ReplicationThread {
    ThreadState state = ThreadState::unknown;
    std::vector<ThreadError> errors;
    std::optional<ThreadWait> wait = std::nullopt;
};

/// Statements that cannot finish for one reason.
struct CommitWait {
    database::WaitReason reason = database::WaitReason::other;
    std::string state;       ///< the server's text
    double seconds = 0;      ///< the longest
    bool heartbeat = false;  ///< the agent's own write; else clients' statements
    bool refused = false;    ///< nothing waits: the server refuses statements of the agent for this reason
};

enum class BlockerKind {
    lock,           ///< a lock of a table
    transaction,    ///< row locks, or a long transaction of the applier itself
    metadata_lock,  ///< a lock of a table's definition
};

/// As the agents' label `kind` names them.
inline constexpr std::array kBlockerKindNames{
    EnumName<BlockerKind>{BlockerKind::lock, "lock"},
    EnumName<BlockerKind>{BlockerKind::transaction, "transaction"},
    EnumName<BlockerKind>{BlockerKind::metadata_lock, "metadata_lock"},
};

inline const char* blockerKindName(BlockerKind kind) {
    return nameOf(kBlockerKindNames, kind);
}

/// One thing that the applier waits for.
struct Blocker {
    double seconds = 0;
    BlockerKind kind = BlockerKind::lock;
    std::string connection;   ///< id of the connection that blocks; "" if unknown
    std::string text;         ///< the connection's user and the object; "" while the document is missing
    std::string digest = {};  ///< of the document with the text
};

/// One channel of a replica, as the replica reports it.
struct ReplicaChannel {
    TimestampMs at = 0;  ///< of the newest status
    Endpoint source;     ///< the primary's address or name; port 0 if unknown
    std::string source_server_id;
    std::string source_uuid;
    ReplicationThread receiver;
    ReplicationThread applier;
    std::optional<double> seconds_behind;  ///< the server's own figure, uncorrected
    double delay_seconds = 0;              ///< deliberate
    std::optional<double> last_heartbeat_age;
    /// Of the oldest transaction that is being applied: the replica's clock minus the primary's commit time.
    std::optional<double> applying_age;
    std::optional<double> last_event_age_source;   ///< MariaDB 11.8
    std::optional<double> last_event_age_applied;  ///< MariaDB 11.8
    std::vector<Blocker> blocked;
    std::vector<std::string> filters;
    Track read;      ///< received coordinates of the source's binary log
    Track executed;  ///< applied coordinates of the source's binary log
    Track heartbeats;
    GtidTracks received;
};

/// A row of the heartbeat table; its key is the id of the server that writes it.
struct HeartbeatRow {
    TimestampMs at = 0;  ///< of the reading
    double age = 0;      ///< the reading server's clock minus the row's time, in seconds
};

/// One MySQL or MariaDB, as its agent observes it.
struct Database {
    std::optional<bool> up;  ///< nothing without a recent report; false: its status could not be read
    TimestampMs heard = 0;   ///< of the newest report; 0 for never
    std::string failure;     ///< while it is not up: an error kind
    bool answered = false;   ///< the agent had a session, though it could not read everything
    std::string refusal;     ///< of the agent by a server that answers: "too_many_connections (error 1040)"
    bool mariadb = false;
    std::string version;
    std::string server_id;
    std::string server_uuid;
    std::optional<bool> log_bin;
    std::optional<bool> read_only;
    std::optional<bool> super_read_only;
    std::optional<bool> configured;  ///< has at least one channel
    /// The server's clock minus the collector's, and the error bound of that, in seconds.
    std::optional<double> clock;
    double clock_error = 0;
    std::map<std::string, ReplicaChannel> channels;  ///< by name
    Track written;                                   ///< coordinates of its own binary log
    Track written_bytes;                             ///< bytes written to its binary log, over all files
    GtidTracks executed;
    GtidTracks binlog_state;                         ///< MariaDB: by "domain-server id"
    std::map<std::string, HeartbeatRow> heartbeats;  ///< by server id
    std::optional<bool> heartbeat_writing;
    Track answering;  ///< `mysql_up` over time, as 1 and 0
    Track beating;    ///< `heartbeat_writing` over time, as 1 and 0
    std::string heartbeat_refused;
    std::optional<double> longest_transaction;  ///< age of the oldest open transaction, in seconds
    std::vector<std::string> missing_privileges;
    std::vector<CommitWait> waits;

    /// The server answers, even if only with a refusal.
    bool answers() const { return up == true || answered || !refusal.empty(); }
    /// The agent could not even ask: it may not open the socket or read the password.
    bool notAsked() const { return up == false && !answers() && failure == "denied"; }
    /// The agent reports that the server does not answer.
    bool isDown() const { return up == false && !answers() && !notAsked(); }
};

/// The last attempt of one host's agent to connect to another host's database.
struct ReachAttempt {
    ConnectResult result = ConnectResult::unknown;
    TimestampMs at = 0;
};

/// The databases of the site, as their agents report them. All times are the collector's.
struct Databases {
    TimestampMs now = 0;
    std::map<std::string, Database> servers;                            ///< by instance
    std::map<reach::Address, std::string> hosts;                        ///< instances by address
    std::map<std::pair<std::string, std::string>, ReachAttempt> reach;  ///< by instances: from, to
};

}  // namespace lapwing::analysis::evidence
