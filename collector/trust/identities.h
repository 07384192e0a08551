#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

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
};

struct IdentityWarning {
    enum class Kind {
        second_machine,     ///< another machine uses this host's certificate, and is refused
        second_agent,       ///< two agents report as this host, and cannot be told apart
        shared_machine_id,  ///< another host has the same machine-id
    };
    Kind kind = Kind::second_machine;
    std::string text;

    /// Data of the host are lost or mixed. A shared machine-id alone does no harm.
    bool isHarmful() const { return kind != Kind::shared_machine_id; }
};

inline constexpr std::array kIdentityWarningNames{
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::second_machine, "second_machine"},
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::second_agent, "second_agent"},
    EnumName<IdentityWarning::Kind>{IdentityWarning::Kind::shared_machine_id, "shared_machine_id"},
};

/// Binds each host's name to one machine. The first request with a host's newest certificate pins its
/// machine-id; the pin is a file beside the certificate (Authority). From then on requests of another machine
/// under that name are refused, until `enrol` makes a new certificate. Requests without a machine-id are
/// accepted and pin nothing. This guards against a bundle on the wrong host and against copied hosts, not
/// against an attacker, who can send any machine-id. Thread-safe.
class Identities {
  public:
    using Clock = std::chrono::steady_clock;

    /// `authority` must outlive this.
    explicit Identities(const Authority& authority);

    /// Error `denied`, whose message names the remedy, if another machine holds the name. A pin that cannot
    /// be written is no error: the next request tries again.
    Expected<void> check(const Claim& claim, Clock::time_point now);

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
    };

    void refresh(const std::string& host, Record& record) const;
    static void noteSession(Host& host, const Claim& claim, Clock::time_point now);

    const Authority& authority_;
    mutable Mutex mutex_;
    std::map<std::string, Host> hosts_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::trust
