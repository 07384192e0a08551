#include "agent/probes/units/families.h"

#include <array>
#include <cstddef>
#include <map>
#include <string_view>
#include <utility>

#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::units {

namespace {

using prometheus::MetricFamily;
using Families = std::vector<MetricFamily>;

constexpr std::array kStates{"active", "activating", "deactivating", "inactive", "failed"};
constexpr double kMicroseconds = 1e6;

/// "252.39-1~deb12u2" is 252.39.
std::optional<double> versionNumber(std::string_view version) {
    auto end = version.find_first_not_of("0123456789");
    if (end != std::string_view::npos && version[end] == '.') {
        end = version.find_first_not_of("0123456789", end + 1);
    }
    return toNumber(version.substr(0, end));
}

/// Appends the family unless it is empty.
void keep(Families& out, MetricFamily family) {
    if (!family.metric.empty()) {
        out.push_back(std::move(family));
    }
}

using Number = std::optional<std::uint64_t> UnitFacts::*;

MetricFamily ofUnits(MetricFamily family, const std::vector<UnitFacts>& units, Number number,
                     double divisor = 1) {
    for (const auto& each : units) {
        if (const auto& value = each.*number) {
            add(family, {{"name", each.unit.name}}, static_cast<double>(*value) / divisor);
        }
    }
    return family;
}

MetricFamily ofUsage(MetricFamily family, const UsageRead& usage, std::optional<double> Usage::*number) {
    for (const auto& [unit, each] : usage.by_unit) {
        if (const auto& value = each.*number) {
            add(family, {{"name", unit}}, *value);
        }
    }
    return family;
}

MetricFamily stateFamily(const std::vector<UnitFacts>& units) {
    auto out = gauge("node_systemd_unit_state", "Systemd unit");
    for (const auto& each : units) {
        if (!each.states) {
            continue;
        }
        for (const char* state : kStates) {
            add(out, {{"name", each.unit.name}, {"state", state}, {"type", each.type}},
                each.unit.active == state ? 1 : 0);
        }
    }
    return out;
}

MetricFamily summary(const std::vector<Unit>& listed) {
    std::map<std::string, double> counts;
    for (const char* state : kStates) {
        counts[state] = 0;
    }
    for (const auto& unit : listed) {
        counts[unit.active] += 1;
    }
    auto out = gauge("node_systemd_units", "Summary of systemd unit states");
    for (const auto& [state, count] : counts) {
        add(out, {{"state", state}}, count);
    }
    return out;
}

}  // namespace

Families managerFamilies(const ManagerFacts& facts) {
    Families out;
    auto running = gauge("node_systemd_system_running",
                         "Whether the system is operational (see 'systemctl is-system-running')");
    add(running, {}, facts.system_state == "running" ? 1 : 0);
    keep(out, std::move(running));
    auto version = gauge("node_systemd_version", "Detected systemd version");
    if (const auto number = versionNumber(facts.version)) {
        add(version, {{"version", facts.version}}, *number);
    }
    keep(out, std::move(version));
    keep(out, summary(facts.listed));
    keep(out, stateFamily(facts.reported));
    auto results = gauge(metric::kUnitResultInfo, "Why a unit has failed, in systemd's word");
    for (const auto& each : facts.reported) {
        if (!each.result.empty()) {
            add(results, {{"name", each.unit.name}, {"result", each.result}}, 1);
        }
    }
    keep(out, std::move(results));
    const auto& units = facts.reported;
    keep(out, ofUnits(counter("node_systemd_service_restart_total", "Service unit count of Restart triggers"),
                      units, &UnitFacts::restarts));
    keep(out, ofUnits(gauge("node_systemd_unit_start_time_seconds",
                            "Start time of the unit since unix epoch in seconds."),
                      units, &UnitFacts::active_since_us, kMicroseconds));
    keep(out,
         ofUnits(gauge("node_systemd_timer_last_trigger_seconds", "Seconds since epoch of last trigger."),
                 units, &UnitFacts::last_trigger_us, kMicroseconds));
    keep(out, ofUnits(counter("node_systemd_socket_accepted_connections_total",
                              "Total number of accepted socket connections"),
                      units, &UnitFacts::accepted_connections));
    keep(out,
         ofUnits(gauge("node_systemd_socket_current_connections", "Current number of socket connections"),
                 units, &UnitFacts::current_connections));
    // A gauge, as in node_exporter.
    keep(out, ofUnits(gauge("node_systemd_socket_refused_connections_total",
                            "Total number of refused socket connections"),
                      units, &UnitFacts::refused_connections));
    return out;
}

Families usageFamilies(const UsageRead& usage) {
    Families out;
    keep(out, ofUsage(counter(metric::kUnitCpuSecondsTotal, "CPU time of the unit's processes"), usage,
                      &Usage::cpu_seconds));
    keep(out, ofUsage(gauge(metric::kUnitMemoryBytes, "Memory of the unit, with its page cache"), usage,
                      &Usage::memory_bytes));
    keep(out, ofUsage(gauge(metric::kUnitMemoryLimitBytes, "The unit's MemoryMax="), usage,
                      &Usage::memory_limit_bytes));
    keep(out, ofUsage(counter(metric::kUnitOomKillsTotal,
                              "Processes of the unit that the kernel ended for lack of memory"),
                      usage, &Usage::oom_kills));
    keep(out, ofUsage(gauge("node_systemd_unit_tasks_current", "Current number of tasks per Systemd unit"),
                      usage, &Usage::tasks));
    keep(out, ofUsage(gauge("node_systemd_unit_tasks_max", "Maximum number of tasks per Systemd unit"), usage,
                      &Usage::tasks_limit));
    return out;
}

}  // namespace lapwing::agent::units
