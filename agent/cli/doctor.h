#pragma once

#include <string>

namespace lapwing::agent {

/// The arguments of `lapwing-agent doctor`.
struct DoctorRequest {
    std::string user;  ///< judge the files as this user; "": as the running agent, or its unit
    bool json = false;
};

/// Examines the agent and its surroundings, and prints for each thing what was tried, the result and the fix.
/// The running agent is asked for what it saw. Returns kFine, or kDegraded if there is something to fix.
int doctor(const std::string& config_file, const DoctorRequest& request);

}  // namespace lapwing::agent
