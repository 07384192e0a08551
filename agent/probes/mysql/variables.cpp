#include "agent/probes/mysql/variables.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "agent/probes/mysql/pulse.h"
#include "agent/probes/text.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

using prometheus::MetricType;

constexpr auto kChosenStatus = std::to_array<std::string_view>({
    "Aborted_clients",
    "Aborted_connects",
    "Access_denied_errors",
    "Binlog_cache_disk_use",
    "Binlog_cache_use",
    "Binlog_bytes_written",
    "Bytes_received",
    "Bytes_sent",
    "Com_begin",
    "Com_call_procedure",
    "Com_commit",
    "Com_delete",
    "Com_delete_multi",
    "Com_insert",
    "Com_insert_select",
    "Com_load",
    "Com_replace",
    "Com_replace_select",
    "Com_rollback",
    "Com_select",
    "Com_set_option",
    "Com_show_status",
    "Com_update",
    "Com_update_multi",
    "Connection_errors_accept",
    "Connection_errors_internal",
    "Connection_errors_max_connections",
    "Connection_errors_peer_address",
    "Connection_errors_select",
    "Connections",
    "Created_tmp_disk_tables",
    "Created_tmp_files",
    "Created_tmp_tables",
    "Handler_commit",
    "Handler_delete",
    "Handler_read_first",
    "Handler_read_key",
    "Handler_read_next",
    "Handler_read_prev",
    "Handler_read_rnd",
    "Handler_read_rnd_next",
    "Handler_rollback",
    "Handler_update",
    "Handler_write",
    "Innodb_buffer_pool_bytes_data",
    "Innodb_buffer_pool_bytes_dirty",
    "Innodb_buffer_pool_pages_data",
    "Innodb_buffer_pool_pages_dirty",
    "Innodb_buffer_pool_pages_flushed",
    "Innodb_buffer_pool_pages_free",
    "Innodb_buffer_pool_pages_misc",
    "Innodb_buffer_pool_pages_total",
    "Innodb_buffer_pool_read_requests",
    "Innodb_buffer_pool_reads",
    "Innodb_buffer_pool_wait_free",
    "Innodb_buffer_pool_write_requests",
    "Innodb_checkpoint_age",
    "Innodb_checkpoint_max_age",
    "Innodb_data_fsyncs",
    "Innodb_data_pending_fsyncs",
    "Innodb_data_pending_reads",
    "Innodb_data_pending_writes",
    "Innodb_data_read",
    "Innodb_data_reads",
    "Innodb_data_writes",
    "Innodb_data_written",
    "Innodb_deadlocks",
    "Innodb_history_list_length",
    "Innodb_log_waits",
    "Innodb_log_writes",
    "Innodb_os_log_written",
    "Innodb_page_size",
    "Innodb_row_lock_current_waits",
    "Innodb_row_lock_time",
    "Innodb_row_lock_waits",
    "Innodb_rows_deleted",
    "Innodb_rows_inserted",
    "Innodb_rows_read",
    "Innodb_rows_updated",
    "Max_statement_time_exceeded",
    "Max_used_connections",
    "Memory_used",
    "Open_files",
    "Open_table_definitions",
    "Open_tables",
    "Opened_tables",
    "Prepared_stmt_count",
    "Queries",
    "Questions",
    "Rows_read",
    "Rows_sent",
    "Rpl_semi_sync_master_clients",
    "Rpl_semi_sync_master_no_tx",
    "Rpl_semi_sync_master_status",
    "Rpl_semi_sync_master_yes_tx",
    "Rpl_semi_sync_slave_status",
    "Rpl_semi_sync_replica_status",
    "Rpl_semi_sync_source_clients",
    "Rpl_semi_sync_source_status",
    "Select_full_join",
    "Select_scan",
    "Slave_heartbeat_period",
    "Slave_open_temp_tables",
    "Slave_received_heartbeats",
    "Slave_retried_transactions",
    "Slaves_connected",
    "Slaves_running",
    "Slow_queries",
    "Sort_merge_passes",
    "Sort_rows",
    "Table_locks_immediate",
    "Table_locks_waited",
    "Table_open_cache_hits",
    "Table_open_cache_misses",
    "Table_open_cache_overflows",
    "Threads_cached",
    "Threads_connected",
    "Threads_created",
    "Threads_running",
    "Uptime",
    "Uptime_since_flush_status",
});

