#pragma once

#include <vector>

#include "collector/analysis/topology/model.h"
#include "common/model/sample.h"

namespace lapwing::analysis::topology {

/// The model as info samples, `lapwing_topology_*`: docs/metrics.md has their names. `extra` labels are added
/// to each.
void appendSamples(const Model& model, const Labels& extra, TimestampMs at, std::vector<TimeSeries>& out);

}  // namespace lapwing::analysis::topology
