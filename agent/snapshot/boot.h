#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/sample.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent {

struct CollectOptions;

/// What would filter after the next boot, as far as that can be told beforehand.
struct Boot {
    std::vector<std::string> sources;  ///< what loads rules: "nftables.service /etc/nftables.conf"
    std::vector<std::string> makers;   ///< enabled units that make rules by themselves: "ufw.service"
    std::vector<std::string> faults;   ///< why something that is enabled would load nothing
    std::string listing;      ///< of a rehearsal, as listingOf() gives one; "" where that is not known
    std::string unknown;      ///< why it is not
    std::string fingerprint;  ///< of everything that decides: while it stays, nothing is rehearsed again
    TimestampMs rehearsed = 0;
};

/// Looks for what loads rules at boot and, unless the snapshot that was written last has it already,
/// rehearses it: loads the files in a network namespace of its own and lists what is there then. Where units
/// make rules by themselves (ufw, firewalld), nothing is rehearsed, and `listing` and `unknown` are both
/// empty. `host`: whose interfaces the files may name.
Boot readBoot(const CollectOptions& options, const reach::Host& host);

std::string toJson(const Boot& boot);
/// Reads what toJson() wrote; whatever is missing stays empty.
Boot bootFromJson(std::string_view json);

}  // namespace lapwing::agent
