#pragma once

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

/// The names for the collector's own certificate: the host's, the configured ones and every address that it
/// listens on (for a wildcard, all addresses of the machine).
std::vector<std::string> certificateNames(const Config& config, const std::string& host);

/// Listens on all configured addresses without serving yet. `answered` counts answers. A failure to create
/// the admin socket is only logged, because the collector works without it.
Expected<std::vector<std::unique_ptr<api::Server>>> listenAll(
    const Config& config, const trust::Authority* authority, const Handlers& handlers, api::Loop& loop,
    const std::function<void(const std::string&, int)>& answered);

}  // namespace lapwing::collector
