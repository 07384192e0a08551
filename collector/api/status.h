#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "collector/api/exchange.h"
#include "common/model/sample.h"

namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

/// What /api/v1/status and /api/v1/alertmanagers tell of the running collector. No secrets: whoever may ask
/// sees all of it.
struct ServerFacts {
    std::vector<std::string> alertmanagers;                  ///< URLs
    std::vector<std::string> rule_files;                     ///< patterns
    std::vector<std::pair<std::string, std::string>> flags;  ///< by Prometheus' names, sorted
    std::string evaluation_interval;                         ///< "10s"
    std::string retention;                                   ///< "90d"; "" keeps everything
    std::string hostname;
    TimestampMs started = 0;
};

void answerBuildInfo(Responder& responder);
/// `reloaded`: when the rule files were read last; `reload_ok`: whether they are in force.
void answerRuntimeInfo(const ServerFacts& facts, TimestampMs reloaded, bool reload_ok, Responder& responder);
void answerFlags(const ServerFacts& facts, Responder& responder);
/// What of the configuration Prometheus' own file could say.
void answerConfig(const ServerFacts& facts, Responder& responder);
void answerAlertmanagers(const ServerFacts& facts, Responder& responder);
/// How many series and label values there are, and which have the most of them, `limit` in each list. Of the
/// last two hours, as Prometheus' head block is; read metric by metric, so that it takes little memory.
void answerTsdb(const storage::Queryable& data, std::size_t limit, Responder& responder);

/// Without user name and password.
std::string publicUrl(const std::string& url);

}  // namespace lapwing::api
