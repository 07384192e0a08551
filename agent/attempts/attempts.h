#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/certificate/agent_certificate.h"
#include "common/model/sample.h"
#include "common/reach/address.h"

namespace lapwing::agent {

/// A host that the configuration names as a peer, or that `peers: auto` has found: attempts go to these and
/// to nothing else.
struct Peer {
    std::string host;
    std::string address;  ///< IPv4 or IPv6; a peer with both is named twice
    /// A port that is known to answer: the silence of another port counts only if this one answers. 0: none.
    int control_port = 0;
    bool discovered = false;  ///< by `peers: auto`
};

/// `peers: auto`: hosts that joined the collector count as peers, at their addresses within these networks.
struct PeerDiscovery {
    bool on = false;
    std::vector<reach::AddressRange> within;  ///< empty: the networks that this host is directly attached to
};

/// A peer, and what the attempts at it have shown.
struct PeerState {
    Peer peer;
    std::size_t ports = 0;     ///< that were tried
    std::size_t answered = 0;  ///< that were open, or refused: the way to the peer is whole
};

struct AttemptsConfig {
    std::string host;           ///< of this agent
    std::string collector_url;  ///< "https://mon:9766"
    std::shared_ptr<AgentCertificate> certificate;
    std::vector<std::pair<std::string, std::string>> identity;  ///< headers of each request
    std::vector<Peer> peers;
    PeerDiscovery discovery;
    bool canary = true;
    std::chrono::milliseconds interval{60'000};            ///< between two attempts at the same target
    std::chrono::milliseconds greeting_interval{600'000};  ///< between two readings of MySQL's greeting
    std::chrono::milliseconds report_interval{30'000};     ///< how often the last results are reported again
    std::chrono::milliseconds timeout{1'500};              ///< of one connection attempt
};

/// Asks the collector which of the peers' listeners to try (a long poll), connects to them from the main and
/// from a second address of the interface that reaches them, and reports the results (report.h). At most five
/// connections a second. Also carries out canaries: the agent's only listener, on a random port for two
/// seconds.
class Attempts {
  public:
    /// Called from a thread of the Attempts. Series that end carry a staleness marker.
    using Sink = std::function<void(std::vector<TimeSeries>)>;
    /// The collector's clock minus this host's, in seconds (0 while it is unknown). Any thread.
    using ClockOffset = std::function<double()>;

    Attempts(AttemptsConfig config, Sink sink, ClockOffset clock_offset);
    /// Calls stop().
    ~Attempts();
    Attempts(const Attempts&) = delete;
    Attempts& operator=(const Attempts&) = delete;

    void start();
    /// Returns within two seconds; a long poll that is still under way is abandoned. The sink is not called
    /// after.
    void stop();

    /// The peers of now, those that the configuration names first. Any thread.
    std::vector<PeerState> peers() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace lapwing::agent
