#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/variables.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::mysql {

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

void addVersion(std::string_view version, std::string_view comment, const Table& variables, Families& out) {
    out.push_back(gauge(exporter::kMysqlVersionInfo, "The server's version."));
    add(out.back(),
        {{"innodb_version", variableText(variables, "innodb_version")},
         {"version", std::string(version)},
         {"version_comment", std::string(comment)}},
        1);
}

void addIsolation(const Table& variables, Families& out) {
    auto level = variableText(variables, "transaction_isolation");
    if (level.empty()) {
        level = variableText(variables, "tx_isolation");
    }
    if (!level.empty()) {
        out.push_back(gauge("mysql_transaction_isolation", "The default of new sessions."));
        add(out.back(), {{"level", std::move(level)}}, 1);
    }
}

std::optional<bool> slavesConnected(const Table& status) {
    const auto count = toNumber(variable(status, "Slaves_connected"));
    return count ? std::optional(*count > 0) : std::nullopt;
}

void parseServerInfo(const Version& version, std::string_view version_text, const Table& variables,
                     Families& out) {
    std::vector<prometheus::ClientMetric::Label> labels = {
        {"flavour", version.mariadb ? "mariadb" : "mysql"},
        {"version", std::string(isValidUtf8(version_text) ? version_text : std::string_view())}};
    for (const char* name : {"server_id", "server_uuid", "log_bin", "binlog_format", "gtid_mode"}) {
        labels.push_back({name, variableText(variables, name)});
    }
    out.push_back(gauge(metric::kMysqlServerInfo, "The server."));
    add(out.back(), std::move(labels), 1);
}

void parseSemiSync(const Table& status, Families& out) {
    const auto find = [&](const char* name, const char* newer) {
        const auto text = variable(status, name);
        return text.empty() ? variable(status, newer) : text;
    };
    FamilyList families(out, "1 while semi-synchronous replication is at work.");
    for (const auto& [role, state] :
         {std::pair{"source", find("Rpl_semi_sync_master_status", "Rpl_semi_sync_source_status")},
          std::pair{"replica", find("Rpl_semi_sync_slave_status", "Rpl_semi_sync_replica_status")}}) {
        if (!state.empty()) {
            families.add(metric::kMysqlSemiSync, {{"role", role}}, equalsIgnoreCase(state, "ON") ? 1 : 0);
        }
    }
}

}  // namespace lapwing::agent::mysql
