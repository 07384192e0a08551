#pragma once

#include "collector/analysis/site.h"
#include "collector/api/exchange.h"

namespace lapwing::analysis {
class Analyst;
}
namespace lapwing::self {
class AgentBook;
}
namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

/// Lapwing's own API, in Prometheus' envelope: /api/lapwing/v1/{findings,replication,agents}. It reads only.
/// Safe from any thread; all references must outlive it.
class LapwingApi {
  public:
    LapwingApi(const analysis::Analyst& analyst, const storage::Queryable& data, self::AgentBook& agents,
               const analysis::Site& site)
        : analyst_(analyst), data_(data), agents_(agents), site_(site) {}

    /// False if the path is none of its own: then nothing was answered.
    bool handle(Request& request, Responder& responder) const;

  private:
    void findings(Responder& responder) const;
    void replication(Responder& responder) const;
    void agents(Responder& responder) const;

    const analysis::Analyst& analyst_;
    const storage::Queryable& data_;
    self::AgentBook& agents_;
    const analysis::Site& site_;
};

}  // namespace lapwing::api