constexpr auto kChosenVariables = std::to_array<std::string_view>({
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
    "innodb_version",
    "interactive_timeout",
    "lock_wait_timeout",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "long_query_time",
    "max_binlog_size",
    "max_connect_errors",
    "max_connections",
    "max_user_connections",
    "offline_mode",
    "open_files_limit",
    "performance_schema",
    "relay_log_recovery",
    "replica_net_timeout",
    "replica_parallel_workers",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_replica_enabled",
    "rpl_semi_sync_slave_enabled",
    "rpl_semi_sync_source_enabled",
    "server_id",
    "server_uuid",
    "slave_net_timeout",
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

/// A family, or those with the variable's name behind `family`, where `label` is null and `named` is true.
struct Group {
    std::string_view prefix;  ///< of the names
    const char* family;
    const char* label;
    bool named;
    MetricType type;
    const char* help;
};

constexpr const char* kStatusHelp = "Of SHOW GLOBAL STATUS.";
constexpr auto kGroups = std::to_array<Group>({
    {"", "mysql_global_status_", nullptr, true, MetricType::Untyped, kStatusHelp},
    {"", "mysql_global_variables_", nullptr, true, MetricType::Gauge, "Of SHOW GLOBAL VARIABLES."},
    {"com_", "mysql_global_status_commands_total", "command", false, MetricType::Counter,
     "Statements by kind."},
    {"connection_errors_", "mysql_global_status_connection_errors_total", "error", false, MetricType::Counter,
     "Connections that failed."},
    {"handler_", "mysql_global_status_handlers_total", "handler", false, MetricType::Counter,
     "Requests to the storage engines."},
    {"innodb_rows_", "mysql_global_status_innodb_row_ops_total", "operation", false, MetricType::Counter,
     "Operations on rows of InnoDB."},
    {"performance_schema_", "mysql_global_status_performance_schema_lost_total", "instrumentation", false,
     MetricType::Counter, "What performance_schema had no memory for."},
    {"innodb_buffer_pool_pages_", "mysql_global_status_buffer_pool_page_changes_total", "operation", false,
     MetricType::Counter, "Operations on pages of the buffer pool."},
    {"innodb_buffer_pool_pages_", "mysql_global_status_buffer_pool_pages", "state", false, MetricType::Gauge,
     "Pages of the buffer pool."},
    {"innodb_buffer_pool_pages_", "mysql_global_status_buffer_pool_dirty_pages", nullptr, false,
     MetricType::Gauge, "Dirty pages of the buffer pool."},
});
constexpr std::uint8_t kStatusGroup = 0;
constexpr std::uint8_t kVariablesGroup = 1;
constexpr std::uint8_t kFirstLabelled = 2;
constexpr std::uint8_t kPageChanges = 7;
constexpr std::uint8_t kPages = 8;
constexpr std::uint8_t kDirtyPages = 9;

/// The group of a status variable.
std::uint8_t groupOf(std::string_view name) {
    std::uint8_t group = kFirstLabelled;
    while (group <= kPageChanges && name.substr(0, kGroups[group].prefix.size()) != kGroups[group].prefix) {
        ++group;
    }
    if (group < kPageChanges) {
        return group;
    }
    if (group > kPageChanges) {
        return kStatusGroup;
    }
    const auto kind = name.substr(kGroups[group].prefix.size());
    if (kind == "data" || kind == "free" || kind == "misc" || kind == "old") {
        return kPages;
    }
    // The exporter leaves the total out.
    return kind == "dirty" ? kDirtyPages : kind == "total" ? kStatusGroup : kPageChanges;
}

/// mysqld_exporter's rule: lower case, and an underscore for every character that a metric's name must not
/// have.
std::string exporterName(std::string_view name) {
    auto out = lower(name);
    std::size_t length = 0;
    bool within = false;  // a character of several bytes
    for (const char c : out) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        const bool continues = within && (byte & 0xc0U) == 0x80;
        within = byte >= 0x80;
        if (!continues) {
            out[length++] = plain ? c : '_';
        }
    }
    out.resize(length);
    return out;
}

std::string chosen(const char* statement, const std::string_view* names, std::size_t count) {
    std::string out = statement;
    out += " WHERE Variable_name IN (";
    for (std::size_t i = 0; i < count; ++i) {
        out += i > 0 ? ",'" : "'";
        out += names[i];
        out += '\'';
    }
    out += ')';
    return out;
}

/// The variables that the pulse reports every second.
bool isOfPulse(std::string_view name) {
    return name == "read_only" || name == "super_read_only";
}

/// Unix seconds of "Nov 25 16:00:00 2026 GMT", as OpenSSL prints the times of certificates.
std::optional<double> certificateTime(std::string_view text) {
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const auto month = nextField(text);
    const auto day = nextField(text);
    const auto time = nextField(text);
    const auto year = nextField(text);
    const auto zone = nextField(text);
    const auto at = months.find(month);
    if (month.size() != 3 || at == std::string_view::npos || at % 3 != 0 || day.empty() || day.size() > 2 ||
        (zone != "GMT" && zone != "UTC") || !text.empty()) {
        return std::nullopt;
    }
    const auto number = std::to_string(at / 3 + 1);
    std::string date(year);
    date.append(number.size() == 1 ? "-0" : "-").append(number);
    date.append(day.size() == 1 ? "-0" : "-").append(day);
    date.append(" ").append(time);
    return parseTimestamp(date);
}

}  // namespace

