// Answers from a database, or from an attacker at its address. The first line names the columns. Each further
// line is a row. Tabs separate the fields, and "\N" is NULL.
#include <cstddef>
#include <cstdint>

#include "agent/probes/mysql/blocked.h"
#include "agent/probes/mysql/grants.h"
#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/pulse.h"
#include "agent/probes/mysql/statements.h"
#include "agent/probes/mysql/variables.h"
#include "agent/probes/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    static_cast<void>(mysql::replicaStatement(mysql::parseVersion(rest)));
    static_cast<void>(mysql::hintFor(1227, rest, rest.substr(0, size / 2), rest));
    mysql::Table table;
    for (std::string_view line; nextLine(rest, line);) {
        std::vector<std::optional<std::string>> row;
        while (true) {
            const auto tab = line.find('\t');
            const auto field = line.substr(0, tab);
            row.push_back(field == "\\N" ? std::nullopt : std::optional<std::string>(field));
            if (tab == std::string_view::npos) {
                break;
            }
            line.remove_prefix(tab + 1);
        }
        if (table.columns.empty()) {
            for (auto& name : row) {
                table.columns.push_back(name.value_or(""));
            }
        } else {
            table.rows.push_back(std::move(row));
        }
    }
    ProbeResult out;
    mysql::parseReplicaStatus(table, {1.0, true}, out);
    mysql::parseThreads(table, mysql::channelStates(table), out);
    mysql::parseReplicas(table, out.families);
    mysql::addBinaryLogs(mysql::parseBinaryLogs(table), out.families);
    mysql::addPulse(mysql::parsePulse(table), 0.0, out.families);
    static_cast<void>(mysql::parseBinlogPlace(table));
    auto blockers = mysql::parseBlockers(table);
    const auto processes = mysql::parseProcesses(table);
    mysql::nameAppliersBlockers(processes, blockers);
    mysql::nameHolder(table, processes, blockers);
    mysql::addWaits(mysql::findWaits(processes, "`lapwing`.`heartbeat`", "7"), "7", 1.0, out.families);
    mysql::Blockings().add({{"", 3.0}}, blockers, out);
    for (const auto source : {mysql::VariableSource::status, mysql::VariableSource::variables}) {
        mysql::VariableFamilies families(source, table);
        for (prometheus::MetricFamily family; families.next(family);) {
            out.families.push_back(std::move(family));
        }
    }
    mysql::addVersion(rest, rest, table, out.families);
    mysql::addIsolation(table, out.families);
    mysql::addGalera(table, table, out.families);
    mysql::parseCompression(table, out.families);
    mysql::parseCompressedPages(table, out.families);
    mysql::parseResponseTimes(table, "mysql_info_schema_query_response_time_seconds", out.families);
    return 0;
}
