#pragma once

#include "collector/api/exchange.h"

namespace lapwing::notify {
class Silences;
}

namespace lapwing::api {

/// Alertmanager's API of silences, for the administrators' socket: GET and POST /api/v2/silences, GET and
/// DELETE /api/v2/silence/ID (https://github.com/prometheus/alertmanager, api/v2/openapi.yaml). As in
/// Alertmanager, an error is a JSON string. Safe from any thread.
class SilencesApi {
  public:
    explicit SilencesApi(notify::Silences& silences) : silences_(silences) {}

    /// False, without an answer, if the path does not belong to this API.
    bool handle(Request& request, Responder& responder) const;

  private:
    void answerList(Responder& responder) const;
    void set(Request& request, Responder& responder) const;
    void answerSilence(const std::string& id, const Request& request, Responder& responder) const;

    notify::Silences& silences_;
};

}  // namespace lapwing::api
