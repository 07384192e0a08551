#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/gtid.h"
#include "agent/probes/mysql/pulse.h"
#include "agent/probes/mysql/row.h"
#include "agent/probes/mysql/variables.h"
#include "common/database_states.h"
#include "common/digest.h"
#include "common/metric_names.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

/// The value of a column: as mysqld_exporter's, and 0 for every other state of a thread, and the number of a
/// binary or relay log's name ("binlog.000003").
std::optional<double> columnValue(std::string_view column, std::string_view text) {
    const auto ends = [&](std::string_view tail) {
        return column.size() > tail.size() && column.substr(column.size() - tail.size()) == tail;
    };
    if (const auto value = variableValue(text)) {
        return value;
    }
    if (ends("_running")) {
        return 0;
    }
    return ends("_log_file") ? logNumber(text) : std::nullopt;
}

std::string_view threadState(std::optional<std::string_view> value) {
    if (value == "Yes") {
        return "running";
    }
    if (value == "No") {
        return "stopped";
    }
    if (value == "Connecting" || value == "Preparing") {
        return "connecting";
    }
    return "unknown";
}

/// Returns the number of values that were left out.
std::size_t addColumns(const Table& table, const std::vector<std::optional<std::string>>& row,
                       const LabelList& labels, FamilyList& families) {
    // Each column has a second name.
    constexpr std::size_t most = 2 * std::size_t{200};
    std::size_t left_out = 0;
    std::vector<std::string> done;
    for (std::size_t i = 0; i < table.columns.size() && i < row.size(); ++i) {
        if (!row[i]) {
            continue;  // NULL is unknown, not 0
        }
        auto column = lower(table.columns[i]);
        const auto value = columnValue(column, *row[i]);
        if (!value) {
            continue;
        }
        if (!isValidMetricName(column) || column.size() > VariableFamilies::kLongestName ||
            done.size() >= most) {
            ++left_out;
            continue;
        }
        for (int generation = 0; generation < 2; ++generation) {
            if (std::find(done.begin(), done.end(), column) == done.end()) {
                families.addUntyped("mysql_slave_status_" + column, labels, *value);
                done.push_back(column);
            }
            replaceAll(column, "source", "master");
            replaceAll(column, "replica", "slave");
        }
    }
    return left_out;
}

void addErrors(const Row& channel, const LabelList& labels, FamilyList& families, ProbeResult& out) {
    struct Side {
        const char* thread;
        std::string_view number;
        std::string_view text;
    };
    for (const auto& side :
         {Side{"io", "Last_IO_Errno", "Last_IO_Error"}, Side{"sql", "Last_SQL_Errno", "Last_SQL_Error"}}) {
        const auto number = channel.number({side.number});
        if (!number || *number == 0) {
            continue;
        }
        auto text = channel.text({side.text});
        auto all = labels;
        all.push_back({"thread", side.thread});
        all.push_back({"errno", std::to_string(static_cast<long long>(*number))});
        all.push_back({"digest", text.empty() ? std::string() : sha256(text)});
        families.add(metric::kMysqlReplicaErrorInfo, all, 1);
        if (!text.empty()) {
            out.documents.push_back({"mysql_error", std::move(text)});
        }
    }
}

/// The reason for which a thread waits, where its state names one.
void addWaitReasons(const Row& channel, const LabelList& labels, FamilyList& families) {
    const auto io = channel.text({"Slave_IO_State", "Replica_IO_State"});
    const auto sql =
        channel.text({"Slave_SQL_Running_State", "Replica_SQL_Running_State", "Slave_SQL_State"});
    for (const auto& [thread, state] : {std::pair{"io", io}, std::pair{"sql", sql}}) {
        const auto* known = database::knownState(state);
        if (known == nullptr) {
            continue;
        }
        auto all = labels;
        all.push_back({"thread", thread});
        all.push_back({"reason", database::waitReasonName(known->reason)});
        all.push_back({"state", state});
        families.add(metric::kMysqlReplicaWaitInfo, all, 1);
    }
}

