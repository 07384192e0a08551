#pragma once

#include <string>
#include <vector>

namespace lapwing::agent {

/// The arguments of `lapwing-agent join`.
struct JoinRequest {
    std::string text;                    ///< of `lapwing-collector invite`
    std::string host;                    ///< "": the invitation's, or else the machine's host name
    std::vector<std::string> addresses;  ///< HOST:PORT, to be tried before the invitation's
    bool start = true;                   ///< enable and start the unit
    bool apply = false;  ///< let the agent watch what it cannot: change Nginx and the database
    bool yes = false;    ///< without asking
    int wait_s = -1;     ///< for acknowledged samples; -1: 60, and 0 without `start`
};

/// Joins a collector: makes a key, gets its certificate, writes the configuration, starts the agent, waits
/// until the collector has acknowledged samples, and prints what is watched. Returns kFine; kDegraded if the
/// agent does not deliver in time; kUsage if the collector or this machine refuses; kUnreachable if no
/// collector answers. After kUsage and kUnreachable everything is as before.
int join(const std::string& config_file, const JoinRequest& request);

/// Takes back what join() did: stops the unit, removes the files, and undoes the changes of `--apply`. Fine
/// if there is nothing.
int leave(const std::string& config_file, bool stop);

}  // namespace lapwing::agent
