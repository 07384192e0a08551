#pragma once

#include "collector/api/exchange.h"

namespace lapwing::storage {
class Store;
}

namespace lapwing::api {

/// What the administrators' socket serves: what changes something, and else what people may read.
///
///     POST, PUT /api/v1/admin/tsdb/delete_series?match[]=SELECTOR...[&start=TIME][&end=TIME]    204
///     POST, PUT /api/v1/admin/tsdb/clean_tombstones    204; deleted samples are gone at once, so there are
///     none
///
/// as in Prometheus. The store must outlive the handler. Safe from any thread.
Handler adminHandler(storage::Store& store, Handler people);

}  // namespace lapwing::api
