#pragma once

#include "collector/api/exchange.h"
#include "collector/api/login_limit.h"
#include "common/mutex.h"

namespace lapwing::trust {
class Invitations;
}

namespace lapwing::api {

inline constexpr const char* kJoinPath = "/api/lapwing/v1/join";

/// The one conversation that the agents' listener has with strangers (docs/api.md): a host with an invitation
/// gets a certificate. Those who guess wait, as at a login (LoginLimit). Safe from any thread.
class JoinDesk {
  public:
    /// `invitations` must outlive this.
    explicit JoinDesk(trust::Invitations& invitations) : invitations_(invitations) {}

    /// Judges the head: false after an answer 405, 411, 413 or 429.
    bool admits(Request& request, Responder& responder);
    /// Answers 200 with the certificate and the CAs, 400 or 403 with the reason, 429 or 503.
    void handle(Request& request, Responder& responder);

  private:
    void refuse(const Request& request, Responder& responder, int status, const std::string& reason);

    trust::Invitations& invitations_;
    Mutex mutex_;
    LoginLimit limit_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::api
