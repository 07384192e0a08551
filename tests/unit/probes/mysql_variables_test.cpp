#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/variables.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/mysql_table.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::mysql;
using lapwing::test::Samples;
using lapwing::test::table;

namespace {

Table rowsOf(std::vector<std::vector<std::optional<std::string>>> rows) {
    return {{"Variable_name", "Value"}, std::move(rows)};
}

Families familiesOf(VariableSource source, const Table& answer) {
    VariableFamilies families(source, answer);
    Families out;
    for (prometheus::MetricFamily family; families.next(family);) {
        out.push_back(std::move(family));
    }
    return out;
}

Samples samplesOf(VariableSource source, const Table& answer) {
    return Samples(familiesOf(source, answer));
}

}  // namespace

TEST_CASE("global status under mysqld_exporter's names and types") {
    const auto families = familiesOf(VariableSource::status, table("mariadb-10.11/global-status.tsv"));
    const Samples samples(families);
    CHECK(samples.value("mysql_global_status_threads_connected") == 2);
    CHECK(samples.value("mysql_global_status_uptime") == 54);
    CHECK(samples.value("mysql_global_status_connections") == 17);
    CHECK(samples.value("mysql_global_status_slaves_connected") == 1);
    CHECK(samples.value("mysql_global_status_commands_total", {{"command", "select"}}) == 17);
    CHECK(samples.value("mysql_global_status_buffer_pool_pages", {{"state", "data"}}) == 168);
    CHECK(samples.value("mysql_global_status_buffer_pool_dirty_pages") == 25);
    CHECK(samples.count("mysql_global_status_buffer_pool_pages") == 4);
    CHECK(samples.value("mysql_global_status_buffer_pool_page_changes_total",
                        {{"operation", "made_young"}}) == 0);
    CHECK(samples.value("mysql_global_status_innodb_buffer_pool_pages_total") == 1014);
    CHECK(samples.value("mysql_global_status_connection_errors_total", {{"error", "max_connections"}}) == 0);
    CHECK(samples.value("mysql_global_status_performance_schema_lost_total",
                        {{"instrumentation", "accounts_lost"}}) == 0);
    CHECK(samples.value("mysql_global_status_handlers_total", {{"handler", "write"}}).has_value());
    CHECK(samples.value("mysql_global_status_wsrep_connected") == 0);
    for (const auto& family : families) {
        const auto type =
            family.name == "mysql_global_status_uptime"              ? prometheus::MetricType::Untyped
            : family.name == "mysql_global_status_commands_total"    ? prometheus::MetricType::Counter
            : family.name == "mysql_global_status_buffer_pool_pages" ? prometheus::MetricType::Gauge
                                                                     : family.type;
        CHECK(family.type == type);
    }
    for (const auto& series : samples.series()) {
        CHECK(samples.value(series.labels.metricName(), series.labels));
    }
}

TEST_CASE("global variables are gauges, and the pulse has the two that it reports") {
    const auto samples = samplesOf(VariableSource::variables, table("mariadb-10.11/global-variables.tsv"));
    CHECK(samples.value("mysql_global_variables_log_bin") == 1);
    CHECK(samples.value("mysql_global_variables_server_id") == 1);
    CHECK(samples.value("mysql_global_variables_max_connections") == 151);
    CHECK(samples.value("mysql_global_variables_long_query_time") == 10);
    CHECK_FALSE(samples.value("mysql_global_variables_hostname"));
    CHECK(samples.count("mysql_global_variables_read_only") == 0);
    CHECK(samples.size() > 450);
    const auto mysql = samplesOf(VariableSource::variables, table("mysql-9.7/global-variables.tsv"));
    CHECK(mysql.value("mysql_global_variables_gtid_executed_compression_period") == 0);
    CHECK(mysql.count("mysql_global_variables_super_read_only") == 0);
}

