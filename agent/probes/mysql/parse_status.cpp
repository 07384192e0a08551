#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/probes/mysql/parse.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

struct Variable {
    std::string_view name;
    bool counts = true;
};

// The variables (of some five hundred) that tell of health, load or limits. mysqld_exporter's names follow
// from them by rule, see add().
constexpr auto kStatus = std::to_array<Variable>({
    {"Aborted_clients"},
    {"Aborted_connects"},
    {"Access_denied_errors"},
    {"Binlog_cache_disk_use"},
    {"Binlog_cache_use"},
    {"Binlog_bytes_written"},
    {"Bytes_received"},
    {"Bytes_sent"},
    {"Com_begin"},
    {"Com_call_procedure"},
    {"Com_commit"},
    {"Com_delete"},
    {"Com_delete_multi"},
    {"Com_insert"},
    {"Com_insert_select"},
    {"Com_load"},
    {"Com_replace"},
    {"Com_replace_select"},
    {"Com_rollback"},
    {"Com_select"},
    {"Com_set_option"},
    {"Com_show_status"},
    {"Com_update"},
    {"Com_update_multi"},
    {"Connection_errors_accept"},
    {"Connection_errors_internal"},
    {"Connection_errors_max_connections"},
    {"Connection_errors_peer_address"},
    {"Connection_errors_select"},
    {"Connections"},
    {"Created_tmp_disk_tables"},
    {"Created_tmp_files"},
    {"Created_tmp_tables"},
    {"Handler_commit"},
    {"Handler_delete"},
    {"Handler_read_first"},
    {"Handler_read_key"},
    {"Handler_read_next"},
    {"Handler_read_prev"},
    {"Handler_read_rnd"},
    {"Handler_read_rnd_next"},
    {"Handler_rollback"},
    {"Handler_update"},
    {"Handler_write"},
    {"Innodb_buffer_pool_bytes_data", false},
    {"Innodb_buffer_pool_bytes_dirty", false},
    {"Innodb_buffer_pool_pages_data", false},
    {"Innodb_buffer_pool_pages_dirty", false},
    {"Innodb_buffer_pool_pages_flushed"},
    {"Innodb_buffer_pool_pages_free", false},
    {"Innodb_buffer_pool_pages_misc", false},
    {"Innodb_buffer_pool_pages_total", false},
    {"Innodb_buffer_pool_read_requests"},
    {"Innodb_buffer_pool_reads"},
    {"Innodb_buffer_pool_wait_free"},
    {"Innodb_buffer_pool_write_requests"},
    {"Innodb_checkpoint_age", false},
    {"Innodb_checkpoint_max_age", false},
    {"Innodb_data_fsyncs"},
    {"Innodb_data_pending_fsyncs", false},
    {"Innodb_data_pending_reads", false},
    {"Innodb_data_pending_writes", false},
    {"Innodb_data_read"},
    {"Innodb_data_reads"},
    {"Innodb_data_writes"},
    {"Innodb_data_written"},
    {"Innodb_deadlocks"},
    {"Innodb_history_list_length", false},
    {"Innodb_log_waits"},
    {"Innodb_log_writes"},
    {"Innodb_os_log_written"},
    {"Innodb_page_size", false},
    {"Innodb_row_lock_current_waits", false},
    {"Innodb_row_lock_time"},
    {"Innodb_row_lock_waits"},
    {"Innodb_rows_deleted"},
    {"Innodb_rows_inserted"},
    {"Innodb_rows_read"},
    {"Innodb_rows_updated"},
    {"Max_statement_time_exceeded"},
    {"Max_used_connections", false},
    {"Memory_used", false},
    {"Open_files", false},
    {"Open_table_definitions", false},
    {"Open_tables", false},
    {"Opened_tables"},
    {"Prepared_stmt_count", false},
    {"Queries"},
    {"Questions"},
    {"Rows_read"},
    {"Rows_sent"},
    {"Rpl_semi_sync_master_clients", false},
    {"Rpl_semi_sync_master_no_tx"},
    {"Rpl_semi_sync_master_status", false},
    {"Rpl_semi_sync_master_yes_tx"},
    {"Rpl_semi_sync_slave_status", false},
    {"Rpl_semi_sync_replica_status", false},
    {"Rpl_semi_sync_source_clients", false},
    {"Rpl_semi_sync_source_status", false},
    {"Select_full_join"},
    {"Select_scan"},
    {"Slave_heartbeat_period", false},
    {"Slave_open_temp_tables", false},
    {"Slave_received_heartbeats"},
    {"Slave_retried_transactions"},
    {"Slaves_connected", false},
    {"Slaves_running", false},
    {"Slow_queries"},
    {"Sort_merge_passes"},
    {"Sort_rows"},
    {"Table_locks_immediate"},
    {"Table_locks_waited"},
    {"Table_open_cache_hits"},
    {"Table_open_cache_misses"},
    {"Table_open_cache_overflows"},
    {"Threads_cached", false},
    {"Threads_connected", false},
    {"Threads_created"},
    {"Threads_running", false},
    {"Uptime", false},
    {"Uptime_since_flush_status", false},
});

