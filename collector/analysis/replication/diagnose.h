#pragma once

#include "collector/analysis/replication/case.h"

namespace lapwing::analysis::replication {

/// Sets state, cause, confidence, summary, next_step, broken_part and the evidence for them. Receiver before
/// applier: without a receiver, what the applier says is old. Pure.
void diagnose(const Case& the_case, Verdict& out);

}  // namespace lapwing::analysis::replication
