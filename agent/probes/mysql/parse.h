#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::mysql {

/// From what MySQL and MariaDB answer to mysqld_exporter's metrics. Pure functions; columns and variables are
/// found by name, never by place.

using Families = std::vector<prometheus::MetricFamily>;

struct Version {
    bool mariadb = false;
    int major = 0;
    int minor = 0;
    int patch = 0;
    bool atLeast(int a, int b, int c) const;
};
/// "10.11.6-MariaDB-0+deb12u1-log", "8.0.36", "5.5.5-10.4.2-MariaDB" (as MariaDB presents itself to old
/// clients). 0.0.0 for what is no version.
Version parseVersion(std::string_view text);

/// The statement that shows the replica's channels: `SHOW ALL SLAVES STATUS` on MariaDB, `SHOW REPLICA
/// STATUS` from MySQL 8.0.22 on, `SHOW SLAVE STATUS` before.
const char* replicaStatement(const Version& version);

/// `SHOW GLOBAL STATUS` for the variables that are kept, and its answer as mysql_global_status_*.
const std::string& globalStatusStatement();
void parseGlobalStatus(const Table& table, Families& out);
/// The same for mysql_global_variables_*: ON is 1, OFF is 0.
const std::string& globalVariablesStatement();
void parseGlobalVariables(const Table& table, Families& out);

/// The replica's channels: mysql_slave_status_* for every column with a number, Yes as 1 and anything else of
/// a thread's state as 0, and lapwing_mysql_replica_*. What is NULL is absent. MySQL's newer column names
/// (Source, Replica) also appear under the older ones (Master, Slave), so that dashboards and rules of either
/// kind hold. Error texts become documents of kind "mysql_error".
void parseReplicaStatus(const Table& table, ProbeResult& out);

}  // namespace lapwing::agent::mysql
