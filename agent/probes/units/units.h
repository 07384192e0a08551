#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/probe.h"
#include "agent/probes/units/cgroups.h"
#include "agent/probes/units/choice.h"
#include "agent/probes/units/families.h"

namespace lapwing::agent::units {

/// Where the host's systemd is: elsewhere in tests.
struct Places {
    std::string bus = "unix:path=/run/dbus/system_bus_socket";
    std::string sys = "/sys";
};

/// The most units whose states or counters are reported; docs/limits.md.
inline constexpr std::size_t kMostUnits = 512;

/// The units of systemd, and what the kernel counts for its services. If the bus does not answer, the run has
/// failed and still has what the kernel counts.
class UnitsProbe : public Probe {
  public:
    explicit UnitsProbe(Choice choice, Places places = {})
        : choice_(std::move(choice)), places_(std::move(places)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Choice choice_;
    Places places_;
};

/// The units to ask about, at most `most`: watched ones first, of these and of the others failed ones first,
/// passing ones last; in the order of the list. Pure.
std::vector<const Unit*> chosen(const Choice& choice, const std::vector<Unit>& listed, std::size_t most,
                                bool& cut);

/// What is to be asked of a unit. Pure.
struct Wanted {
    bool states = false;
    bool restarts = false;
    bool timer = false;
    bool socket = false;
    bool any() const { return states || restarts || timer || socket; }
};
Wanted wantedOf(const Choice& choice, const Unit& unit);

}  // namespace lapwing::agent::units
