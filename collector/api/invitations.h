#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "collector/api/exchange.h"
#include "common/error.h"

namespace lapwing::trust {
class Invitations;
}

namespace lapwing::api {

/// How a host reaches the listener for agents.
struct AgentsContact {
    std::string pin;                     ///< JoinString::pin
    std::vector<std::string> addresses;  ///< "HOST:PORT", the best first
    std::uint16_t port = 0;              ///< for further addresses without one
};

/// Invitations of hosts, for administrators:
///
///     GET  /api/lapwing/v1/invitations
///     POST /api/lapwing/v1/invitations?host=HOST            for that host, 15 minutes
///     POST /api/lapwing/v1/invitations?valid=10m            for any host without a certificate
///              &address=HOST[:PORT]...                      an address to name first
///     POST /api/lapwing/v1/invitations/revoke[?host=HOST]   204; without a host, that for any host
///
/// Safe from any thread.
class InvitationsApi {
  public:
    /// `invitations` must outlive this; null where agents.listen is none.
    InvitationsApi(trust::Invitations* invitations, std::function<Expected<AgentsContact>()> contact)
        : invitations_(invitations), contact_(std::move(contact)) {}

    /// False for a path that is not one of these.
    bool handle(Request& request, Responder& responder) const;

  private:
    void invite(const Parameters& parameters, Responder& responder) const;
    void list(Responder& responder) const;

    trust::Invitations* invitations_;
    std::function<Expected<AgentsContact>()> contact_;
};

}  // namespace lapwing::api
