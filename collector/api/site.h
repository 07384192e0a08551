#pragma once

#include "collector/analysis/topology/assumptions.h"
#include "collector/api/json.h"

namespace lapwing::api {

/// {"assumptions", "missing", "contradictions", "proposals"}: docs/api.md.
void writeAssumptions(JsonWriter& json, const analysis::topology::Assumptions& assumptions);

}  // namespace lapwing::api