constexpr auto kVariables = std::to_array<std::string_view>({
    "binlog_expire_logs_seconds",
    "binlog_format",
    "connect_timeout",
    "expire_logs_days",
    "gtid_domain_id",
    "gtid_mode",
    "gtid_strict_mode",
    "innodb_buffer_pool_size",
    "innodb_flush_log_at_trx_commit",
    "innodb_log_file_size",
    "innodb_redo_log_capacity",
    "interactive_timeout",
    "lock_wait_timeout",
    "log_bin",
    "log_slave_updates",
    "log_replica_updates",
    "long_query_time",
    "max_binlog_size",
    "max_connect_errors",
    "max_connections",
    "max_user_connections",
    "offline_mode",
    "open_files_limit",
    "performance_schema",
    "relay_log_recovery",
    "replica_parallel_workers",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_slave_enabled",
    "rpl_semi_sync_replica_enabled",
    "rpl_semi_sync_source_enabled",
    "server_id",
    "server_uuid",
    "slave_net_timeout",
    "replica_net_timeout",
    "slave_parallel_threads",
    "slave_parallel_workers",
    "slow_query_log",
    "sync_binlog",
    "sync_relay_log",
    "table_definition_cache",
    "table_open_cache",
    "thread_cache_size",
    "wait_timeout",
});

/// Groups that mysqld_exporter turns into one family with a label.
struct Group {
    std::string_view prefix;
    const char* family;
    const char* label;
};
constexpr std::array<Group, 5> kGroups = {{
    {"com_", "mysql_global_status_commands_total", "command"},
    {"handler_", "mysql_global_status_handlers_total", "handler"},
    {"connection_errors_", "mysql_global_status_connection_errors_total", "error"},
    {"innodb_rows_", "mysql_global_status_innodb_row_ops_total", "operation"},
    {"innodb_buffer_pool_pages_", "mysql_global_status_buffer_pool_pages", "state"},
}};

/// An answer's first two columns: name and value.
template <class Each>
void forEachVariable(const Table& table, Each each) {
    for (const auto& row : table.rows) {
        if (row.size() < 2 || !row[0] || !row[1]) {
            continue;
        }
        each(lower(*row[0]), std::string_view(*row[1]));
    }
}

std::optional<double> variableValue(std::string_view text) {
    if (const auto number = toNumber(text)) {
        return number;
    }
    const auto word = lower(text);
    if (word == "on" || word == "yes") {
        return 1;
    }
    if (word == "off" || word == "no") {
        return 0;
    }
    return std::nullopt;
}

class Status {
  public:
    explicit Status(Families& out) : out_(out) {}

    void add(const std::string& name, bool counts, double value) {
        if (name == "innodb_buffer_pool_pages_dirty") {
            return put("mysql_global_status_buffer_pool_dirty_pages", false, {}, value);
        }
        if (name == "innodb_buffer_pool_pages_flushed") {
            return put("mysql_global_status_buffer_pool_page_changes_total", true, {{"operation", "flushed"}},
                       value);
        }
        if (name == "innodb_buffer_pool_pages_total") {
            return put("mysql_global_status_innodb_buffer_pool_pages_total", false, {}, value);
        }
        for (const auto& group : kGroups) {
            if (name.compare(0, group.prefix.size(), group.prefix) != 0) {
                continue;
            }
            return put(group.family, counts, {{group.label, name.substr(group.prefix.size())}}, value);
        }
        put("mysql_global_status_" + name, counts, {}, value);
    }

  private:
    void put(const std::string& name, bool counts, std::vector<prometheus::ClientMetric::Label> labels,
             double value) {
        const auto [at, fresh] = places_.try_emplace(name, out_.size());
        if (fresh) {
            out_.push_back(counts ? counter(name, "Of SHOW GLOBAL STATUS.")
                                  : gauge(name, "Of SHOW GLOBAL STATUS."));
        }
        lapwing::add(out_[at->second], std::move(labels), value);
    }

    Families& out_;
    std::unordered_map<std::string, std::size_t> places_;
};

std::string listOf(const char* statement, std::size_t count, std::string_view (*name)(std::size_t)) {
    std::string out = statement;
    out += " WHERE Variable_name IN (";
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) {
            out += ',';
        }
        out += '\'';
        out += name(i);
        out += '\'';
    }
    out += ')';
    return out;
}

}  // namespace

