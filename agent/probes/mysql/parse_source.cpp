#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/row.h"
#include "common/metric_names.h"

namespace lapwing::agent::mysql {
namespace {

constexpr double kHeaderBytes = 4;  // of every binary log: its magic number
constexpr std::size_t kMostReplicas = 200;

}  // namespace

std::optional<BinlogPlace> parseBinlogPlace(const Table& table) {
    if (table.rows.empty()) {
        return std::nullopt;
    }
    const Row row(table, table.rows[0]);
    BinlogPlace place;
    place.file = row.text({"File"});
    const auto number = logNumber(place.file);
    const auto position = row.number({"Position"});
    if (!number || !position) {
        return std::nullopt;
    }
    place.number = *number;
    place.position = *position;
    return place;
}

void addBinlogPlace(const BinlogPlace& place, Families& out) {
    FamilyList families(out, "About the server's own binary log.");
    families.add(metric::kMysqlBinlogFileNumber, {}, place.number);
    families.add(metric::kMysqlBinlogPositionBytes, {}, place.position);
}

std::vector<BinlogFile> parseBinaryLogs(const Table& table) {
    std::vector<BinlogFile> out;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        const auto number = logNumber(row.text({"Log_name"}));
        const auto bytes = row.number({"File_size"});
        if (number && bytes) {
            out.push_back({*number, *bytes});
        }
    }
    return out;
}

void addBinaryLogs(const std::vector<BinlogFile>& files, Families& out) {
    FamilyList families(out, "Of all binary logs.");
    double bytes = 0;
    double newest = 0;
    for (const auto& file : files) {
        bytes += file.bytes;
        newest = std::max(newest, file.number);
    }
    // A gauge despite its name: logs are purged.
    families.add(metric::kMysqlBinlogSizeBytesTotal, {}, bytes);
    families.add("mysql_binlog_size_bytes", {}, bytes);
    families.add("mysql_binlog_files", {}, static_cast<double>(files.size()));
    families.add("mysql_binlog_file_number", {}, newest);
}

bool BinlogCounter::needsFiles(const BinlogPlace& place) const {
    return last_ && place.number > last_->number;
}

double BinlogCounter::update(const BinlogPlace& place, const std::vector<BinlogFile>& files) {
    if (last_ && (place.number < last_->number ||
                  (place.number == last_->number && place.position < last_->position))) {
        written_ = 0;
    } else if (last_ && place.number == last_->number) {
        written_ += place.position - last_->position;
    } else if (last_) {
        for (const auto& file : files) {
            if (file.number == last_->number) {
                written_ += std::max(0.0, file.bytes - last_->position);
            }
            if (file.number > last_->number && file.number < place.number) {
                written_ += std::max(0.0, file.bytes - kHeaderBytes);
            }
        }
        written_ += std::max(0.0, place.position - kHeaderBytes);
    }
    last_ = place;
    return written_;
}

void parseReplicas(const Table& table, Families& out) {
    FamilyList families(out, "Of the replicas that registered.");
    families.add(metric::kMysqlConnectedReplicas, {}, static_cast<double>(table.rows.size()));
    std::vector<std::string> seen;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        const auto id = row.text({"Server_Id", "Server_id"});
        const auto text = [&](std::initializer_list<std::string_view> names) {
            auto value = row.text(names);
            return isValidUtf8(value) ? value : std::string();
        };
        if (!toNumber(id) || seen.size() >= kMostReplicas ||
            std::find(seen.begin(), seen.end(), id) != seen.end()) {
            continue;
        }
        seen.push_back(id);
        families.add(metric::kMysqlConnectedReplicaInfo, {{"server_id", id}, {"host", text({"Host"})}}, 1);
        families.add("mysql_slave_hosts_info",
                     {{"server_id", id},
                      {"slave_host", text({"Host"})},
                      {"port", text({"Port"})},
                      {"master_id", text({"Master_id", "Source_Id"})},
                      {"slave_uuid", text({"Slave_UUID", "Replica_UUID"})}},
                     1);
    }
}

}  // namespace lapwing::agent::mysql
