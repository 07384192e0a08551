#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/api/server.h"
#include "collector/config/config.h"
#include "collector/trust/authority.h"

namespace lapwing::collector {

/// The handlers of the listeners.
struct Handlers {
    api::Handler loopback;
    api::Handler off_loopback;
    api::Handler agents;
    api::Handler admin;
};

/// The names for the collector's own certificate: the host's, the configured ones and every address that it
/// listens on (for a wildcard, all addresses of the machine).
std::vector<std::string> certificateNames(const Config& config, const std::string& host);

/// Listens on all configured addresses without serving yet. `answered` counts answers. A failure to create
/// the admin socket is only logged, because the collector works without it.
Expected<std::vector<std::unique_ptr<api::Server>>> listenAll(
    const Config& config, const trust::Authority* authority, const Handlers& handlers,
    api::Deadlines& deadlines, const std::function<void(const std::string&, int)>& answered);

}  // namespace lapwing::collector
