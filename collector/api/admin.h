#pragma once

#include <functional>
#include <string>

#include "collector/api/acceptances.h"
#include "collector/api/exchange.h"
#include "collector/api/invitations.h"
#include "common/error.h"

namespace lapwing::notify {
class Silences;
}
namespace lapwing::storage {
class Store;
}

namespace lapwing::api {

struct AdminParts {
    storage::Store& store;
    notify::Silences& silences;
    std::function<Expected<void>()> reload;  ///< reloads the rule files
    /// Forgets a host: its certificates, its samples and its alerts. Error `invalid` for no host's name.
    std::function<Expected<void>(const std::string& host)> forget;
    InvitationsApi invitations;
    AcceptancesApi acceptances;
};

/// The API of the administrators' socket: requests that change state, and everything that people may read.
///
///     POST, PUT /api/v1/admin/tsdb/delete_series?match[]=SELECTOR...[&start=TIME][&end=TIME]    204
/// POST, PUT /api/v1/admin/tsdb/clean_tombstones    204; there are no tombstones, since deleting removes
/// samples at once
///     POST /api/lapwing/v1/agents/forget?host=HOST    204
/// POST, PUT /-/reload    200, or 500 with the problems of the rule files
///
/// as in Prometheus; silences as in Alertmanager (collector/api/silences.h); invitations
/// (collector/api/invitations.h); and acceptances (collector/api/acceptances.h). The members of `parts`
/// must outlive the handler. Safe from any thread.
Handler adminHandler(const AdminParts& parts, Handler people);

}  // namespace lapwing::api
