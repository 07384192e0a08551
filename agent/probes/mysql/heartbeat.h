#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/parse.h"

namespace lapwing::agent::mysql {

/// The heartbeat: a row that changes once a second on the primary and reaches the replicas like all data.
/// Its table has pt-heartbeat's layout. This file decides and builds the statements; beater.h runs them.
/// Pure functions.

enum class HeartbeatMode {
    automatic,      ///< beats where the server is writable, no replica, and no recent replica
    off,            ///< neither reads nor beats
    read,           ///< reads only: something else (pt-heartbeat) writes
    primary,        ///< declared: beats where the server is writable and no replica
    multi_primary,  ///< declared: beats where the server is writable, even if it is a replica
};

struct HeartbeatSettings {
    HeartbeatMode mode = HeartbeatMode::automatic;
    std::string database = "lapwing";
    std::string table = "heartbeat";

    /// "`lapwing`.`heartbeat`"
    std::string quoted() const;
};

struct HeartbeatRow {
    std::string server_id;
    double at = 0;  ///< Unix seconds
};

/// Reads the column `heartbeats` of the pulse: lines of server id and time. Malformed lines are left out.
std::vector<HeartbeatRow> parseHeartbeats(std::string_view text);

/// Why this agent does not beat; `reason` of lapwing_mysql_heartbeat_refused_info.
enum class HeartbeatRefusal { none, off, no_table, no_grant, read_only, has_channel, not_primary, waiting };
const char* heartbeatRefusalName(HeartbeatRefusal refusal);

/// The observations half a second before the beat.
struct HeartbeatFacts {
    HeartbeatMode mode = HeartbeatMode::automatic;
    HeartbeatRefusal table = HeartbeatRefusal::none;  ///< no_table or no_grant
    bool read_only = true;
    std::size_t channels = 1;
    /// It had a channel, or the freshest row came from another server: a former replica, which may be about
    /// to become one again. It then counts as the primary only if it has a replica of its own.
    bool was_replica = true;
    std::optional<bool> has_replicas;
    /// An earlier beat still waits for its answer, perhaps that of an agent that has ended since.
    bool waiting = false;
};
HeartbeatRefusal mayBeat(const HeartbeatFacts& facts);

/// True if the freshest row is more than two beats newer and another server's.
bool othersBeatLast(const std::vector<HeartbeatRow>& rows, const std::string& server_id);

/// One beat. The server itself checks again that it is writable and, where it can, that it has no channel,
/// in the same statement: so nothing can happen between the check and the write, however long the statement
/// waited. A statement that arrives after `expires` changes nothing: the earlier checks are then out of
/// date.
struct Beat {
    std::string server_id;
    double expires = 0;  ///< Unix seconds by the server's clock
    std::string file;    ///< its binary log; "" without one
    std::string position;
    bool guard_read_only =
        false;  ///< not where the statement itself is replicated: a replica would ask itself
    bool guard_channels = false;
};
std::string beatStatement(const HeartbeatSettings& settings, const Beat& beat, bool first);
/// The text that every beatStatement() of the quoted table begins with, and no other writer's statement.
std::string beatBeginning(const std::string& quoted_table, bool first);

/// The beat as one statement that this server accepts. `by_statement`: binlog_format is STATEMENT.
bool canGuardReadOnly(bool by_statement);
bool canGuardChannels(const Version& version, bool performance_schema, bool by_statement);

/// The metrics of the rows: each row's time, and its age by the server's own clock.
void addHeartbeats(const std::vector<HeartbeatRow>& rows, std::optional<double> now, Families& out);

}  // namespace lapwing::agent::mysql
