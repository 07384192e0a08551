#pragma once

#include <array>
#include <chrono>
#include <ctime>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/trust/revocations.h"
#include "common/enum_names.h"
#include "common/error.h"
#include "common/mutex.h"

namespace lapwing::trust {

class Authority;

/// What one request of an agent says of its sender.
struct Claim {
    std::string host;         ///< the certificate's common name
    std::string certificate;  ///< tls::fingerprint()
    std::string machine;      ///< "" from an agent that sends no machine-id
    std::string session;      ///< "" from an agent that sends none
    std::string address;      ///< of the sender, for people
    std::time_t issued = 0;   ///< when the certificate was issued
    std::time_t ends = 0;     ///< the certificate's end
};

struct IdentityWarning {
    enum class Kind {
        second_machine,     ///< another machine uses this host's certificate, and is refused
        second_agent,       ///< two agents report as this host, and cannot be told apart
        shared_machine_id,  ///< another host has the same machine-id
        revoked,            ///< the host's certificates are revoked
    };
    Kind kind = Kind::second_machine;
    std::string text;

    /// Data of the host are lost or mixed. A shared machine-id alone does no harm, and a revocation is meant.
    bool isHarmful() const { return kind == Kind::second_machine || kind == Kind::second_agent; }
};

inline constexpr std::array kIdentityWarningNames{
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::revoked, "revoked"},
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::second_machine, "second_machine"},
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::second_agent, "second_agent"},
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::shared_machine_id, "shared_machine_id"},
};

/// Binds each host's name to one machine. The first request with a host's newest certificate pins its
/// machine-id; the pin is a file beside the certificate (Authority). From then on requests of another machine
/// under that name are refused, until `enrol` makes a new certificate. Refuses revoked certificates, as soon
/// as the file of revocations changes. Requests without a machine-id are accepted and pin nothing. This
/// guards against a bundle on the wrong host and against copied hosts, not against an attacker, who can send
/// any machine-id. Thread-safe.
class Identities {
  public:
    using Clock = std::chrono::steady_clock;

    /// `authority` must outlive this.
    explicit Identities(const Authority& authority);

    /// Error `denied`, whose message names the remedy, if the certificate is revoked or another machine holds
    /// the name. A pin that cannot be written is no error: the next request tries again.
    Expected<void> check(const Claim& claim, Clock::time_point now);

    /// Whether the host may have another certificate now: not more often than once a minute.
    bool mayRenew(const std::string& host, Clock::time_point now);
    /// The end of the certificate that each host used last, since the start.
    std::map<std::string, std::time_t> certificateEnds() const;
    /// Drops all that is remembered of the host.
    void forget(const std::string& host);

    /// Of the last ten minutes, and every shared machine-id.
    std::vector<IdentityWarning> warnings(const std::string& host, Clock::time_point now) const;

  private:
    /// The file of a host's newest certificate, and the content that follows from it.
    struct Record {
        std::string stamp;        ///< changes with the file
        std::string certificate;  ///< fingerprint; "" without a file
        std::string machine;      ///< pinned to this certificate; "" for none
    };
    struct Sender {
        std::string session;
        std::string address;
    };
    struct Host {
        Record record;
        std::string machine;  ///< of the last accepted request
        Sender sender;        ///< of the last accepted request
        std::deque<Sender> earlier;
        std::deque<Clock::time_point> returns;  ///< when an earlier session came back
        Sender returned;                        ///< the last of them
        struct Refused {
            Clock::time_point at;
            std::string machine;
            std::string address;
        };
        std::optional<Refused> refused;
        std::time_t ends = 0;  ///< of the certificate of the last accepted request
        std::optional<Clock::time_point> renewed;
    };

    void refresh(const std::string& host, Record& record) const;
    const Revocations& revocations() const LAPWING_REQUIRES(mutex_);
    static void noteSession(Host& host, const Claim& claim, Clock::time_point now);

    const Authority& authority_;
    mutable Mutex mutex_;
    std::map<std::string, Host> hosts_ LAPWING_GUARDED_BY(mutex_);
    mutable std::string revocations_stamp_ LAPWING_GUARDED_BY(mutex_);
    mutable Revocations revocations_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::trust
