#pragma once

#include <optional>
#include <string>
#include <utility>

#include "agent/probes/exec/commands.h"
#include "agent/probes/exec/reply.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::exec {

/// One command, which lapwing-exec runs. The run fails if the command does not end by itself, or prints no
/// metrics in the format `prometheus`.
class ExecProbe : public Probe {
  public:
    explicit ExecProbe(Command command, std::string socket = kSocket)
        : command_(std::move(command)), socket_(std::move(socket)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    ProbeResult report(const Reply& reply);

    Command command_;
    std::string socket_;
    int last_status_ = 0;
    std::string last_text_;  ///< of the time when the status became last_status_: no series for each number
};

}  // namespace lapwing::agent::exec
