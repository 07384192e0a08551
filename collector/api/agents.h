#pragma once

#include "collector/api/exchange.h"

namespace lapwing::analysis {
class Analyst;
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

namespace lapwing::api {

/// All must outlive the handlers.
struct AgentsParts {
    ingest::Receiver& receiver;
    storage::Store& store;
    const analysis::Analyst& analyst;
    self::AgentBook& agents;
    self::Metrics& metrics;
};

/// The agents' four conversations (docs/architecture.md), less joining: write, documents, assignments.
/// Request::agent names who asks; without a valid name the answer is 403. Safe from any thread.
Handler agentsHandler(const AgentsParts& parts);

/// /api/v1/write for `ingest.local`: samples are stored without the label `agent` being added.
Handler localWriteHandler(const AgentsParts& parts);

}  // namespace lapwing::api
