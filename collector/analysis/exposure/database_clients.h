#pragma once

#include <string>
#include <vector>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::exposure {

/// The hosts that have business with the site's databases: what the site declares, the replicas and their
/// primaries, and the servers behind load balancers.
struct DatabaseClients {
    std::vector<reach::AddressRange> from;
    std::vector<std::string> missing;  ///< as of Flows
};
const DatabaseClients& databaseClients(const Context& context);

}  // namespace lapwing::analysis::exposure
