#pragma once

#include "collector/api/answers.h"
#include "collector/api/exchange.h"

namespace lapwing::analysis {
struct Acceptance;
class Acceptances;
class Analyst;
}  // namespace lapwing::analysis

namespace lapwing::api {

/// {"finding", "subject", "state", "until", "reason", "by", "at", "worse"}
void writeAcceptance(JsonWriter& json, const analysis::Acceptance& acceptance, TimestampMs now);

/// The acceptances of findings, for the administrators' socket, in Prometheus' envelope:
///
///     GET    /api/lapwing/v1/acceptances
///     POST   /api/lapwing/v1/acceptances    {"finding", "subject", "until" (RFC 3339), "reason", "by"} 200
///     DELETE /api/lapwing/v1/acceptances?finding=ID&subject=SUBJECT    204
///
/// Safe from any thread; the references must outlive it.
class AcceptancesApi {
  public:
    AcceptancesApi(analysis::Acceptances& acceptances, const analysis::Analyst& analyst)
        : acceptances_(acceptances), analyst_(analyst) {}

    /// False, without an answer, if the path does not belong to this API.
    bool handle(Request& request, Responder& responder) const;

  private:
    void list(Responder& responder) const;
    void accept(Request& request, Responder& responder) const;
    void end(const Request& request, Responder& responder) const;

    analysis::Acceptances& acceptances_;
    const analysis::Analyst& analyst_;
};

}  // namespace lapwing::api
