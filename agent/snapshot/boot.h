#pragma once

#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::agent {

/// The packet filter after the next boot, as far as it can be predicted.
struct Boot {
    std::vector<std::string> sources;  ///< the loaders of rules: "nftables.service /etc/nftables.conf"
    std::vector<std::string> makers;   ///< enabled units that make rules by themselves: "ufw.service"
    std::vector<std::string> faults;   ///< why an enabled unit would load nothing
    std::string listing;               ///< of a rehearsal, as listingOf() gives one; "" if unknown
    std::string unknown;               ///< why the listing is unknown
    std::string fingerprint;           ///< of all inputs: nothing is rehearsed again until it changes
    TimestampMs rehearsed = 0;
    /// The file beside the snapshot that has the listing; "" where the snapshot has it.
    std::string file = {};
    bool operator==(const Boot&) const = default;
};

}  // namespace lapwing::agent
