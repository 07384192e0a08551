#include "agent/probes/mysql/heartbeat.h"

#include <algorithm>
#include <string_view>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/pulse.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"

namespace lapwing::agent::mysql {
namespace {

constexpr std::size_t kMostRows = 100;
constexpr double kTwoBeats = 2;

std::string quotedName(const std::string& name) {
    std::string out = "`";
    for (const char c : name) {
        if (c == '`') {
            out += '`';
        }
        out += c;
    }
    return out + "`";
}

/// Checks a text from the server (a file name, a number): it must hold neither quotes nor backslashes.
std::string literal(const std::string& text) {
    if (text.empty() || text.find_first_of("'\\") != std::string::npos) {
        return "NULL";
    }
    return "'" + text + "'";
}

}  // namespace

std::string HeartbeatSettings::quoted() const {
    return quotedName(database) + "." + quotedName(table);
}

std::vector<HeartbeatRow> parseHeartbeats(std::string_view text) {
    std::vector<HeartbeatRow> out;
    for (std::string_view line; out.size() < kMostRows && nextLine(text, line);) {
        const auto id = nextField(line);
        const auto number = toNumber(id);
        const auto at = parseTimestamp(trimmed(line));
        if (number && *number >= 0 && at) {
            out.push_back({std::string(id), *at});
        }
    }
    return out;
}

const char* heartbeatRefusalName(HeartbeatRefusal refusal) {
    switch (refusal) {
        case HeartbeatRefusal::none:
            return "none";
        case HeartbeatRefusal::off:
            return "off";
        case HeartbeatRefusal::no_table:
            return "no_table";
        case HeartbeatRefusal::no_grant:
            return "no_grant";
        case HeartbeatRefusal::read_only:
            return "read_only";
        case HeartbeatRefusal::has_channel:
            return "has_channel";
        case HeartbeatRefusal::not_primary:
            return "not_primary";
        case HeartbeatRefusal::waiting:
            return "waiting";
    }
    return "none";
}

HeartbeatRefusal mayBeat(const HeartbeatFacts& facts) {
    if (facts.mode == HeartbeatMode::off) {
        return HeartbeatRefusal::off;
    }
    if (facts.table != HeartbeatRefusal::none) {
        return facts.table;
    }
    if (facts.mode == HeartbeatMode::read) {
        return HeartbeatRefusal::not_primary;
    }
    if (facts.read_only) {
        return HeartbeatRefusal::read_only;
    }
    const bool multi_primary = facts.mode == HeartbeatMode::multi_primary;
    if (!multi_primary && facts.channels > 0) {
        return HeartbeatRefusal::has_channel;
    }
    const bool declared = multi_primary || facts.mode == HeartbeatMode::primary;
    if (!declared && facts.was_replica && !facts.has_replicas.value_or(false)) {
        return HeartbeatRefusal::not_primary;
    }
    return facts.waiting ? HeartbeatRefusal::waiting : HeartbeatRefusal::none;
}

bool othersBeatLast(const std::vector<HeartbeatRow>& rows, const std::string& server_id) {
    std::optional<double> ours;
    std::optional<double> others;
    for (const auto& row : rows) {
        auto& latest = row.server_id == server_id ? ours : others;
        latest = std::max(latest.value_or(row.at), row.at);
    }
    return others && (!ours || *others > *ours + kTwoBeats);
}

std::string beatStatement(const HeartbeatSettings& settings, const Beat& beat, bool first) {
    const std::string now = "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%f')";
    const std::string file = literal(beat.file);
    const std::string position = toNumber(beat.position) ? beat.position : "NULL";
    std::string guard = "UTC_TIMESTAMP(6) < '" + formatTimestamp(beat.expires) + "'";
    if (beat.guard_read_only) {
        guard += " AND CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')";
    }
    if (beat.guard_channels) {
        guard += " AND NOT EXISTS (SELECT 1 FROM performance_schema.replication_connection_configuration)";
    }
    if (first) {
        return beatBeginning(settings.quoted(), true) + " SELECT " + now + ", " + beat.server_id + ", " +
               file + ", " + position + " FROM DUAL WHERE " + guard;
    }
    return beatBeginning(settings.quoted(), false) + now + ", file = " + file + ", position = " + position +
           " WHERE server_id = " + beat.server_id + " AND " + guard;
}

std::string beatBeginning(const std::string& quoted_table, bool first) {
    return first ? "INSERT INTO " + quoted_table + " (ts, server_id, file, position)"
                 : "UPDATE " + quoted_table + " SET ts = ";
}

bool canGuardReadOnly(bool by_statement) {
    return !by_statement;
}

bool canGuardChannels(const Version& version, bool performance_schema, bool by_statement) {
    return !version.mariadb && performance_schema && !by_statement;
}

void addHeartbeats(const std::vector<HeartbeatRow>& rows, std::optional<double> now, Families& out) {
    FamilyList families(out, "Of the table of heartbeats.");
    std::vector<std::string_view> seen;
    for (const auto& row : rows) {
        if (std::find(seen.begin(), seen.end(), row.server_id) != seen.end()) {
            continue;
        }
        seen.push_back(row.server_id);
        const LabelList labels = {{"server_id", row.server_id}};
        families.add(metric::kMysqlHeartbeatTimestampSeconds, labels, row.at);
        families.add("mysql_heartbeat_stored_timestamp_seconds", labels, row.at);
        if (!now) {
            continue;
        }
        families.add(metric::kMysqlHeartbeatAgeSeconds, labels, *now - row.at);
        families.add("mysql_heartbeat_now_timestamp_seconds", labels, *now);
    }
}

}  // namespace lapwing::agent::mysql
