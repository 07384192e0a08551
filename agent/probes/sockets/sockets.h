#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/probes/probe.h"
#include "agent/probes/sockets/connections.h"
#include "agent/snapshot/listeners.h"
#include "agent/snapshot/snapshot.h"

namespace lapwing::agent::sockets {

/// Which sockets listen on this host, and which program holds each, where the snapshot tells.
class SocketsProbe : public Probe {
  public:
    SocketsProbe(std::string proc, std::string snapshot);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::string proc_;
    std::string snapshot_;
};

/// `lapwing_listener_info`, one sample for each listener and family that it serves.
prometheus::MetricFamily listenerFamily(const std::vector<Listener>& listeners,
                                        const std::map<std::uint64_t, Owner>& owners);

/// `lapwing_outgoing_connections`: how many to each address and port.
prometheus::MetricFamily connectionFamily(const std::vector<Connection>& connections,
                                          const std::vector<Listener>& listeners);

}  // namespace lapwing::agent::sockets