TEST_CASE("values of variables, as mysqld_exporter reads them") {
    for (const char* text : {"1", "ON", "Yes", "yes", "Primary"}) {
        INFO(text);
        CHECK(variableValue(text) == 1);
    }
    for (const char* text : {"0", "OFF", "No", "DISABLED", "Connecting", "non-Primary", "Disconnected"}) {
        INFO(text);
        CHECK(variableValue(text) == 0);
    }
    CHECK(variableValue("18446744073709551615") == 18446744073709551615.0);
    CHECK(variableValue("-1.5") == -1.5);
    CHECK(variableValue("2026-11-25 16:00:00") == 1795622400);
    CHECK(variableValue("Nov 25 16:00:00 2026 GMT") == 1795622400);
    CHECK(variableValue("Nov  5 16:00:00 2026 GMT") == 1793894400);
    for (const char* text :
         {"", "x", "10.11.19-MariaDB", "binlog.000003", "inf", "nan", "1e999", " 1", "one",
          "0000-00-00 00:00:00", "Nox 25 16:00:00 2026 GMT", "Nov 25 16:00:00 2026 CET",
          "ovN 25 16:00:00 2026 GMT", "Nov 25 16:00:00 2026 GMT x", "Nov 255 16:00:00 2026 GMT"}) {
        INFO(text);
        CHECK_FALSE(variableValue(text));
    }
}

TEST_CASE("names that a server invents follow mysqld_exporter's rule") {
    const auto samples = samplesOf(VariableSource::variables, rowsOf({{"validate_password.length", "8"},
                                                                      {"Hot-Cache.Key Size", "1"},
                                                                      {"gr\xc3\xb6\xc3\x9f"
                                                                       "e",
                                                                       "2"},
                                                                      {"\"} 1\nup 0", "3"},
                                                                      {"9lives", "4"}}));
    CHECK(samples.value("mysql_global_variables_validate_password_length") == 8);
    CHECK(samples.value("mysql_global_variables_hot_cache_key_size") == 1);
    CHECK(samples.value("mysql_global_variables_gr__e") == 2);
    CHECK(samples.value("mysql_global_variables____1_up_0") == 3);
    CHECK(samples.value("mysql_global_variables_9lives") == 4);
    CHECK(samples.size() == 5);
}

TEST_CASE("variables that make no series of their own are left out and counted") {
    VariableFamilies families(VariableSource::status, rowsOf({{"a.b", "1"},
                                                              {"a_b", "2"},
                                                              {std::string(64, 'l'), "3"},
                                                              {std::string(65, 'l'), "4"},
                                                              {"", "5"},
                                                              {std::nullopt, "6"},
                                                              {"words", "7 words"},
                                                              {"none", std::nullopt},
                                                              {"short"},
                                                              {}}));
    CHECK(families.leftOut() == 3);  // of those with numbers
    Families out;
    for (prometheus::MetricFamily family; families.next(family);) {
        out.push_back(std::move(family));
    }
    const Samples samples(out);
    CHECK(samples.size() == 2);
    CHECK(samples.value("mysql_global_status_a_b") == 1);
}

TEST_CASE("a server's variables are bounded in number") {
    Table rows = rowsOf({});
    for (std::size_t i = 0; i < VariableFamilies::kMostVariables + 7; ++i) {
        rows.rows.push_back({"com_" + std::to_string(i), "1"});
    }
    CHECK(VariableFamilies(VariableSource::status, rows).leftOut() == 7);
    CHECK(samplesOf(VariableSource::status, rows).size() == VariableFamilies::kMostVariables);
}

TEST_CASE("the statements of every ten seconds name what alerts and dashboards need") {
    for (const char* name : {"'Threads_connected'", "'Innodb_row_lock_current_waits'", "'Queries'"}) {
        CHECK(chosenVariablesStatement(VariableSource::status).find(name) != std::string::npos);
    }
    for (const char* name :
         {"'max_connections'", "'offline_mode'", "'server_id'", "'log_bin'", "'innodb_version'"}) {
        CHECK(chosenVariablesStatement(VariableSource::variables).find(name) != std::string::npos);
    }
}

