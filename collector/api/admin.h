#pragma once

#include <functional>

#include "collector/api/exchange.h"
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
    std::function<Expected<void>()> reload;  ///< reads the rule files again
};

/// What the administrators' socket serves: what changes something, and else what people may read.
///
///     POST, PUT /api/v1/admin/tsdb/delete_series?match[]=SELECTOR...[&start=TIME][&end=TIME]    204
///     POST, PUT /api/v1/admin/tsdb/clean_tombstones    204; deleted samples are gone at once, so there are
///     none
///     POST, PUT /-/reload    200, or 500 with what is wrong with the rule files
///
/// as in Prometheus; and silences as in Alertmanager (collector/api/silences.h). What `parts` names must
/// outlive the handler. Safe from any thread.
Handler adminHandler(const AdminParts& parts, Handler people);

}  // namespace lapwing::api
