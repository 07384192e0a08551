#pragma once

namespace lapwing {

/// What an agent says of itself with each request, beside its certificate. An agent of an older version sends
/// none of them.
inline constexpr const char* kMachineIdHeader = "X-Lapwing-Machine-Id";
/// Random, new with each start of an agent: two agents that run at the same time never share one.
inline constexpr const char* kSessionHeader = "X-Lapwing-Session";
/// In a request: the agent's wall clock, milliseconds since 1970. In the answer: the collector's judgement on
/// it, "agrees", "wrong" or "disputed".
inline constexpr const char* kClockHeader = "X-Lapwing-Clock";
/// In an answer: names the CAs that the collector trusts and signs with. An agent whose bundle names others
/// renews its certificate, and learns them by that (tls::trustOf()).
inline constexpr const char* kTrustHeader = "X-Lapwing-Trust";
/// In an answer 400: how many samples were refused for their times alone. The agent sets them aside.
inline constexpr const char* kRefusedTimesHeader = "X-Lapwing-Refused-Times";

}  // namespace lapwing
