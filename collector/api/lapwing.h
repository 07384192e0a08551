#pragma once

#include "collector/api/exchange.h"

namespace lapwing::analysis {
class Acceptances;
class Analyst;
namespace replication {
class Watch;
}
}  // namespace lapwing::analysis
namespace lapwing::clock {
class SiteClock;
}
namespace lapwing::notify {
class Dispatcher;
}
namespace lapwing::self {
class AgentBook;
}
namespace lapwing::trust {
class Identities;
}

namespace lapwing::api {

/// Lapwing's own API, in Prometheus' envelope:
/// /api/lapwing/v1/{findings,replication,topology,site,whatif,agents,clocks,notifications}. It only reads.
/// Safe from any thread; all references must outlive it.
class LapwingApi {
  public:
    LapwingApi(const analysis::Analyst& analyst, const analysis::replication::Watch& replication,
               self::AgentBook& agents, clock::SiteClock& clock, const trust::Identities* identities,
               const analysis::Acceptances& acceptances, const notify::Dispatcher& dispatcher)
        : analyst_(analyst),
          replication_(replication),
          agents_(agents),
          clock_(clock),
          identities_(identities),
          acceptances_(acceptances),
          dispatcher_(dispatcher) {}

    /// False, without an answer, if the path does not belong to this API.
    bool handle(Request& request, Responder& responder) const;

  private:
    void findings(Responder& responder) const;
    void replication(Responder& responder) const;
    void topology(Responder& responder) const;
    void site(Responder& responder) const;
    void whatIf(const Request& request, Responder& responder) const;
    void agents(Responder& responder) const;
    void clocks(Responder& responder) const;
    void notifications(const Request& request, Responder& responder) const;

    const analysis::Analyst& analyst_;
    const analysis::replication::Watch& replication_;
    self::AgentBook& agents_;
    clock::SiteClock& clock_;
    const trust::Identities* const identities_;  ///< null: no agents
    const analysis::Acceptances& acceptances_;
    const notify::Dispatcher& dispatcher_;
};

}  // namespace lapwing::api
