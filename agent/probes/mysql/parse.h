#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/probe.h"
#include "common/database_states.h"

namespace lapwing::agent::mysql {

/// From the answers of MySQL and MariaDB to mysqld_exporter's metrics. Pure functions. Columns and variables
/// are found by name, never by position.

using Families = std::vector<prometheus::MetricFamily>;

struct Version {
    bool mariadb = false;
    int major = 0;
    int minor = 0;
    int patch = 0;
    bool atLeast(int a, int b, int c) const;
};
/// "10.11.6-MariaDB-0+deb12u1-log", "8.0.36", "5.5.5-10.4.2-MariaDB" (as MariaDB presents itself to old
/// clients). 0.0.0 for malformed texts.
Version parseVersion(std::string_view text);

/// mysql_version_info; `variables` is the answer to SHOW GLOBAL VARIABLES.
void addVersion(std::string_view version, std::string_view comment, const Table& variables, Families& out);
/// mysql_transaction_isolation.
void addIsolation(const Table& variables, Families& out);
/// mysql_galera_*, from SHOW GLOBAL STATUS and SHOW GLOBAL VARIABLES.
void addGalera(const Table& status, const Table& variables, Families& out);

/// mysql_info_schema_innodb_cmp_*: InnoDB's compressed pages by size.
void parseCompression(const Table& table, Families& out);
/// mysql_info_schema_innodb_cmpmem_*: the same in the buffer pool. The columns are times in milliseconds.
void parseCompressedPages(const Table& table, Families& out);
/// Of either; further rows are left out. Page sizes are five, and MySQL has at most 64 buffer pools.
constexpr std::size_t kMostPageSizes = 5 * std::size_t{64};
/// A histogram of statements by duration in seconds, from a table of the plugin QUERY_RESPONSE_TIME.
void parseResponseTimes(const Table& table, const std::string& family, Families& out);
/// Further rows are left out. The plugin makes at most 42.
constexpr std::size_t kMostBuckets = 100;

/// Whether replicas read from the server, from SHOW GLOBAL STATUS; nothing on MySQL, which does not show it
/// there.
std::optional<bool> slavesConnected(const Table& status);
/// From the same answers: lapwing_mysql_server_info and lapwing_mysql_semi_sync.
void parseServerInfo(const Version& version, std::string_view version_text, const Table& variables,
                     Families& out);
void parseSemiSync(const Table& status, Families& out);

struct ReplicaContext {
    std::optional<double> now;  ///< the server's clock, Unix seconds, if its session's zone is UTC
    bool whole = true;          ///< with the parts that change seldom: filters
};
/// The replica's channels: mysql_slave_status_* for every column with a number, Yes as 1 and any other state
/// of a thread as 0, and lapwing_mysql_replica_*. NULL is absent. MySQL's newer column names (Source,
/// Replica) also appear under the older ones (Master, Slave), so that dashboards and rules of either kind
/// hold. Error texts become documents of kind "mysql_error". Returns the number of values without a series:
/// those of channels beyond the bound, and of columns whose names do not fit.
std::size_t parseReplicaStatus(const Table& table, const ReplicaContext& context, ProbeResult& out);
/// Further channels are left out. MySQL has at most 256, MariaDB 64.
constexpr std::size_t kMostChannels = 256;

/// A connection of the server's list of processes, or one of its own threads.
struct Process {
    std::string id;
    std::string user;  ///< "system user" for the threads of replication
    std::string host;
    std::string command;    ///< "Query", "Sleep", "Binlog Dump"
    std::string state;      ///< the server's text
    std::string statement;  ///< the first 100 bytes; "" between statements
    double seconds = 0;     ///< in this state
};
/// Reads the answer to processListStatement().
std::vector<Process> parseProcesses(const Table& table);
/// The number of connections that read the binary log: replicas and copies of the log.
double dumpThreads(const std::vector<Process>& processes);

enum class WaitingParty {
    clients,
    heartbeat,  ///< a write of the heartbeat, by this agent or one before it
    agent,      ///< a statement of the agent that the server refused
};
/// A statement that cannot finish.
struct Wait {
    std::string id;  ///< of its connection
    database::WaitReason reason = database::WaitReason::other;
    std::string state;  ///< the server's text
    double seconds = 0;
    WaitingParty who = WaitingParty::clients;
};
/// Finds the statements that cannot finish: the clients' that wait for a reason which stops commits, the
/// writes of the heartbeat (`heartbeat`: its table, quoted; "" for none), and the statement of the connection
/// `own`.
std::vector<Wait> findWaits(const std::vector<Process>& processes, const std::string& heartbeat,
                            const std::string& own);
/// True if the server refused a statement for want of disk space.
bool saysDiskFull(const Refusal& refusal);
/// lapwing_mysql_waiting_*. `own` is the connection of the beats, whose write has waited for `pending`
/// seconds; nothing if it does not wait.
void addWaits(const std::vector<Wait>& waits, const std::string& own, std::optional<double> pending,
              Families& out);

/// The known progress of a channel, for further statements.
struct ChannelState {
    std::string name;
    bool applier_runs = false;
    bool receiver_runs = false;
    bool backlog = false;  ///< it has received more than it has applied
    std::string applied;   ///< its place in the source's binary log: changes as it applies
};
std::vector<ChannelState> channelStates(const Table& table);

/// The server's own binary log, as mysqld_exporter's metrics and ours. Nothing without a binary log.
struct BinlogPlace {
    std::string file;
    double number = 0;
    double position = 0;
};
std::optional<BinlogPlace> parseBinlogPlace(const Table& table);
void addBinlogPlace(const BinlogPlace& place, Families& out);

/// SHOW BINARY LOGS: name and size of each file.
struct BinlogFile {
    double number = 0;
    double bytes = 0;
};
std::vector<BinlogFile> parseBinaryLogs(const Table& table);
void addBinaryLogs(const std::vector<BinlogFile>& files, Families& out);

/// Bytes written to the binary log, over changes of file. Starts at 0.
class BinlogCounter {
  public:
    /// True if the list of files is needed to compute the written bytes: the log has changed to another
    /// file.
    bool needsFiles(const BinlogPlace& place) const;
    /// `files` may be empty: then the bytes written to earlier files since the last call are unknown and
    /// left out. A log that begins anew (RESET) begins at 0.
    double update(const BinlogPlace& place, const std::vector<BinlogFile>& files);

  private:
    std::optional<BinlogPlace> last_;
    double written_ = 0;
};

/// The replicas that registered with this server.
void parseReplicas(const Table& table, Families& out);

/// Reads the answer to threadsStatement(). `channels` tells which channels run and have applied all received
/// transactions.
void parseThreads(const Table& table, const std::vector<ChannelState>& channels, ProbeResult& out);

}  // namespace lapwing::agent::mysql
