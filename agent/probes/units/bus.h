#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agent/probes/probe.h"
#include "common/error.h"

struct sd_bus;

namespace lapwing::agent::units {

/// A unit as systemd lists it.
struct Unit {
    std::string name;    ///< "nginx.service"
    std::string load;    ///< "loaded", "not-found", "masked"
    std::string active;  ///< "active", "inactive", "failed", "activating", "deactivating"
    std::string sub;     ///< "running", "exited", "auto-restart"
    std::string path;    ///< of its object on the bus
};

/// Text, or an unsigned number of any width; nothing where the object has no such property.
using Property = std::variant<std::monostate, std::string, std::uint64_t>;

/// systemd's manager on the system bus, asked as an unprivileged user: properties and the list of units are
/// for everybody. Each call ends at the deadline, and fails as `timeout` there; `denied` and `unavailable`
/// are other errors of the bus. Not synchronised.
class ManagerBus {
  public:
    /// `address`: of the bus, in D-Bus' form.
    static Expected<ManagerBus> connect(const std::string& address, const Deadline& deadline);

    /// Units with a name of more than 256 bytes are left out.
    Expected<std::vector<Unit>> listUnits();
    /// A property of the manager.
    Expected<Property> manager(const char* name);
    /// `interface`: "Service", "Socket".
    Expected<Property> unit(const Unit& unit, const char* interface, const char* name);

  private:
    struct Close {
        void operator()(sd_bus* bus) const;
    };

    ManagerBus(sd_bus* bus, Deadline::Clock::time_point end) : bus_(bus), end_(end) {}
    /// Waits until the bus has taken the connection. sd-bus by itself waits 90 s for that. Returns a negative
    /// errno if it fails.
    int becomeReady();
    Expected<Property> get(const std::string& path, const std::string& interface, const char* name);
    /// In microseconds, never 0 (which sd-bus reads as its own default of 25 s).
    std::uint64_t timeLeft() const;

    std::unique_ptr<sd_bus, Close> bus_;
    Deadline::Clock::time_point end_;
};

}  // namespace lapwing::agent::units
