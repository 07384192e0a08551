#pragma once

#include <ctime>
#include <string>

#include "common/error.h"
#include "common/http/client.h"
#include "common/mutex.h"

namespace lapwing::agent {

/// The certificate by which the agent proves its name: that of its configuration, or a later one that the
/// collector has signed since. The later one is in a file of the agent's own, with its key and the CAs:
/// certificates are renewed at half of their validity, or when the collector trusts other CAs. A bundle of a
/// later enrolment takes precedence again. Thread-safe.
class AgentCertificate {
  public:
    /// With "" as `file` the configured certificate is never renewed.
    AgentCertificate(std::string host, http::ClientTls configured, std::string file);

    /// The files for a new connection; reads them.
    http::ClientTls tls();
    /// Changes with each renewal: connections of an earlier one should be made anew.
    unsigned generation() const;
    /// The end of the certificate that tls() gave last; 0 if it cannot be read.
    std::time_t ends() const;

    /// Whether to ask for the next certificate. `trust` is the collector's kTrustHeader, "" without one.
    bool isDue(std::time_t now, const std::string& trust) const;
    /// A request (PKCS #10, PEM) for a certificate with a new key.
    Expected<std::string> request();
    /// Stores the collector's answer to the last request(), and uses it from now on. Error `invalid` for an
    /// answer that would lock the agent out: another key or name, or no CA in common with those of now.
    Expected<void> accept(const std::string& answer);

  private:
    struct Known {
        std::time_t issued = 0;
        std::time_t ends = 0;
        std::string trust;
    };
    /// The text of the file if it can take the place of the configured certificate; "" if not.
    std::string usable(std::time_t configured_issued) const LAPWING_REQUIRES(mutex_);
    http::ClientTls choose() LAPWING_REQUIRES(mutex_);

    const std::string host_;
    const http::ClientTls configured_;
    const std::string file_;
    mutable Mutex mutex_;
    Known known_ LAPWING_GUARDED_BY(mutex_);
    std::string key_ LAPWING_GUARDED_BY(mutex_);  ///< of the last request
    unsigned generation_ LAPWING_GUARDED_BY(mutex_) = 0;
};

}  // namespace lapwing::agent