void addVerdict(const Row& channel, const LabelList& labels, FamilyList& families) {
    const auto io = threadState(channel.get({"Slave_IO_Running", "Replica_IO_Running"}));
    const auto sql = threadState(channel.get({"Slave_SQL_Running", "Replica_SQL_Running"}));
    for (const auto& [thread, state] : {std::pair{"io", io}, std::pair{"sql", sql}}) {
        auto all = labels;
        all.push_back({"thread", thread});
        all.push_back({"state", std::string(state)});
        families.add(metric::kMysqlReplicaThreadState, all, 1);
    }
    const double delay = std::max(0.0, channel.number({"SQL_Delay"}).value_or(0));
    families.add(metric::kMysqlReplicaDelaySeconds, labels, delay);
    // With its receiver stopped a replica still computes the lag from the events that it has; the lag behind
    // the primary is unknown.
    const auto behind = channel.number({"Seconds_Behind_Master", "Seconds_Behind_Source"});
    const bool known = behind && io == "running" && sql == "running";
    families.add(metric::kMysqlReplicaLagKnown, labels, known ? 1 : 0);
    if (known) {
        families.add(metric::kMysqlReplicaLagSeconds, labels, std::max(0.0, *behind - delay));
    }
}

/// Valid UTF-8, or "".
std::string label(const Row& channel, std::initializer_list<std::string_view> names) {
    auto text = channel.text(names);
    return isValidUtf8(text) ? text : std::string();
}

void addSource(const Row& channel, const LabelList& labels, FamilyList& families) {
    auto all = labels;
    all.push_back({"source_host", label(channel, {"Master_Host", "Source_Host"})});
    all.push_back({"source_port", label(channel, {"Master_Port", "Source_Port"})});
    all.push_back({"source_server_id", label(channel, {"Master_Server_Id", "Source_Server_Id"})});
    all.push_back({"source_uuid", label(channel, {"Master_UUID", "Source_UUID"})});
    const bool automatic = channel.text({"Auto_Position"}) == "1";
    all.push_back({"using_gtid", channel.get({"Using_Gtid"}) ? label(channel, {"Using_Gtid"})
                                 : automatic                 ? "Auto_Position"
                                                             : "No"});
    families.add(metric::kMysqlReplicaSourceInfo, all, 1);
}

struct Coordinates {
    std::optional<double> read_file;
    std::optional<double> read;
    std::optional<double> exec_file;
    std::optional<double> exec;
};

Coordinates coordinatesOf(const Row& channel) {
    return {logNumber(channel.text({"Master_Log_File", "Source_Log_File"})),
            channel.number({"Read_Master_Log_Pos", "Read_Source_Log_Pos"}),
            logNumber(channel.text({"Relay_Master_Log_File", "Relay_Source_Log_File"})),
            channel.number({"Exec_Master_Log_Pos", "Exec_Source_Log_Pos"})};
}

void addProgress(const Row& channel, const LabelList& labels, FamilyList& families) {
    const auto at = coordinatesOf(channel);
    const auto add = [&](const char* name, std::optional<double> value) {
        if (value) {
            families.add(name, labels, *value);
        }
    };
    // Without a file (not connected yet) the position says nothing.
    if (at.read_file) {
        add(metric::kMysqlReplicaReadFileNumber, at.read_file);
        add(metric::kMysqlReplicaReadPositionBytes, at.read);
    }
    if (at.exec_file) {
        add(metric::kMysqlReplicaExecFileNumber, at.exec_file);
        add(metric::kMysqlReplicaExecPositionBytes, at.exec);
    }
    add(metric::kMysqlReplicaRelayLogBytes, channel.number({"Relay_Log_Space"}));
    if (const auto heartbeats = channel.number({"Slave_received_heartbeats"})) {
        families.addCounter(metric::kMysqlReplicaReceivedHeartbeatsTotal, labels, *heartbeats);
    }
}

void addLastEvents(const Row& channel, double now, const LabelList& labels, FamilyList& families) {
    for (const auto& [side, column] :
         {std::pair{"source", "Master_last_event_time"}, std::pair{"applied", "Slave_last_event_time"}}) {
        const auto at = parseTimestamp(channel.text({column}));
        if (!at) {
            continue;
        }
        auto all = labels;
        all.push_back({"side", side});
        families.add(metric::kMysqlReplicaLastEventAgeSeconds, all, now - *at);
    }
}

