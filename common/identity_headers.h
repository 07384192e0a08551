#pragma once

namespace lapwing {

/// What an agent says of itself with each request, beside its certificate. An agent of an older version sends
/// neither header.
inline constexpr const char* kMachineIdHeader = "X-Lapwing-Machine-Id";
/// Random, new with each start of an agent: two agents that run at the same time never share one.
inline constexpr const char* kSessionHeader = "X-Lapwing-Session";

}  // namespace lapwing
