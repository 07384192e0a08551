#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/api/exchange.h"
#include "collector/api/json.h"

namespace lapwing::api {

inline constexpr const char* kJson = "application/json";

/// Answers in Prometheus' envelope: {"status":"success","data":DATA,"warnings":[...],"infos":[...]}; empty
/// warnings and infos are left out. `data` writes exactly one JSON value.
void success(Responder& responder, const std::function<void(JsonWriter&)>& data,
             const std::vector<std::string>& warnings = {}, const std::vector<std::string>& infos = {});

/// {"status":"error","errorType":TYPE,"error":MESSAGE} with the status that Prometheus uses for that kind
/// of error.
void failure(Responder& responder, const Error& error);
void failure(Responder& responder, int status, const std::string& type, const std::string& message);

}  // namespace lapwing::api
