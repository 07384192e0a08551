#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "agent/probes/units/units.h"
#include "common/config/reader.h"

namespace lapwing::agent {

namespace {

constexpr std::size_t kMostPatterns = 64;
/// Each run costs systemd some 60 requests.
constexpr std::chrono::seconds kInterval{30};

void readPatterns(const config::Node& node, std::vector<std::string>& out) {
    node.read(out);
    if (out.size() > kMostPatterns) {
        node.problem(node.path() + " has more than " + std::to_string(kMostPatterns) + " patterns");
    }
}

std::string configureUnits(const config::Node& node, const ProbeContext& context,
                           std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::off) {
        return "units: off (configured)";
    }
    units::Choice choice;
    if (wanted == Switch::given) {
        node.allow({"watch", "ignore"});
        readPatterns(node["watch"], choice.watch);
        readPatterns(node["ignore"], choice.ignore);
    }
    // As sd_booted(3) decides.
    if (wanted == Switch::detect && ::access("/run/systemd/system", F_OK) != 0) {
        return "units: off (systemd does not run this host)";
    }
    if (wanted == Switch::detect && ::access("/run/dbus/system_bus_socket", F_OK) != 0) {
        return "units: off (there is no system bus: the package dbus brings it)";
    }
    ProbeSpec spec;
    spec.job = "units";
    spec.instance = context.host;
    spec.interval = kInterval;
    units::Places places;
    places.sys = context.sys;
    spec.probe = std::make_unique<units::UnitsProbe>(std::move(choice), std::move(places));
    out.push_back(std::move(spec));
    return wanted == Switch::detect ? "units: on (systemd runs this host)" : "units: on (configured)";
}

}  // namespace

ProbeKind unitsProbe() {
    return {"units", "systemd's units: failures, restarts, CPU and memory of each service", &configureUnits};
}

}  // namespace lapwing::agent
