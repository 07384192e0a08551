#pragma once

#include <string>
#include <vector>

#include "agent/snapshot/helper/boot_plan.h"
#include "agent/snapshot/helper/options.h"

namespace lapwing::agent {

/// What was there once the files of a plan had been loaded.
struct Rehearsal {
    std::string listing;  ///< as listingOf() gives one, without a host; "" if that is not known
    std::string unknown;  ///< why it is not
    std::vector<std::string>
        faults;  ///< of each file of which nothing can be loaded, ever: what is wrong in it
};

/// Loads the files in a child process, into a network namespace that only this child has, and lists what
/// filters there. The namespace belongs to a user namespace of the child's, so that no capability is needed
/// and nothing of this machine can be changed. Takes no longer than `options.rehearsal_deadline`.
Rehearsal rehearse(const BootPlan& plan, const CollectOptions& options);

}  // namespace lapwing::agent