void addFilters(const Table& table, const Row& channel, const LabelList& labels, FamilyList& families) {
    constexpr std::size_t longest = 200;
    for (const auto& name : table.columns) {
        auto column = lower(name);
        if (column.compare(0, 10, "replicate_") != 0) {
            continue;
        }
        auto value = label(channel, {name});
        if (value.empty()) {
            continue;
        }
        if (value.size() > longest) {
            value = std::to_string(value.size()) + " bytes";
        }
        auto all = labels;
        column.append("=").append(value);
        all.push_back({"filter", column});
        families.add(metric::kMysqlReplicaFiltersInfo, all, 1);
    }
}

/// Equal names of two rows would make duplicate series, and names that are not UTF-8 invalid ones. Returns
/// the number of rows beyond the bound.
template <class Each>
std::size_t forEachChannel(const Table& table, Each each) {
    std::vector<std::string> seen;
    std::size_t beyond = 0;
    for (const auto& row : table.rows) {
        const Row channel(table, row);
        const auto connection = channel.text({"Connection_name"});
        const auto name = connection.empty() ? channel.text({"Channel_Name"}) : connection;
        if (!isValidUtf8(name) || std::find(seen.begin(), seen.end(), name) != seen.end()) {
            continue;
        }
        if (seen.size() >= kMostChannels) {
            ++beyond;
            continue;
        }
        seen.push_back(name);
        each(name, channel, row);
    }
    return beyond;
}

}  // namespace

std::vector<ChannelState> channelStates(const Table& table) {
    std::vector<ChannelState> out;
    forEachChannel(table, [&](const std::string& name, const Row& channel, const auto&) {
        const auto at = coordinatesOf(channel);
        ChannelState state;
        state.name = name;
        state.receiver_runs =
            threadState(channel.get({"Slave_IO_Running", "Replica_IO_Running"})) == "running";
        state.applier_runs =
            threadState(channel.get({"Slave_SQL_Running", "Replica_SQL_Running"})) == "running";
        state.backlog =
            at.read_file && at.exec_file && (*at.read_file != *at.exec_file || at.read != at.exec);
        state.applied = channel.text({"Relay_Master_Log_File", "Relay_Source_Log_File"}) + ":" +
                        channel.text({"Exec_Master_Log_Pos", "Exec_Source_Log_Pos"});
        out.push_back(std::move(state));
    });
    return out;
}

std::size_t parseReplicaStatus(const Table& table, const ReplicaContext& context, ProbeResult& out) {
    std::size_t left_out = 0;
    FamilyList families(out.families, "Of the replica's status.");
    families.add(metric::kMysqlReplicaConfigured, {}, table.rows.empty() ? 0 : 1);
    const auto beyond =
        forEachChannel(table, [&](const std::string& name, const Row& channel, const auto& row) {
            left_out += addColumns(table, row,
                                   {{"channel_name", channel.text({"Channel_Name"})},
                                    {"connection_name", channel.text({"Connection_name"})},
                                    {"master_host", label(channel, {"Master_Host", "Source_Host"})},
                                    {"master_uuid", label(channel, {"Master_UUID", "Source_UUID"})}},
                                   families);
            const LabelList labels = {{"channel_name", name}};
            addVerdict(channel, labels, families);
            addWaitReasons(channel, labels, families);
            addErrors(channel, labels, families, out);
            addSource(channel, labels, families);
            addProgress(channel, labels, families);
            if (context.now) {
                addLastEvents(channel, *context.now, labels, families);
            }
            if (context.whole) {
                addFilters(table, channel, labels, families);
            }
            addGtids(parseGtidSet(channel.text({"Retrieved_Gtid_Set"})), "received", families, name);
            // Without GTIDs in use the column stays where it was.
            if (channel.text({"Using_Gtid"}) != "No") {
                std::map<std::string, GtidPosition> domains;
                mergeGtidList(channel.text({"Gtid_IO_Pos"}), domains);
                addGtids(domains, "received", families, name);
            }
        });
    return left_out + beyond * table.columns.size();
}

}  // namespace lapwing::agent::mysql
