#pragma once

#include <optional>
#include <string>

#include "collector/config/config.h"

namespace lapwing::collector {

/// The configuration, or nothing after all its problems were printed to stderr.
std::optional<Config> configOrComplain(const std::string& file);

}  // namespace lapwing::collector
