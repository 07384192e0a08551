#pragma once

#include "common/config/manual.h"

namespace lapwing::agent {

/// lapwing-agent.yaml(5): every key that loadConfig() knows with all kinds of probes.
config::ManualPage manualPage();

}  // namespace lapwing::agent
