#pragma once

#include <functional>
#include <string>

#include "agent/delivery/delivery.h"
#include "agent/probes/probe.h"

namespace lapwing::agent {

/// The agent's own metrics (job "agent"): its identity and addresses, the spool's content, the samples sent
/// and dropped, its clock, memory and CPU time. docs/metrics.md, "The agent itself".
class SelfProbe : public Probe {
  public:
    /// `machine_id`: the file that holds it.
    SelfProbe(std::string version, std::string machine_id, std::function<DeliveryState()> delivery);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::string version_;
    std::string machine_id_;
    std::function<DeliveryState()> delivery_;
};

}  // namespace lapwing::agent
