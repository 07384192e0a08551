#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/probes/units/bus.h"
#include "agent/probes/units/cgroups.h"

namespace lapwing::agent::units {

/// A reported unit. What was not asked, or does not exist in this version of systemd, is absent.
struct UnitFacts {
    Unit unit;
    bool states = false;                    ///< all its states are reported
    std::string type;                       ///< of a service ("notify") or a mount ("ext4"); else ""
    std::string result;                     ///< why it failed: "exit-code", "oom-kill"; "" unless it failed
    std::optional<std::uint64_t> restarts;  ///< by systemd, since it was started by hand
    std::optional<std::uint64_t> active_since_us;       ///< since 1970
    std::optional<std::uint64_t> last_trigger_us;       ///< of a timer, since 1970; 0 for never
    std::optional<std::uint64_t> accepted_connections;  ///< of a socket, with those below
    std::optional<std::uint64_t> current_connections;
    std::optional<std::uint64_t> refused_connections;
};

/// systemd's answers of one run.
struct ManagerFacts {
    std::string version;       ///< "252.39-1~deb12u2"
    std::string system_state;  ///< "running", "degraded"
    std::vector<Unit> listed;  ///< all units
    std::vector<UnitFacts> reported;
};

/// node_exporter's names, types, labels and values. Pure.
std::vector<prometheus::MetricFamily> managerFamilies(const ManagerFacts& facts);
/// Pure.
std::vector<prometheus::MetricFamily> usageFamilies(const UsageRead& usage);

}  // namespace lapwing::agent::units
