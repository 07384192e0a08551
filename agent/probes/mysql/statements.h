#pragma once

#include <string>

#include "agent/probes/mysql/parse.h"

namespace lapwing::agent::mysql {

/// The statements for a server's flavour and version, and the privileges that they need. Pure functions.

/// The replica's channels.
const char* replicaStatement(const Version& version);
/// The position of the server's own binary log.
const char* sourceStatement(const Version& version);
/// The replicas that registered with this server.
const char* replicasStatement(const Version& version);
/// The privilege (GRANT's word) for sourceStatement() and for SHOW BINARY LOGS.
const char* sourcePrivilege(const Version& version);

/// Once a session: commits of their own, no SQL mode, times in UTC, and no wait for a lock that another
/// statement holds.
std::string sessionStatement(const Version& version);

/// MySQL: receivers, coordinators and workers of all channels, from performance_schema; "" where there is no
/// such table (MariaDB).
std::string threadsStatement(const Version& version);

/// The locks that appliers wait for, and their holders. MySQL from 8.0 asks performance_schema; the others
/// InnoDB's tables, whose answer nameAppliersBlockers() completes from the list of processes.
std::string blockerStatement(const Version& version);
/// performance_schema has the locks that blockerStatement() asks for: MySQL from 8.0.
bool hasLockTables(const Version& version);
/// The holders of metadata locks: MariaDB with the plugin METADATA_LOCK_INFO. "" elsewhere.
std::string metadataLocksStatement(const Version& version);

/// performance_schema has the list of processes: MySQL from 8.0.22.
bool hasProcessTable(const Version& version, bool performance_schema);
/// The list of processes. The server needs no temporary table for it. Without PROCESS it shows the processes
/// of the own account only.
std::string processListStatement(const Version& version, bool performance_schema);

/// InnoDB's compressed pages by size, and those in the buffer pool. Both need PROCESS.
const char* compressionStatement();
const char* compressedPagesStatement();
/// A table of MariaDB's and Percona's plugin QUERY_RESPONSE_TIME: all statements, reads, or writes.
enum class ResponseTimes { all, reads, writes };
const char* responseTimesStatement(ResponseTimes kind);

/// The data of every second, in one statement.
struct PulseParts {
    /// The oldest transaction and, where hasProcessTable(), the dump threads: the account has PROCESS.
    bool process = false;
    bool performance_schema = false;  ///< MySQL: it is on
    std::string heartbeat;            ///< the table of heartbeats, quoted; "" to leave it out
};
std::string pulseStatement(const Version& version, const PulseParts& parts);
/// Asks for one part alone, so that a refusal shows which part is missing. Not empty if the part exists.
std::string processStatement(const Version& version, bool performance_schema);

}  // namespace lapwing::agent::mysql