TEST_CASE("version and isolation are labels") {
    Families out;
    const auto variables = table("mysql-9.7/global-variables.tsv");
    addVersion("9.7.4", "(Debian)", variables, out);
    addIsolation(variables, out);
    const Samples samples(out);
    CHECK(samples.label("mysql_version_info", "innodb_version") == variable(variables, "innodb_version"));
    CHECK(samples.label("mysql_version_info", "version_comment") == "(Debian)");
    CHECK(samples.label("mysql_transaction_isolation", "level") == "REPEATABLE-READ");
    out.clear();
    addIsolation(rowsOf({{"tx_isolation", "SERIALIZABLE"}}), out);
    CHECK(Samples(out).label("mysql_transaction_isolation", "level") == "SERIALIZABLE");
    out.clear();
    addIsolation(rowsOf({}), out);
    CHECK(out.empty());
    CHECK(variableText(rowsOf({{"a", std::string(300, 'x')}}), "A").size() == 256);
    CHECK(variableText(rowsOf({{"a", "\xff"}}), "a").empty());
}

TEST_CASE("Galera's texts") {
    Families out;
    addGalera(
        rowsOf({{"wsrep_local_state_uuid", "u-1"},
                {"wsrep_cluster_state_uuid", "u-2"},
                {"wsrep_provider_version", "26.4.13"},
                {"wsrep_evs_repl_latency", "0.1/0.2/0.4/0.05/12"}}),
        rowsOf({{"wsrep_cluster_name", "site"},
                {"wsrep_provider_options", "base_port = 4567; gcache.size = 128M; gcs.fc_limit = 16; "}}),
        out);
    const Samples samples(out);
    CHECK(samples.value("mysql_galera_status_info", {{"wsrep_cluster_state_uuid", "u-2"},
                                                     {"wsrep_local_state_uuid", "u-1"},
                                                     {"wsrep_provider_version", "26.4.13"}}) == 1);
    CHECK(samples.value("mysql_galera_variables_info", {{"wsrep_cluster_name", "site"}}) == 1);
    CHECK(samples.value("mysql_galera_gcache_size_bytes") == 128 << 20);
    CHECK(samples.value("mysql_galera_evs_repl_latency_min_seconds") == 0.1);
    CHECK(samples.value("mysql_galera_evs_repl_latency_avg_seconds") == 0.2);
    CHECK(samples.value("mysql_galera_evs_repl_latency_max_seconds") == 0.4);
    CHECK(samples.value("mysql_galera_evs_repl_latency_stdev") == 0.05);
    CHECK(samples.value("mysql_galera_evs_repl_latency_sample_size") == 12);

    for (const char* latency :
         {"0.1/0.2/0.4/0.05", "0.1/0.2/0.4/0.05/12/3", "0.1/x/0.4/0.05/12", "////", ""}) {
        out.clear();
        addGalera(rowsOf({{"wsrep_evs_repl_latency", latency}}),
                  rowsOf({{"wsrep_provider_options", "gcache.size = lots;"}, {"wsrep_cluster_name", ""}}),
                  out);
        CHECK(out.empty());
    }
}

// It attacks "rows of InnoDB's compressed pages; rows of statements by duration".
TEST_CASE("InnoDB's compressed pages") {
    Table pages;
    pages.columns = {"page_size",     "compress_ops",   "compress_ops_ok",
                     "compress_time", "uncompress_ops", "uncompress_time"};
    pages.rows = {{"1024", "5", "4", "3", "2", "1"},
                  {"x", "1", "1", "1", "1", "1"},
                  {"1024", "6", "6", "6", "6", "6"},
                  {"2048", std::nullopt, "0", "0", "0", "0"}};
    Families out;
    parseCompression(pages, out);
    const Samples samples(out);
    CHECK(samples.value("mysql_info_schema_innodb_cmp_compress_ops_total", {{"page_size", "1024"}}) == 5);
    CHECK(samples.value("mysql_info_schema_innodb_cmp_uncompress_time_seconds_total",
                        {{"page_size", "1024"}}) == 1);
    CHECK(samples.size() == 9);

    Table memory;
    memory.columns = {"page_size",  "buffer_pool_instance", "pages_used",
                      "pages_free", "relocation_ops",       "relocation_time"};
    memory.rows = {{"1024", "0", "7", "8", "9", "1500"}};
    for (int i = 0; i < 400; ++i) {
        memory.rows.push_back({"2048", std::to_string(i), "1", "1", "1", "1"});
    }
    out.clear();
    parseCompressedPages(memory, out);
    const Samples used(out);
    const Labels labels = {{"buffer_pool", "0"}, {"page_size", "1024"}};
    CHECK(used.value("mysql_info_schema_innodb_cmpmem_pages_used_total", labels) == 7);
    CHECK(used.value("mysql_info_schema_innodb_cmpmem_relocation_time_seconds_total", labels) == 1.5);
    CHECK(used.size() == 4 * kMostPageSizes);
}

