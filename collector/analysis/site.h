#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lapwing::analysis {

/// What the configuration declares about the site: what cannot be discovered (`site:` in collector.yaml).
struct Site {
    struct Pair {
        std::string primary;
        std::string replica;
    };
    struct Allow {
        std::string to;                 ///< a service's name ("mysql"), or "tcp/PORT"
        std::vector<std::string> from;  ///< addresses in CIDR notation
    };
    /// Hosts that fail together: a rack, a hypervisor, a zone of a provider.
    struct Group {
        std::string name;
        std::vector<std::string> hosts;
    };
    std::vector<std::string> entry;  ///< URLs at which the site is requested
    std::vector<Pair> replication;
    std::vector<Allow> allow;
    std::vector<Group> groups;
    int servers_needed = 1;  ///< how many servers of a pool carry the load
    /// How long the servers may differ while a new version is installed.
    std::int64_t deployment_ms = 900'000;
    std::string witness;  ///< a third party to the databases' automatic failover; "" if there is none
};

}  // namespace lapwing::analysis
