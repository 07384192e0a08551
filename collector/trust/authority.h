#pragma once

#include <openssl/types.h>

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "collector/trust/revocations.h"
#include "common/error.h"
#include "common/tls/identity.h"

namespace lapwing::files {
struct Owner;
}

namespace lapwing::trust {

using tls::isValidHostName;

struct Enrolled {
    std::string host;
    std::time_t not_after = 0;
    std::time_t enrolled = 0;  ///< when the certificate was written
    bool revoked = false;
};

/// The collector's own certificate authority, in a directory that only its owner may read:
///   ca.key                    its key
///   ca.crt                    its certificate (20 years); during a roll-over two, of which one has ca.key
///   ca-next.key               of the second, until it signs
///   server.key, server.crt    the collector's certificate (SAN DNS:lapwing-collector and more)
///   agents/HOST.crt           the newest certificate of each enrolled host
///   agents/HOST.machine       the machine-id that first used it, and its fingerprint
///   invitations               open and recent invitations (Invitations)
///   revoked                   names and times: certificates that were issued until then are refused
/// Files are replaced atomically; a lock file serialises processes (the service, and `enrol` run by root).
/// Files that root creates get the owner of the parent of `directory`. Safe from any thread and process.
/// Errors: `denied`, `invalid` (a damaged file, a bad name), `unavailable` (the directory cannot be
/// written).
class Authority {
  public:
    /// Validity of agents' certificates, which agents renew at half of it.
    static constexpr int kAgentDays = 60;
    static constexpr int kServerDays = 825;

    /// Opens the authority in `directory`, and creates it if there was none. A lost ca.crt is made again from
    /// ca.key: certificates that the key signed stay valid. Error `invalid` if the key is lost, too, while
    /// certificates show that there was one: a new authority would lock out every agent.
    static Expected<Authority> open(const std::string& directory);

    /// Whether open() made a lost ca.crt again.
    bool isRemade() const { return remade_; }

    /// Makes a new key and a certificate for a host, as one PEM text: certificate, key, CAs, in this order.
    /// Records the certificate under agents/.
    Expected<std::string> enrol(const std::string& host);
    /// Signs a request for a certificate (PKCS #10, PEM) for a host, whatever name the request has. Returns
    /// the certificate and the CAs as one PEM text, with tls::trustLine(). Records the certificate under
    /// agents/; a pinned machine-id stays pinned to it. Error `invalid` for a bad request.
    Expected<std::string> sign(const std::string& host, const std::string& request);
    /// The same for a host that joins: as after enrol(), the next machine that uses the certificate gets the
    /// pin. Error `denied` if it was revoked since it was `invited`.
    Expected<std::string> admit(const std::string& host, const std::string& request, std::time_t invited);

    /// Refuses all certificates of the host that were issued until now; later ones count. Needs no record of
    /// the host.
    Expected<void> revoke(const std::string& host);
    /// Revokes, and removes the host's record.
    Expected<void> forget(const std::string& host);
    Revocations revocations() const;
    /// Adds revocations that the directory has lost.
    Expected<void> addRevocations(const Revocations& more);
    std::string revocationsFile() const { return directory_ + "/revoked"; }

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
    /// When it was issued; nothing without a readable file.
    std::optional<std::time_t> issuedAt(const std::string& host) const;
    /// The machine-id that was pinned to the newest certificate; "" if none was.
    std::string pinnedMachine(const std::string& host) const;
    /// Pins a machine-id to a certificate. The pin is void once `enrol` makes another certificate.
    Expected<void> pinMachine(const std::string& host, const std::string& certificate,
                              const std::string& machine) const;

    const std::string& directory() const { return directory_; }
    /// The end of the CA's certificate, and of the server's; 0 if it cannot be read.
    std::time_t caEnds() const;
    std::time_t serverEnds() const;
    /// The key of the CA that signed the server's certificate, as tls::authorityKeys() writes it: the pin of
    /// an invitation. Error `invalid` if none of the CAs did.
    Expected<std::string> serverPin() const;
    /// Names the CAs and the one that signs: for kTrustHeader.
    std::string trust() const;

    /// A roll-over of the CA, in three steps. After each, restart the service: agents learn the CAs from its
    /// answers, and renew their certificates.
    struct Rollover {
        enum class Stage { none, begun, switched };
        Stage stage = Stage::none;
        /// The hosts that have not followed to this stage: the next step would lock them out.
        std::vector<std::string> waiting;
    };
    Expected<Rollover> rollover() const;
    /// Makes a second CA, which is trusted and does not sign yet.
    Expected<void> beginRollover();
    /// From now on the second CA signs.
    Expected<void> switchRollover();
    /// The first CA is trusted no longer.
    Expected<void> finishRollover();

    std::string caFile() const { return directory_ + "/ca.crt"; }
    std::string serverCertFile() const { return directory_ + "/server.crt"; }
    std::string serverKeyFile() const { return directory_ + "/server.key"; }

  private:
    std::string keyFile() const { return directory_ + "/ca.key"; }
    std::string nextKeyFile() const { return directory_ + "/ca-next.key"; }
    Expected<void> create(const files::Owner& owner);
    Expected<void> remakeCertificate(const files::Owner& owner) const;
    /// Of a host that was `invited`, or of one that renews its certificate and keeps its pin.
    Expected<std::string> signRequest(const std::string& host, const std::string& request,
                                      std::optional<std::time_t> invited);
    Expected<std::string> issueFor(const std::string& host, EVP_PKEY* key, const files::Owner& owner) const;
    Expected<void> revokeLocked(const std::string& host, const files::Owner& owner) const;

    explicit Authority(std::string directory) : directory_(std::move(directory)) {}
    std::string directory_;
    bool remade_ = false;
};

}  // namespace lapwing::trust
