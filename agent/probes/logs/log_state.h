#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/probes/logs/counts.h"
#include "agent/probes/logs/follower.h"
#include "common/error.h"

namespace lapwing::agent::logs {

/// Everything that is known of one log, kept over restarts of the agent: the places and the counts together,
/// so that no line is counted twice or lost when the agent is killed.
struct LogState {
    Places places;
    AccessCounts access;
    ErrorCounts errors;
    std::uint64_t counted = 0;
    std::uint64_t unparsed = 0;
    std::uint64_t long_lines = 0;
    std::uint64_t skipped_bytes = 0;
    std::uint64_t truncated = 0;
    std::uint64_t gone = 0;
};

/// By path.
using LogStates = std::map<std::string, LogState>;

/// As JSON.
std::string writeStates(const std::map<std::string, const LogState*>& states);
/// Error `invalid` for a text that writeStates() has not written.
Expected<LogStates> readStates(std::string_view text);

}  // namespace lapwing::agent::logs