// It attacks "rows of InnoDB's compressed pages; rows of statements by duration".
TEST_CASE("statements by duration are a histogram") {
    Table times;
    times.columns = {"TIME", "COUNT", "TOTAL"};
    times.rows = {{"      0.000001", "1", "      0.000000"},
                  {"      0.100000", "3", "      0.150000"},
                  {"TOO LONG", "2", "TOO LONG"}};
    Families out;
    parseResponseTimes(times, "mysql_info_schema_query_response_time_seconds", out);
    const Samples samples(out);
    const auto bucket = [&](const char* bound) {
        return samples.value("mysql_info_schema_query_response_time_seconds_bucket", {{"le", bound}});
    };
    CHECK(bucket("1e-06") == 1);
    CHECK(bucket("0.1") == 4);
    CHECK(bucket("+Inf") == 6);
    CHECK(samples.value("mysql_info_schema_query_response_time_seconds_sum") == 0.15);
    CHECK(samples.value("mysql_info_schema_query_response_time_seconds_count") == 6);

    // Of a hostile server: bounds that fall, numbers that are none or too large, too many rows.
    times.rows = {
        {"1", "2", "1"}, {"0.5", "1", "1"}, {"2", "1e300", "1"}, {"3", "-1", "1"}, {"4", "nan", "1"}};
    for (int i = 5; i < 300; ++i) {
        times.rows.push_back({std::to_string(i), "1", "1"});
    }
    out.clear();
    parseResponseTimes(times, "t", out);
    const Samples hostile(out);
    CHECK(hostile.value("t_bucket", {{"le", "1"}}) == 2);
    CHECK_FALSE(hostile.value("t_bucket", {{"le", "0.5"}}));
    CHECK_FALSE(hostile.value("t_bucket", {{"le", "2"}}));
    CHECK(hostile.count("t_bucket") == kMostBuckets + 1);
    out.clear();
    parseResponseTimes(rowsOf({}), "t", out);
    CHECK(out.empty());
}

// It attacks "channels of a replica, and columns of each".
TEST_CASE("a replica's channels and columns are bounded, and what is left out is counted") {
    Table rows;
    rows.columns = {"Connection_name", "Seconds_Behind_Master", "a b", std::string(65, 'c')};
    ProbeResult out;
    CHECK(parseReplicaStatus(table("mariadb-10.11/replica-two-channels.tsv"), {}, out) == 0);
    rows.rows = {{"one", "1", "2", "3"}};
    out = {};
    CHECK(parseReplicaStatus(rows, {}, out) == 2);
    rows.rows.clear();
    for (std::size_t i = 0; i < kMostChannels + 3; ++i) {
        rows.rows.push_back({"c" + std::to_string(i), "1", "x", "x"});
    }
    out = {};
    CHECK(parseReplicaStatus(rows, {}, out) == 3 * rows.columns.size());
    CHECK(Samples(out.families).count("mysql_slave_status_seconds_behind_master") == kMostChannels);
    rows.columns.resize(2);
    rows.rows = {{"many", "1"}};
    for (int i = 0; i < 1000; ++i) {
        rows.columns.push_back("c" + std::to_string(i));
        rows.rows[0].push_back("1");
    }
    out = {};
    CHECK(parseReplicaStatus(rows, {}, out) == 601);
}
