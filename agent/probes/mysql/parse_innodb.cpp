#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/row.h"
#include "agent/probes/text.h"

namespace lapwing::agent::mysql {
namespace {

struct Column {
    std::string_view name;
    const char* metric;
    double unit;
};

constexpr auto kCompression = std::to_array<Column>({
    {"compress_ops", "mysql_info_schema_innodb_cmp_compress_ops_total", 1},
    {"compress_ops_ok", "mysql_info_schema_innodb_cmp_compress_ops_ok_total", 1},
    {"compress_time", "mysql_info_schema_innodb_cmp_compress_time_seconds_total", 1},
    {"uncompress_ops", "mysql_info_schema_innodb_cmp_uncompress_ops_total", 1},
    {"uncompress_time", "mysql_info_schema_innodb_cmp_uncompress_time_seconds_total", 1},
});
// The first two are gauges by their nature; the exporter calls them counters.
constexpr auto kCompressedPages = std::to_array<Column>({
    {"pages_used", "mysql_info_schema_innodb_cmpmem_pages_used_total", 1},
    {"pages_free", "mysql_info_schema_innodb_cmpmem_pages_free_total", 1},
    {"relocation_ops", "mysql_info_schema_innodb_cmpmem_relocation_ops_total", 1},
    {"relocation_time", "mysql_info_schema_innodb_cmpmem_relocation_time_seconds_total", 0.001},
});

template <std::size_t N>
void addColumns(const Row& row, const LabelList& labels, const std::array<Column, N>& columns,
                FamilyList& families) {
    for (const auto& column : columns) {
        if (const auto value = row.number({column.name})) {
            families.addCounter(column.metric, labels, *value * column.unit);
        }
    }
}

/// The labels of a row, if they are numbers that no earlier row has, and there is room.
bool isNew(const std::string& key, std::vector<std::string>& seen) {
    if (seen.size() >= kMostPageSizes || std::find(seen.begin(), seen.end(), key) != seen.end()) {
        return false;
    }
    seen.push_back(key);
    return true;
}

}  // namespace

void parseCompression(const Table& table, Families& out) {
    FamilyList families(out, "Of information_schema.INNODB_CMP.");
    std::vector<std::string> seen;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        const auto size = row.text({"page_size"});
        if (toNumber(size) && isNew(size, seen)) {
            addColumns(row, {{"page_size", size}}, kCompression, families);
        }
    }
}

void parseCompressedPages(const Table& table, Families& out) {
    FamilyList families(out, "Of information_schema.INNODB_CMPMEM.");
    std::vector<std::string> seen;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        const auto size = row.text({"page_size"});
        const auto pool = row.text({"buffer_pool_instance"});
        auto key = size;
        key.append(" ").append(pool);
        if (toNumber(size) && toNumber(pool) && isNew(key, seen)) {
            addColumns(row, {{"buffer_pool", pool}, {"page_size", size}}, kCompressedPages, families);
        }
    }
}

void parseResponseTimes(const Table& table, const std::string& family, Families& out) {
    prometheus::ClientMetric metric;
    auto& histogram = metric.histogram;
    double count = 0;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        const auto bound = toNumber(trimmed(row.text({"TIME"})));
        const auto statements = toNumber(trimmed(row.text({"COUNT"})));
        constexpr double most = 1e15;  // keeps the sum a whole number
        if (!statements || *statements < 0 || *statements > most || histogram.bucket.size() >= kMostBuckets) {
            continue;
        }
        count += *statements;
        // The last row is "TOO LONG", and has no total.
        histogram.sample_sum += toNumber(trimmed(row.text({"TOTAL"}))).value_or(0);
        if (bound && (histogram.bucket.empty() || *bound > histogram.bucket.back().upper_bound)) {
            histogram.bucket.push_back({static_cast<std::uint64_t>(count), *bound});
        }
    }
    if (histogram.bucket.empty()) {
        return;
    }
    histogram.sample_count = static_cast<std::uint64_t>(count);
    out.push_back(
        {family, "Statements by duration.", prometheus::MetricType::Histogram, {std::move(metric)}});
}

}  // namespace lapwing::agent::mysql
