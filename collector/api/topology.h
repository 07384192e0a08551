#pragma once

#include "collector/analysis/topology/what_if.h"
#include "collector/api/json.h"

namespace lapwing::api {

/// What /api/lapwing/v1/topology answers: components, edges, conflicts and, for each service, its cut sets.
void writeTopology(JsonWriter& json, const analysis::topology::Model& model);

/// What /api/lapwing/v1/whatif answers.
void writeWhatIf(JsonWriter& json, const analysis::topology::WhatIf& answer);

}  // namespace lapwing::api