bool Version::atLeast(int a, int b, int c) const {
    if (major != a) {
        return major > a;
    }
    if (minor != b) {
        return minor > b;
    }
    return patch >= c;
}

Version parseVersion(std::string_view text) {
    Version out;
    out.mariadb = lower(text).find("mariadb") != std::string::npos;
    constexpr std::string_view replication_prefix = "5.5.5-";
    if (out.mariadb && text.substr(0, replication_prefix.size()) == replication_prefix) {
        text.remove_prefix(replication_prefix.size());
    }
    for (int* part : {&out.major, &out.minor, &out.patch}) {
        std::size_t digits = 0;
        while (digits < text.size() && digits < 6 && text[digits] >= '0' && text[digits] <= '9') {
            *part = *part * 10 + (text[digits] - '0');
            ++digits;
        }
        if (digits == 0 || digits >= text.size() || text[digits] != '.') {
            break;
        }
        text.remove_prefix(digits + 1);
    }
    return out;
}

const std::string& globalStatusStatement() {
    static const std::string statement =
        listOf("SHOW GLOBAL STATUS", kStatus.size(), [](std::size_t i) { return kStatus[i].name; });
    return statement;
}

const std::string& globalVariablesStatement() {
    static const std::string statement =
        listOf("SHOW GLOBAL VARIABLES", kVariables.size(), [](std::size_t i) { return kVariables[i]; });
    return statement;
}

void parseGlobalStatus(const Table& table, Families& out) {
    std::unordered_map<std::string, bool> kept;
    for (const auto& variable : kStatus) {
        kept.emplace(lower(variable.name), variable.counts);
    }
    Status status(out);
    forEachVariable(table, [&](const std::string& name, std::string_view text) {
        const auto found = kept.find(name);
        const auto value = variableValue(text);
        if (found == kept.end() || !value) {
            return;
        }
        status.add(name, found->second, *value);
        kept.erase(found);
    });
}

void parseGlobalVariables(const Table& table, Families& out) {
    std::vector<std::string_view> left(kVariables.begin(), kVariables.end());
    forEachVariable(table, [&](const std::string& name, std::string_view text) {
        const auto found = std::find(left.begin(), left.end(), name);
        if (found == left.end()) {
            return;
        }
        const auto value = variableValue(text);
        if (!value) {
            return;
        }
        left.erase(found);
        out.push_back(gauge("mysql_global_variables_" + name, "Of SHOW GLOBAL VARIABLES."));
        add(out.back(), {}, *value);
    });
}

std::optional<bool> slavesConnected(const Table& status) {
    std::optional<bool> out;
    forEachVariable(status, [&](const std::string& name, std::string_view text) {
        const auto value = toNumber(text);
        if (name == "slaves_connected" && value) {
            out = *value > 0;
        }
    });
    return out;
}

void parseServerInfo(const Version& version, std::string_view version_text, const Table& variables,
                     Families& out) {
    std::unordered_map<std::string, std::string> found;
    forEachVariable(variables, [&](const std::string& name, std::string_view text) {
        found.try_emplace(name, isValidUtf8(text) ? text : std::string_view());
    });
    std::vector<prometheus::ClientMetric::Label> labels = {
        {"flavour", version.mariadb ? "mariadb" : "mysql"},
        {"version", std::string(isValidUtf8(version_text) ? version_text : std::string_view())}};
    for (const char* name : {"server_id", "server_uuid", "log_bin", "binlog_format", "gtid_mode"}) {
        labels.push_back({name, found[name]});
    }
    out.push_back(gauge(metric::kMysqlServerInfo, "The server."));
    add(out.back(), std::move(labels), 1);
}

void parseSemiSync(const Table& status, Families& out) {
    std::optional<bool> source;
    std::optional<bool> replica;
    forEachVariable(status, [&](const std::string& name, std::string_view text) {
        const bool on = lower(text) == "on";
        if (name == "rpl_semi_sync_master_status" || name == "rpl_semi_sync_source_status") {
            source = on;
        }
        if (name == "rpl_semi_sync_slave_status" || name == "rpl_semi_sync_replica_status") {
            replica = on;
        }
    });
    if (!source && !replica) {
        return;
    }
    out.push_back(gauge(metric::kMysqlSemiSync, "1 while semi-synchronous replication is at work."));
    if (source) {
        add(out.back(), {{"role", "source"}}, *source ? 1 : 0);
    }
    if (replica) {
        add(out.back(), {{"role", "replica"}}, *replica ? 1 : 0);
    }
}

}  // namespace lapwing::agent::mysql
