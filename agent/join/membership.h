#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "common/join_string.h"

namespace lapwing::agent {

/// The files of `join`, beside the configuration file.
struct JoinFiles {
    std::string config;       ///< "/etc/lapwing/agent.yaml", which `join` only reads
    std::string certificate;  ///< "/etc/lapwing/agent.pem": certificate, CAs and key
    std::string fragment;     ///< "/etc/lapwing/agent.d/10-join.yaml"

    static JoinFiles beside(const std::string& config_file);
    /// Fails if one of the files could not be written; a full disk counts. Leaves nothing.
    Expected<void> tryToWrite() const;
};

struct Membership {
    std::string host;
    std::string url;  ///< of the collector, as it was reached
    std::string pem;  ///< tls::trustLine(), certificate, CAs and key
};

/// Makes a key and asks the collector for a certificate, at one address after the other. Before it sends
/// anything, the collector has proved that it has the CA of the invitation (JoinString::pin). A lost answer
/// is asked for once more, with the same key. Errors, one line each: `tls` (only other collectors answer),
/// `denied` and `invalid` (the collector refuses, in its words), `unavailable`, `unreachable`.
Expected<Membership> requestMembership(const JoinString& join, const std::string& host,
                                       const std::vector<std::string>& addresses);

/// Writes the certificate (root: 0640, group lapwing; others: 0600) and the configuration, with `peers: auto`
/// unless the other files of the configuration name peers. If the second fails, the first is as it was
/// before.
Expected<void> writeMembership(const JoinFiles& files, const Membership& membership);

/// Removes what writeMembership() wrote, and the `renewed` certificate. Returns the removed files; none if
/// there is no fragment, for then the certificate is not of `join`.
Expected<std::vector<std::string>> removeMembership(const JoinFiles& files, const std::string& renewed);

}  // namespace lapwing::agent
