#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/row.h"

namespace lapwing::agent::mysql {

std::vector<Process> parseProcesses(const Table& table) {
    std::vector<Process> out;
    out.reserve(table.rows.size());
    for (const auto& each : table.rows) {
        const Row row(table, each);
        Process process;
        process.id = row.text({"Id"});
        process.user = row.text({"User"});
        process.host = row.text({"Host"});
        process.command = row.text({"Command"});
        process.state = row.text({"State"});
        process.statement = row.text({"Info"});
        process.seconds = row.number({"Time"}).value_or(0);
        out.push_back(std::move(process));
    }
    return out;
}

double dumpThreads(const std::vector<Process>& processes) {
    return static_cast<double>(std::count_if(processes.begin(), processes.end(), [](const Process& process) {
        return std::string_view(process.command).substr(0, 11) == "Binlog Dump";
    }));
}

}  // namespace lapwing::agent::mysql
