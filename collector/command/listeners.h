#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "collector/api/server.h"
#include "collector/config/config.h"
#include "collector/trust/authority.h"

namespace lapwing::collector {

/// What answers at the listeners.
struct Handlers {
    struct Listener {
        api::Gate gate;
        api::Handler handler;
    };
    Listener loopback;
    Listener off_loopback;
    Listener agents;
    Listener admin;
};

/// The addresses of the machine's interfaces that are up, without link-local ones.
std::vector<std::string> machineAddresses();

/// The names for the collector's own certificate: the host's, the configured ones and every address that it
/// listens on (for a wildcard, all addresses of the machine).
std::vector<std::string> certificateNames(const Config& config, const std::string& host);

/// The addresses by which other machines reach the agents' listeners, with the ports that were bound: the
/// configured names, the addresses (for a wildcard, those of the machine's interfaces, IPv4 first) and the
/// host's full name. The loopback only where there is nothing else.
struct AgentsAddresses {
    std::vector<std::string> addresses;
    std::uint16_t port = 0;  ///< of the first listener
};
AgentsAddresses agentsAddresses(const Config& config,
                                const std::vector<std::unique_ptr<api::Server>>& servers);

/// Listens on all configured addresses without serving yet. `answered` counts answers. A failure to create
/// the admin socket is only logged, because the collector works without it.
Expected<std::vector<std::unique_ptr<api::Server>>> listenAll(
    const Config& config, const trust::Authority* authority, const Handlers& handlers, api::Loop& loop,
    const std::function<void(const std::string&, int)>& answered);

}  // namespace lapwing::collector
