#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/host/listeners.h"
#include "agent/host/owners.h"
#include "agent/probes/probe.h"
#include "agent/probes/sockets/connections.h"
#include "agent/snapshot/snapshot_file.h"

namespace lapwing::agent::sockets {

/// The listening sockets of this host, and the program of each where the snapshot tells it.
class SocketsProbe : public Probe {
  public:
    SocketsProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::string proc_;
    std::shared_ptr<SnapshotFile> snapshot_;
};

/// `lapwing_listener_info`, one sample for each listener and family that it serves.
prometheus::MetricFamily listenerFamily(const std::vector<Listener>& listeners,
                                        const std::map<std::uint64_t, Owner>& owners);

/// `lapwing_outgoing_connections`: how many to each address and port.
prometheus::MetricFamily connectionFamily(const std::vector<Connection>& connections,
                                          const std::vector<Listener>& listeners);

}  // namespace lapwing::agent::sockets
