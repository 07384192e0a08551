#pragma once

#include <string>
#include <vector>

#include "agent/snapshot/helper/boot_plan.h"
#include "agent/snapshot/helper/options.h"

namespace lapwing::agent {

/// The rules after the files of a plan were loaded.
struct Rehearsal {
    std::string listing;              ///< as listingOf() gives one, without a host; "" if unknown
    std::string unknown;              ///< why the listing is unknown
    std::vector<std::string> faults;  ///< an error of each file that can never be loaded
};

/// Loads the files in a child process, in a network namespace of its own, and lists the rules there. The
/// namespace belongs to a user namespace of the child, so that this needs no capability and cannot change
/// this machine. Takes no longer than `options.rehearsal_deadline`.
Rehearsal rehearse(const BootPlan& plan, const CollectOptions& options);

}  // namespace lapwing::agent
