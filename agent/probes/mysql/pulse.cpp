#include "agent/probes/mysql/pulse.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/row.h"
#include "common/metric_names.h"
#include "common/time_text.h"

namespace lapwing::agent::mysql {
namespace {

std::optional<bool> flag(const Row& row, std::string_view column) {
    const auto text = row.get({column});
    if (!text) {
        return std::nullopt;
    }
    // Newer MariaDB has degrees of read-only (NO_LOCK, ...); each of them is read-only.
    return *text != "0" && *text != "OFF";
}

/// Days since 1970 of a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
/// algorithms", days_from_civil).
std::int64_t daysOf(std::int64_t year, std::int64_t month, std::int64_t day) {
    year -= month <= 2 ? 1 : 0;
    const auto era = (year >= 0 ? year : year - 399) / 400;
    const auto of_era = year - era * 400;
    const auto of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

}  // namespace

std::optional<double> parseTimestamp(std::string_view text) {
    constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd";
    if (text.size() < form.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < form.size(); ++i) {
        const char c = text[i];
        const bool fits = form[i] == 'd'   ? c >= '0' && c <= '9'
                          : form[i] == 'T' ? c == 'T' || c == ' '
                                           : c == form[i];
        if (!fits) {
            return std::nullopt;
        }
    }
    const auto part = [&](std::size_t at, std::size_t digits) {
        std::int64_t value = 0;
        for (std::size_t i = at; i < at + digits; ++i) {
            value = value * 10 + (text[i] - '0');
        }
        return value;
    };
    const auto month = part(5, 2);
    const auto day = part(8, 2);
    if (month < 1 || month > 12 || day < 1 || day > 31) {
        return std::nullopt;  // MySQL's 0000-00-00, too
    }
    double fraction = 0;
    if (text.size() > form.size()) {
        const auto rest = text.substr(form.size());
        const auto value = toNumber(rest);
        if (rest.size() < 2 || rest[0] != '.' || !value ||
            rest.find_first_not_of("0123456789", 1) != rest.npos) {
            return std::nullopt;
        }
        fraction = *value;
    }
    const auto seconds =
        daysOf(part(0, 4), month, day) * 86'400 + part(11, 2) * 3600 + part(14, 2) * 60 + part(17, 2);
    return static_cast<double>(seconds) + fraction;
}

std::string formatTimestamp(double unix_seconds) {
    const auto micros = static_cast<std::int64_t>(std::llround(unix_seconds * 1e6));
    std::array<char, 16> fraction{};
    std::snprintf(fraction.data(), fraction.size(), ".%06d", static_cast<int>(micros % 1'000'000));
    return dateAndTime(micros / 1000) + fraction.data();
}

Pulse parsePulse(const Table& table) {
    Pulse out;
    if (table.rows.size() != 1) {
        return out;
    }
    const Row row(table, table.rows[0]);
    if (const auto text = row.get({"utc"})) {
        out.utc = parseTimestamp(*text);
    }
    out.read_only = flag(row, "read_only");
    out.super_read_only = flag(row, "super_read_only");
    out.executed = parseGtidSet(row.text({"gtid_executed"}));
    mergeGtidList(row.text({"gtid_binlog_pos"}), out.positions);
    mergeGtidList(row.text({"gtid_slave_pos"}), out.positions);
    out.binlog_state = parseGtidList(row.text({"gtid_binlog_state"}));
    out.dump_threads = row.number({"dump_threads"});
    out.registered_replicas = row.number({"registered_replicas"});
    out.longest_transaction = row.number({"longest_transaction"});
    // Not NULL-aware: an empty table is one without rows.
    if (table.find("heartbeats")) {
        out.heartbeats = parseHeartbeats(row.text({"heartbeats"}));
    }
    return out;
}

void addDumpThreads(double count, Families& out) {
    FamilyList families(out, "Connections that read the binary log.");
    families.add(metric::kMysqlDumpThreads, {}, count);
}

void addPulse(const Pulse& pulse, std::optional<double> offset, Families& out) {
    FamilyList families(out, "Of the server, every second.");
    if (pulse.read_only) {
        families.add(exporter::kMysqlGlobalVariablesReadOnly, {}, *pulse.read_only ? 1 : 0);
    }
    if (pulse.super_read_only) {
        families.add(exporter::kMysqlGlobalVariablesSuperReadOnly, {}, *pulse.super_read_only ? 1 : 0);
    }
    if (offset) {
        families.add(metric::kMysqlClockOffsetSeconds, {}, *offset);
    }
    if (pulse.dump_threads) {
        addDumpThreads(*pulse.dump_threads, out);
    }
    if (pulse.longest_transaction) {
        families.add(metric::kMysqlLongestTransactionSeconds, {}, std::max(0.0, *pulse.longest_transaction));
    }
    addGtids(pulse.executed, "executed", families);
    addGtids(pulse.positions, "executed", families);
    for (const auto& last : pulse.binlog_state) {
        families.add(metric::kMysqlGtidSequence,
                     {{"set", "binlog_state"}, {"domain", last.domain}, {"source", last.server}},
                     last.sequence);
    }
    if (pulse.heartbeats) {
        addHeartbeats(*pulse.heartbeats, pulse.utc, out);
    }
}

}  // namespace lapwing::agent::mysql
