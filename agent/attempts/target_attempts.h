#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "agent/attempts/assignment.h"
#include "agent/attempts/collector_clock.h"
#include "agent/attempts/outcome.h"
#include "agent/attempts/sources.h"

namespace lapwing::agent {

/// A target, tried from one address of this host.
struct AttemptResult {
    Target target;
    reach::Address source;
    Outcome outcome;
};

/// Tries the targets of an assignment, one attempt at a call, each again after its interval. Not
/// synchronised.
class TargetAttempts {
  public:
    using Clock = std::chrono::steady_clock;

    TargetAttempts(const AttemptsConfig& config, CollectorClock clock);

    /// Replaces the peers and the targets, and forgets the results of others.
    void take(std::vector<Peer> peers, std::vector<Target> targets);
    /// Makes one attempt that is due. False if none is. Takes up to three times the configured timeout: the
    /// control port, the attempt, the greeting.
    bool tryNext();

    std::vector<AttemptResult> results() const;
    /// The peers, with what the attempts at each have shown.
    std::vector<PeerState> peers() const;
    bool hasResults() const { return !outcomes_.empty(); }
    const Controls& controls() const { return controls_; }

  private:
    Clock::time_point dueAt(const Target& target, const Outcome& outcome) const;
    const std::vector<Source>& sourcesOf(const reach::Address& address);
    bool controlAnswers(const Target& target, const reach::Address& source);
    void tryTarget(const Target& target, const Source& source);

    const AttemptsConfig config_;
    const CollectorClock clock_;
    std::vector<Peer> peers_;
    std::vector<Target> targets_;
    std::map<reach::Address, std::vector<Source>> sources_;  ///< by target, for one interval
    Clock::time_point sources_read_;
    Outcomes outcomes_;
    Controls controls_;
};

}  // namespace lapwing::agent
