#pragma once

#include <string>

#include "collector/analysis/replication/channel_context.h"

namespace lapwing::analysis::replication {

/// The cause in words and the command to type.
struct Advice {
    std::string summary;
    std::string next_step;
};

/// For a cause that an error of the receiver or the applier states. Pure.
Advice adviceFor(const ChannelContext& context, Cause cause, const evidence::ThreadError& error);

}  // namespace lapwing::analysis::replication
