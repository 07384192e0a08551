#pragma once

#include <cstddef>

namespace lapwing {

/// Agents send no larger document, and the collector takes none.
inline constexpr std::size_t kMostDocumentBytes = 1U << 20;

}  // namespace lapwing
