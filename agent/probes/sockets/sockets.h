#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agent/host/listeners.h"
#include "agent/host/owners.h"
#include "agent/probes/probe.h"
#include "agent/probes/sockets/connections.h"
#include "agent/snapshot/snapshot_file.h"
#include "common/model/sample.h"

namespace lapwing::agent::sockets {

/// Remembers who listened where. A service that was restarted has new sockets, which the snapshot names only
/// seconds later: until then the last owner of that place counts.
class OwnerMemory {
  public:
    /// The owners of these listeners: as the snapshot says that was read at `read_at`, or as remembered for
    /// sockets that are newer.
    std::map<std::uint64_t, Owner> complete(const std::vector<Listener>& listeners,
                                            const std::map<std::uint64_t, Owner>& owners, TimestampMs read_at,
                                            TimestampMs now);

  private:
    using Place = std::tuple<std::string, std::string, bool, std::uint16_t>;
    std::map<Place, Owner> last_;
    std::map<std::uint64_t, TimestampMs> first_seen_;  ///< by inode
};

/// The listening sockets of this host, and the program of each where the snapshot tells it.
class SocketsProbe : public Probe {
  public:
    SocketsProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::string proc_;
    std::shared_ptr<SnapshotFile> snapshot_;
    OwnerMemory memory_;
};

/// `lapwing_listener_info`, one sample for each listener and family that it serves.
prometheus::MetricFamily listenerFamily(const std::vector<Listener>& listeners,
                                        const std::map<std::uint64_t, Owner>& owners);

/// `lapwing_outgoing_connections`: how many to each address and port.
prometheus::MetricFamily outgoingFamily(const std::vector<Connection>& connections,
                                        const std::set<std::uint16_t>& listening);
/// `lapwing_incoming_connections`: how many to each listening port, by the client's address.
prometheus::MetricFamily incomingFamily(const std::vector<Connection>& connections,
                                        const std::set<std::uint16_t>& listening);

}  // namespace lapwing::agent::sockets
