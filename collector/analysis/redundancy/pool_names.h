#pragma once

#include <string>

#include "collector/analysis/topology/model.h"

namespace lapwing::analysis::redundancy {

/// The subject of findings about a backend: "lb-01/web".
inline std::string subjectOf(const topology::Pool& pool) {
    return pool.host + "/" + pool.proxy;
}

/// "web/web-01"
inline std::string nameOf(const topology::Pool& pool, const topology::Member& member) {
    return pool.proxy + "/" + member.server.server;
}

}  // namespace lapwing::analysis::redundancy
