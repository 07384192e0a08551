#pragma once

#include "collector/analysis/topology/what_if.h"
#include "collector/api/json.h"

namespace lapwing::api {

/// Answers /api/lapwing/v1/topology: components, edges, conflicts and, for each service, its cut sets.
void writeTopology(JsonWriter& json, const analysis::topology::Model& model);

/// Answers /api/lapwing/v1/whatif.
void writeWhatIf(JsonWriter& json, const analysis::topology::WhatIf& answer);

}  // namespace lapwing::api