const char* allVariablesStatement(VariableSource source) {
    return source == VariableSource::status ? "SHOW GLOBAL STATUS" : "SHOW GLOBAL VARIABLES";
}

const std::string& chosenVariablesStatement(VariableSource source) {
    static const std::string status =
        chosen("SHOW GLOBAL STATUS", kChosenStatus.data(), kChosenStatus.size());
    static const std::string variables =
        chosen("SHOW GLOBAL VARIABLES", kChosenVariables.data(), kChosenVariables.size());
    return source == VariableSource::status ? status : variables;
}

std::optional<double> variableValue(std::string_view text) {
    constexpr auto words = std::to_array<std::pair<std::string_view, double>>({
        {"on", 1},
        {"yes", 1},
        {"primary", 1},
        {"off", 0},
        {"no", 0},
        {"disabled", 0},
        {"connecting", 0},
        {"non-primary", 0},
        {"disconnected", 0},
    });
    if (const auto number = toNumber(text)) {
        return number;
    }
    for (const auto& [word, value] : words) {
        if (equalsIgnoreCase(text, word)) {
            return value;
        }
    }
    constexpr std::size_t date = 10;  // "2026-11-25"
    if (text.size() > date && text[date] == ' ') {
        if (const auto time = parseTimestamp(text)) {
            return time;
        }
    }
    return certificateTime(text);
}

std::string_view variable(const Table& answer, std::string_view name) {
    for (const auto& row : answer.rows) {
        if (row.size() >= 2 && row[0] && row[1] && equalsIgnoreCase(*row[0], name)) {
            return *row[1];
        }
    }
    return {};
}

std::string variableText(const Table& answer, std::string_view name) {
    constexpr std::size_t longest = 256;
    const auto text = utf8Prefix(variable(answer, name), longest);
    return isValidUtf8(text) ? std::string(text) : std::string();
}

VariableFamilies::VariableFamilies(VariableSource source, const Table& answer) {
    for (const auto& row : answer.rows) {
        const auto value = row.size() < 2 || !row[0] || !row[1] ? std::nullopt : variableValue(*row[1]);
        if (!value) {
            continue;
        }
        if (row[0]->empty() || row[0]->size() > kLongestName || entries_.size() >= kMostVariables) {
            ++left_out_;
            continue;
        }
        auto name = exporterName(*row[0]);
        const bool status = source == VariableSource::status;
        if (!status && isOfPulse(name)) {
            continue;
        }
        const auto group = status ? groupOf(name) : kVariablesGroup;
        name.erase(0, kGroups[group].prefix.size());
        entries_.push_back({group, std::move(name), *value});
    }
    const auto key = [](const Entry& entry) { return std::tie(entry.group, entry.name); };
    std::stable_sort(entries_.begin(), entries_.end(),
                     [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
    const auto last = std::unique(entries_.begin(), entries_.end(),
                                  [&](const Entry& a, const Entry& b) { return key(a) == key(b); });
    left_out_ += static_cast<std::size_t>(entries_.end() - last);
    entries_.erase(last, entries_.end());
}

bool VariableFamilies::next(prometheus::MetricFamily& out) {
    if (next_ >= entries_.size()) {
        return false;
    }
    const auto number = entries_[next_].group;
    const auto& group = kGroups[number];
    out = {group.named ? group.family + entries_[next_].name : group.family, group.help, group.type, {}};
    do {
        const auto& entry = entries_[next_++];
        if (group.label != nullptr) {
            add(out, {{group.label, entry.name}}, entry.value);
        } else {
            add(out, {}, entry.value);
        }
    } while (!group.named && next_ < entries_.size() && entries_[next_].group == number);
    return true;
}

}  // namespace lapwing::agent::mysql
