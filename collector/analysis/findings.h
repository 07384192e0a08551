#pragma once

#include <span>

#include "collector/analysis/finding.h"
#include "collector/analysis/judgement.h"

namespace lapwing::analysis {

/// A kind of finding. docs/findings/ID.md describes it under the same title.
struct FindingKind {
    const char* id;
    const char* title;
    Severity highest;  ///< of the severities that its judge may give it
    /// Adjacent kinds with one judge are judged together, in one call.
    void (*judge)(const Context& context, Judgement& out);
};

/// Every kind of finding, in the order of their ids.
std::span<const FindingKind> findingKinds();

/// Calls each judge once. Pure.
Judgement judgeAll(const Context& context);

}  // namespace lapwing::analysis
