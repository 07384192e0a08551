#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "agent/join/advice.h"
#include "common/doctor/report.h"
#include "common/error.h"

namespace lapwing::agent {

// Judgements of `lapwing-agent doctor` on what a running agent says (`status`, of the status socket) and on
// what was tried here. All are pure.

/// The commands by which a host joins again, with a new certificate.
std::string rejoinFix(const std::string& host);

/// `kernel_keeps` is doctor::clockIsKept(), `fix` is doctor::clockFix().
void diagnoseClock(doctor::Report& out, std::string_view status, bool kernel_keeps, const std::string& fix);

/// What the agent says of its spool.
void diagnoseSpool(doctor::Report& out, std::string_view status, const std::string& data);

/// Each probe, and each service of the host that no probe watches; `off` are jobs that the configuration
/// switches off.
void diagnoseProbes(doctor::Report& out, std::string_view status, const Installed& installed,
                    const std::string& directory, const std::vector<std::string>& off);

/// The peers of the agent, and whether attempts at them get any answer.
void diagnosePeers(doctor::Report& out, std::string_view status);

/// The certificate in use; `ends` 0: it could not be read.
void diagnoseCertificate(doctor::Report& out, const std::string& file, const std::string& host,
                         std::time_t ends, std::time_t now);

/// One attempt of doctor's own to reach the collector.
struct CollectorAttempt {
    std::string name;  ///< the URL's host
    int port = 0;
    bool resolved = true;
    std::string resolve_error;
    bool answered = false;
    ErrorKind kind = ErrorKind::internal;  ///< unless it answered
    std::string error;
};

/// The agent's word on its collector comes first; the attempt tells the cause.
void diagnoseCollector(doctor::Report& out, std::string_view status, const CollectorAttempt& attempt,
                       const std::string& host, const std::string& directory);

}  // namespace lapwing::agent
