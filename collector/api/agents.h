#pragma once

#include "collector/api/exchange.h"

namespace lapwing::analysis {
class Analyst;
}
namespace lapwing::clock {
class SiteClock;
}
namespace lapwing::ingest {
class Receiver;
}
namespace lapwing::self {
class AgentBook;
class Metrics;
}  // namespace lapwing::self
namespace lapwing::storage {
class Store;
}
namespace lapwing::trust {
class Authority;
class Identities;
}  // namespace lapwing::trust

namespace lapwing::api {

class JoinDesk;

/// Everything must outlive the handlers.
struct AgentsParts {
    ingest::Receiver& receiver;
    storage::Store& store;
    const analysis::Analyst& analyst;
    self::AgentBook& agents;
    self::Metrics& metrics;
    clock::SiteClock& clock;
    trust::Identities* identities = nullptr;  ///< null: every certificate is enough
    trust::Authority* authority = nullptr;    ///< signs renewals; null: there are none
    std::string trust = {};                   ///< kTrustHeader of answers
    JoinDesk* join = nullptr;                 ///< for strangers; null: nobody can join
};

/// The conversations with agents (docs/architecture.md): write, documents, renew, assignments; and with
/// strangers: join.
/// Safe from any thread.
Handler agentsHandler(const AgentsParts& parts);

/// Its gate: Request::agent names the agent; without a valid name, and for a machine that may not use it, the
/// answer is 403. A client without a certificate may only join. Safe from any thread.
Gate agentsGate(const AgentsParts& parts);

/// Whether a request writes to the store.
bool isSlowForAgents(const Request& request);

/// /api/v1/write for `ingest.local`: stores samples without adding the label `agent`.
Handler localWriteHandler(const AgentsParts& parts);

}  // namespace lapwing::api
