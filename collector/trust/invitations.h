#pragma once

#include <cstddef>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/mutex.h"

namespace lapwing::trust {

class Authority;

/// Permission for a host, or for any host without a certificate, to join within a time.
struct Invitation {
    std::string digest;  ///< SHA-256 of the secret; the secret itself is stored nowhere
    std::string host;    ///< "" for any
    std::time_t made = 0;
    std::time_t ends = 0;
    /// The hosts that have joined by it, each with the SHA-256 of its public key.
    std::map<std::string, std::string> joined;

    /// Whether a host could still join by it.
    bool isOpen(std::time_t now) const;
};

/// The secrets by which hosts join, in the file `invitations` of the CA's directory. A name has one open
/// invitation, and so have all names together (host ""): a new one replaces the old one.
///
/// A secret admits each name once. The same public key gets a certificate again as long as the invitation
/// lasts, for an answer may be lost; another key never does. Revoking the host ends that, too. Times are the
/// machine's; an invitation ends as well if the clock was set back behind its beginning. Thread-safe; one
/// process at a time.
class Invitations {
  public:
    static constexpr std::time_t kValid = 900;
    static constexpr std::time_t kLongest = 86'400;
    /// Open and recent ones; kept for a day after their end, so that a refusal can say why.
    static constexpr std::size_t kMost = 200;
    /// Hosts that have joined by all of them.
    static constexpr std::size_t kMostJoined = 1000;

    /// `authority` must outlive this.
    explicit Invitations(Authority& authority) : authority_(authority) {}

    struct Made {
        std::string secret;
        std::time_t ends = 0;
    };
    /// With "" as host: for any host without a certificate. Errors: `invalid` (a bad name or time),
    /// `exhausted` (kMost open ones), those of the file.
    Expected<Made> invite(const std::string& host, std::time_t valid, std::time_t now);
    /// A certificate for the key of the request, as Authority::admit() makes it. Errors: `denied` with the
    /// reason and the remedy, `invalid` for a bad name or request, `exhausted`, and those of the CA's files,
    /// after which the secret is as good as before.
    Expected<std::string> join(const std::string& host, const std::string& secret, const std::string& request,
                               std::time_t now);

    /// Sorted by name.
    Expected<std::vector<Invitation>> list() const;
    /// Ends the invitation of a host, or with "" that for any host. Error `not_found` without an open one.
    Expected<void> revoke(const std::string& host, std::time_t now);

  private:
    std::string file() const;
    Expected<std::vector<Invitation>> read() const LAPWING_REQUIRES(mutex_);
    Expected<void> write(const std::vector<Invitation>& invitations) const LAPWING_REQUIRES(mutex_);
    Expected<void> check(const Invitation* invitation, const std::string& host, const std::string& key,
                         std::time_t now) const;
    bool hasCertificate(const std::string& host, std::time_t now) const;

    Authority& authority_;
    mutable Mutex mutex_;
};

}  // namespace lapwing::trust
