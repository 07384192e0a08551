#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/api/server.h"
#include "collector/config/config.h"
#include "collector/trust/authority.h"

namespace lapwing::collector {

/// The handlers that the listeners lead to.
struct Handlers {
    api::Handler loopback;
    api::Handler off_loopback;
    api::Handler agents;
    api::Handler admin;
};

/// The names that the collector's own certificate must carry: the host's, the configured ones and every
/// address that is listened on (for a wildcard, all addresses of the machine).
std::vector<std::string> certificateNames(const Config& config, const std::string& host);

/// Listens everywhere that the configuration names; nothing is served yet. `answered` counts answers. An
/// admin socket that cannot be made is logged, and no error: the collector's work does not depend on it.
Expected<std::vector<std::unique_ptr<api::Server>>> listenAll(
    const Config& config, const trust::Authority* authority, const Handlers& handlers,
    api::Deadlines& deadlines, const std::function<void(const std::string&, int)>& answered);

}  // namespace lapwing::collector
