#pragma once

#include <string>
#include <vector>

#include "collector/analysis/finding.h"

namespace lapwing::analysis {

/// How bad a finding was when somebody accepted it.
struct Extent {
    Severity severity = Severity::info;
    std::vector<Part> parts;
};

/// The parts in order, each once. More than 16 KiB of them become one part, a digest: any change of it then
/// counts as worse.
std::vector<Part> bounded(std::vector<Part> parts);

Extent extentOf(const Finding& finding);

/// What makes a finding worse than it was, in words: its severity is higher, or a part of it is no part of
/// `before` (another port, sources outside those of before). "" if it is no worse. Its confidence does not
/// count. Pure.
std::string worse(const Extent& before, const Finding& finding);

}  // namespace lapwing::analysis
