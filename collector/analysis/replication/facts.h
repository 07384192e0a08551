#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/replication/track.h"
#include "collector/analysis/site.h"

namespace lapwing::analysis::replication {

/// A position in a binary log as one number that grows: the file's number, then the byte.
inline constexpr int kFileShift = 40;
inline std::int64_t coordinate(double file, double position) {
    return (static_cast<std::int64_t>(file) << kFileShift) + static_cast<std::int64_t>(position);
}

/// Tracks of GTIDs: by domain on MariaDB, by source UUID (with its tag) on MySQL, of which the value counts
/// the transactions.
using GtidTracks = std::map<std::string, Track>;

struct ThreadError {
    int number = 0;
    std::string text;  ///< the server's own words; "" where they have not arrived
};

/// The receiver (I/O thread) or the applier (SQL thread).
struct ThreadFacts {
    std::string state = "unknown";  ///< "running", "connecting", "stopped", "unknown"
    std::vector<ThreadError> errors;
};

/// What the applier waits for.
struct BlockedFact {
    double seconds = 0;
    std::string kind;     ///< "lock", "transaction", "metadata_lock"
    std::string blocker;  ///< connection id
    std::string text;     ///< who, on what; "" where it has not arrived
};

/// One channel of a replica, as the replica tells it.
struct ChannelFacts {
    TimestampMs at = 0;  ///< of the newest status
    std::string source_host;
    std::string source_port;
    std::string source_server_id;
    std::string source_uuid;
    ThreadFacts receiver;
    ThreadFacts applier;
    std::optional<double> seconds_behind;  ///< the server's own, as it is
    double delay_seconds = 0;              ///< deliberate
    std::optional<double> relay_log_bytes;
    std::optional<double> last_heartbeat_age;
    std::optional<double> applying_age;  ///< of the oldest transaction that is being applied; by two clocks
    std::optional<double> last_event_age_source;   ///< MariaDB 11.8
    std::optional<double> last_event_age_applied;  ///< MariaDB 11.8
    std::vector<BlockedFact> blocked;
    std::vector<std::string> filters;
    Track read;      ///< coordinates in the source's binary log, received
    Track executed;  ///< coordinates in the source's binary log, applied
    Track heartbeats;
    GtidTracks received;
};

/// A row of the heartbeat table, by the id of the server that writes it.
struct HeartbeatFact {
    TimestampMs at = 0;
    double age = 0;  ///< the reading server's own now minus the row's time
};

/// One MySQL or MariaDB, as its agent sees it.
struct DatabaseFacts {
    std::optional<bool> up;  ///< nothing: not heard of lately
    TimestampMs heard = 0;   ///< when it was heard of last; 0 for never
    std::string failure;     ///< why it is not up: an error kind
    bool mariadb = false;
    std::string version;
    std::string server_id;
    std::string server_uuid;
    std::optional<bool> log_bin;
    std::optional<bool> read_only;
    std::optional<bool> super_read_only;
    std::optional<bool> configured;  ///< has at least one channel
    /// The server's clock minus the collector's, in seconds, and how wrong that may be.
    std::optional<double> clock;
    double clock_error = 0;
    std::map<std::string, ChannelFacts> channels;
    Track written;        ///< coordinates in its own binary log
    Track written_bytes;  ///< bytes written to it, over all files
    GtidTracks executed;
    GtidTracks binlog_state;                          ///< MariaDB: by "domain-server id"
    std::map<std::string, HeartbeatFact> heartbeats;  ///< by server id
    std::optional<bool> heartbeat_writing;
    std::string heartbeat_refused;
    std::optional<double> longest_transaction;
    std::vector<std::string> missing_privileges;
};

/// The last attempt of one host's agent to connect to another's database.
struct ReachFact {
    std::string result;  ///< "open", "refused", "silent", ...
    TimestampMs at = 0;
};

/// What was last said of a channel.
struct PreviousFact {
    std::string primary;
    std::string state;  ///< the last one that was not "unknown", if there was any
    std::string cause;
};

/// Everything that a verdict looks at. All times are the collector's.
struct Databases {
    TimestampMs now = 0;
    std::map<std::string, DatabaseFacts> servers;                    ///< by instance
    std::map<std::string, std::string> hosts;                        ///< address to instance
    std::map<std::pair<std::string, std::string>, ReachFact> reach;  ///< from, to
    std::vector<Site::Pair> declared;
    std::map<std::pair<std::string, std::string>, PreviousFact> previous;  ///< by replica and channel
};

}  // namespace lapwing::analysis::replication
