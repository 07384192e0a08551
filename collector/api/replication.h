#pragma once

#include "collector/analysis/replication/verdict.h"
#include "collector/api/json.h"

namespace lapwing::api {

/// Writes one replica channel as /api/lapwing/v1/replication shows it.
void writeVerdict(JsonWriter& json, const analysis::replication::Verdict& verdict);

/// Writes the `evidence` of a finding or a verdict.
void writeEvidence(JsonWriter& json, const std::vector<analysis::Evidence>& evidence);

}  // namespace lapwing::api
