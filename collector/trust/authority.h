#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "common/error.h"

namespace lapwing::trust {

/// Whether a text may be a host's name: [a-z0-9] with [a-z0-9.-] between, at most 63 characters, no "..".
/// Such a name can be a common name, a label and a file name.
bool isValidHostName(const std::string& name);

struct Enrolled {
    std::string host;
    std::time_t not_after = 0;
    std::time_t enrolled = 0;  ///< when the certificate was written
};

/// The collector's own certificate authority, in a directory that only its owner may read:
///   ca.key, ca.crt            the authority (20 years)
///   server.key, server.crt    the collector's certificate (SAN DNS:lapwing-collector and more)
///   agents/HOST.crt           the newest certificate of each enrolled host
///   agents/HOST.machine       the machine-id that first used it, and its fingerprint
/// Files are replaced atomically; a lock file serialises processes (the service, and `enrol` run by root).
/// Files that root creates get the owner of the parent of `directory`. Safe from any thread and process.
/// Errors: `denied`, `invalid` (a damaged file, a bad name), `unavailable` (the directory cannot be
/// written).
class Authority {
  public:
    /// Validity of agents' certificates.
    static constexpr int kAgentDays = 825;
    static constexpr int kServerDays = 825;

    /// Opens the authority in `directory`, and creates it if it does not exist.
    static Expected<Authority> open(const std::string& directory);

    /// Makes a new key and a certificate for a host, as one PEM text: certificate, key, CA, in this order.
    /// Records the certificate under agents/.
    Expected<std::string> enrol(const std::string& host);

    /// Ensures that the server's certificate exists, was signed by this authority, names exactly `names`
    /// and lapwing-collector, and is valid for another 400 days (it is checked when the service starts);
    /// otherwise makes a new one. Names are DNS names or numeric addresses. Returns true if it made one.
    Expected<bool> ensureServer(const std::vector<std::string>& names);

    /// Sorted by name.
    std::vector<Enrolled> enrolled() const;

    /// The file of a host's newest certificate.
    std::string certificateFile(const std::string& host) const {
        return directory_ + "/agents/" + host + ".crt";
    }
    /// Its fingerprint; "" without a readable file.
    std::string newestCertificate(const std::string& host) const;
    /// The machine-id that was pinned to the newest certificate; "" if none was.
    std::string pinnedMachine(const std::string& host) const;
    /// Pins a machine-id to a certificate. The pin is void once `enrol` makes another certificate.
    Expected<void> pinMachine(const std::string& host, const std::string& certificate,
                              const std::string& machine) const;

    const std::string& directory() const { return directory_; }
    std::string caFile() const { return directory_ + "/ca.crt"; }
    std::string serverCertFile() const { return directory_ + "/server.crt"; }
    std::string serverKeyFile() const { return directory_ + "/server.key"; }

  private:
    explicit Authority(std::string directory) : directory_(std::move(directory)) {}
    std::string directory_;
};

}  // namespace lapwing::trust
