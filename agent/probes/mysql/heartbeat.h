#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/parse.h"

namespace lapwing::agent::mysql {

/// The heartbeat: a row that changes once a second where data is written, and arrives at the replicas as all
/// data does. Its table has pt-heartbeat's layout. This file decides and words; beater.h does it. Pure
/// functions.

enum class HeartbeatMode {
    automatic,  ///< beats where the server is writable and no replica, and has not been one until just now
    off,        ///< neither reads nor beats
    read,       ///< reads only: something else (pt-heartbeat) writes
    primary,    ///< declared: beats wherever the server is writable and no replica
    multi_primary,  ///< declared: beats wherever the server is writable, though it is a replica, too
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

/// The column `heartbeats` of the pulse: lines of server id and time. Lines that are not are left out.
std::vector<HeartbeatRow> parseHeartbeats(std::string_view text);

/// Why this agent does not beat; `reason` of lapwing_mysql_heartbeat_refused_info.
enum class HeartbeatRefusal { none, off, no_table, no_grant, read_only, has_channel, not_primary };
const char* heartbeatRefusalName(HeartbeatRefusal refusal);

/// What was seen half a second before the beat.
struct HeartbeatFacts {
    HeartbeatMode mode = HeartbeatMode::automatic;
    HeartbeatRefusal table = HeartbeatRefusal::none;  ///< no_table or no_grant
    bool read_only = true;
    std::size_t channels = 1;
    /// It had a channel, or the freshest row came from another server: a former replica, which may be about
    /// to become one again. Then only a replica of its own shows that it is the primary now.
    bool was_replica = true;
    std::optional<bool> has_replicas;
};
HeartbeatRefusal mayBeat(const HeartbeatFacts& facts);

/// True if the freshest row is another server's, by more than two beats.
bool othersBeatLast(const std::vector<HeartbeatRow>& rows, const std::string& server_id);

/// One beat. The server itself looks again at whether it is writable and, where it can, has no channel: in
/// the same statement, so that nothing comes between, however long it waited. A statement that arrives after
/// `expires` changes nothing: the looks before it are out of date.
struct Beat {
    std::string server_id;
    double expires = 0;  ///< Unix seconds by the server's clock
    std::string file;    ///< of its binary log; "" if it has none
    std::string position;
    bool guard_read_only =
        false;  ///< not where the statement itself is replicated: a replica would ask itself
    bool guard_channels = false;
};
std::string beatStatement(const HeartbeatSettings& settings, const Beat& beat, bool first);

/// What this server takes in one statement. `by_statement`: binlog_format is STATEMENT.
bool canGuardReadOnly(bool by_statement);
bool canGuardChannels(const Version& version, bool performance_schema, bool by_statement);

/// As metrics: each row's time, and its age by the server's own clock.
void addHeartbeats(const std::vector<HeartbeatRow>& rows, std::optional<double> now, Families& out);

}  // namespace lapwing::agent::mysql
