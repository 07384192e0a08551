#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lapwing::analysis {

/// Facts about the site that cannot be discovered: `site:` of collector.yaml.
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
    /// A finding that may stand for a while.
    struct Accept {
        std::string finding;  ///< its id: "R1"
        std::string subject;
        std::int64_t until_ms = 0;  ///< since 1970
        std::string reason;
    };
    std::vector<Accept> accept;
    int servers_needed = 1;  ///< the number of servers of a pool that carry the load
    /// Servers may differ for this long while a new version is installed.
    std::int64_t deployment_ms = 900'000;
    double objective = 99.9;  ///< the percentage of requests that should succeed
    std::string witness;      ///< a third party to the databases' automatic failover; or ""
};

}  // namespace lapwing::analysis
