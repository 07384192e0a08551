#pragma once

#include "common/config/manual.h"

namespace lapwing::collector {

/// lapwing-collector.yaml(5): every key that readConfig() knows.
config::ManualPage manualPage();

}  // namespace lapwing::collector
