#pragma once

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
    std::vector<std::string> entry;  ///< URLs at which the site is requested
    std::vector<Pair> replication;
    std::vector<Allow> allow;
};

}  // namespace lapwing::analysis
