#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agent/probes/mysql/parse.h"
#include "agent/probes/text.h"
#include "common/model/families.h"

namespace lapwing::agent::mysql {
namespace {

using LabelList = std::vector<prometheus::ClientMetric::Label>;

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

std::string sha256(std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const auto byte : digest) {
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

/// As mysqld_exporter reads a column: a number; a state, of which only Yes is 1; of a binary or relay log's
/// name ("binlog.000003") its number.
std::optional<double> columnValue(std::string_view column, std::string_view text) {
    if (const auto number = toNumber(text)) return number;
    const auto value = lower(text);
    if (column.size() > 8 && column.substr(column.size() - 8) == "_running") return value == "yes" ? 1 : 0;
    if (value == "yes" || value == "on" || value == "true") return 1;
    if (value == "no" || value == "off" || value == "false") return 0;
    if (column.size() > 9 && column.substr(column.size() - 9) == "_log_file") {
        const auto dot = value.rfind('.');
        if (dot != std::string::npos) return toNumber(std::string_view(value).substr(dot + 1));
    }
    return std::nullopt;
}

std::string_view threadState(std::optional<std::string_view> value) {
    if (value == "Yes") return "running";
    if (value == "No") return "stopped";
    if (value == "Connecting" || value == "Preparing") return "connecting";
    return "unknown";
}

/// A row, asked by the names of either generation.
class Channel {
  public:
    Channel(const Table& table, const std::vector<std::optional<std::string>>& row)
        : table_(table), row_(row) {}

    std::optional<std::string_view> get(std::initializer_list<std::string_view> names) const {
        for (const auto name : names) {
            const auto at = table_.find(name);
            if (at && *at < row_.size()) {
                return row_[*at] ? std::optional<std::string_view>(*row_[*at]) : std::nullopt;
            }
        }
        return std::nullopt;
    }
    std::optional<double> number(std::initializer_list<std::string_view> names) const {
        const auto text = get(names);
        return text ? toNumber(*text) : std::nullopt;
    }
    std::string text(std::initializer_list<std::string_view> names) const {
        return std::string(get(names).value_or(std::string_view()));
    }

  private:
    const Table& table_;
    const std::vector<std::optional<std::string>>& row_;
};

/// Families by name, in the order in which they came.
class FamilyList {
  public:
    explicit FamilyList(Families& out) : out_(out) {}
    void add(const std::string& name, const LabelList& labels, double value) {
        const auto [at, fresh] = places_.try_emplace(name, out_.size());
        if (fresh) out_.push_back(gauge(name, "Of the replica's status."));
        lapwing::add(out_[at->second], labels, value);
    }

  private:
    Families& out_;
    std::unordered_map<std::string, std::size_t> places_;
};

void addColumns(const Table& table, const std::vector<std::optional<std::string>>& row,
                const LabelList& labels, FamilyList& families) {
    std::vector<std::string> done;
    for (std::size_t i = 0; i < table.columns.size() && i < row.size(); ++i) {
        if (!row[i]) continue;  // NULL is unknown, not 0
        auto column = lower(table.columns[i]);
        if (!isValidMetricName(column)) continue;
        const auto value = columnValue(column, *row[i]);
        if (!value) continue;
        for (int generation = 0; generation < 2; ++generation) {
            if (std::find(done.begin(), done.end(), column) == done.end()) {
                families.add("mysql_slave_status_" + column, labels, *value);
                done.push_back(column);
            }
            replaceAll(column, "source", "master");
            replaceAll(column, "replica", "slave");
        }
    }
}

void addErrors(const Channel& channel, const LabelList& labels, FamilyList& families, ProbeResult& out) {
    struct Side {
        const char* thread;
        std::string_view number;
        std::string_view text;
    };
    for (const auto& side :
         {Side{"io", "Last_IO_Errno", "Last_IO_Error"}, Side{"sql", "Last_SQL_Errno", "Last_SQL_Error"}}) {
        const auto number = channel.number({side.number});
        if (!number || *number == 0) continue;
        auto text = channel.text({side.text});
        auto all = labels;
        all.push_back({"thread", side.thread});
        all.push_back({"errno", std::to_string(static_cast<long long>(*number))});
        all.push_back({"digest", text.empty() ? std::string() : sha256(text)});
        families.add("lapwing_mysql_replica_error_info", all, 1);
        if (!text.empty()) out.documents.push_back({"mysql_error", std::move(text)});
    }
}

void addVerdict(const Channel& channel, const LabelList& labels, FamilyList& families) {
    const auto io = threadState(channel.get({"Slave_IO_Running", "Replica_IO_Running"}));
    const auto sql = threadState(channel.get({"Slave_SQL_Running", "Replica_SQL_Running"}));
    for (const auto& [thread, state] : {std::pair{"io", io}, std::pair{"sql", sql}}) {
        auto all = labels;
        all.push_back({"thread", thread});
        all.push_back({"state", std::string(state)});
        families.add("lapwing_mysql_replica_thread_state", all, 1);
    }
    const double delay = std::max(0.0, channel.number({"SQL_Delay"}).value_or(0));
    families.add("lapwing_mysql_replica_delay_seconds", labels, delay);
    // With its receiver stopped a replica still counts against what it has; how far behind the primary that
    // is, nobody knows.
    const auto behind = channel.number({"Seconds_Behind_Master", "Seconds_Behind_Source"});
    const bool known = behind && io == "running" && sql == "running";
    families.add("lapwing_mysql_replica_lag_known", labels, known ? 1 : 0);
    if (known) families.add("lapwing_mysql_replica_lag_seconds", labels, std::max(0.0, *behind - delay));
}

}  // namespace

void parseReplicaStatus(const Table& table, ProbeResult& out) {
    FamilyList families(out.families);
    families.add("lapwing_mysql_replica_configured", {}, table.rows.empty() ? 0 : 1);
    std::vector<std::string> seen;
    for (const auto& row : table.rows) {
        const Channel channel(table, row);
        const auto connection = channel.text({"Connection_name"});
        const auto name = connection.empty() ? channel.text({"Channel_Name"}) : connection;
        if (!isValidUtf8(name) || std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
        seen.push_back(name);
        auto host = channel.text({"Master_Host", "Source_Host"});
        if (!isValidUtf8(host)) host.clear();
        addColumns(table, row,
                   {{"channel_name", channel.text({"Channel_Name"})},
                    {"connection_name", connection},
                    {"master_host", host},
                    {"master_uuid", channel.text({"Master_UUID", "Source_UUID"})}},
                   families);
        const LabelList labels = {{"channel_name", name}};
        addVerdict(channel, labels, families);
        addErrors(channel, labels, families, out);
    }
}

}  // namespace lapwing::agent::mysql
