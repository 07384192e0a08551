#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/gtid.h"
#include "agent/probes/mysql/heartbeat.h"
#include "agent/probes/mysql/parse.h"

namespace lapwing::agent::mysql {

/// The answer to pulseStatement(). Absent values were not asked for, or not answered.
struct Pulse {
    std::optional<double> utc;  ///< the server's clock, Unix seconds
    std::optional<bool> read_only;
    std::optional<bool> super_read_only;
    std::map<std::string, GtidCount> executed;      ///< MySQL, by source
    std::map<std::string, GtidPosition> positions;  ///< MariaDB, by domain: its binary log and its replica's
    std::vector<Gtid> binlog_state;      ///< MariaDB: the last of each domain and server in its binary log
    std::optional<double> dump_threads;  ///< only where hasProcessTable()
    std::optional<double> registered_replicas;  ///< MariaDB
    std::optional<double> longest_transaction;  ///< seconds; 0 if none runs
    std::optional<std::vector<HeartbeatRow>> heartbeats;
};

/// Pure functions.
Pulse parsePulse(const Table& table);
/// The pulse as metrics. `offset` is the server's clock minus the host's, where it was measured well enough.
void addPulse(const Pulse& pulse, std::optional<double> offset, Families& out);

void addDumpThreads(double count, Families& out);

/// Unix seconds of "2026-11-25 16:00:00.123456" or with a T between, in UTC; nothing for malformed times.
std::optional<double> parseTimestamp(std::string_view text);
/// The inverse, to a microsecond: "2026-11-25 16:00:00.123456".
std::string formatTimestamp(double unix_seconds);

}  // namespace lapwing::agent::mysql
