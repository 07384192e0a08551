#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "collector/api/exchange.h"
#include "common/model/sample.h"

namespace lapwing::storage {
class Queryable;
struct StoreStats;
}  // namespace lapwing::storage

namespace lapwing::api {

/// The state of the running collector that /api/v1/status and /api/v1/alertmanagers show. It holds no
/// secrets: everyone with access sees all of it.
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
/// `reloaded`: when the rule files were last read; `reload_ok`: whether they are in force.
void answerRuntimeInfo(const ServerFacts& facts, TimestampMs reloaded, bool reload_ok, Responder& responder);
void answerFlags(const ServerFacts& facts, Responder& responder);
/// The part of the configuration that Prometheus' own file could express.
void answerConfig(const ServerFacts& facts, Responder& responder);
void answerAlertmanagers(const ServerFacts& facts, Responder& responder);
/// The numbers of series and label values, and those with the most, `limit` in each list. They cover the
/// last two hours, as Prometheus' head block does, and are read metric by metric to save memory. The senders
/// with the most active series, and with the longest labels, come from the store's statistics.
void answerTsdb(const storage::Queryable& data, const storage::StoreStats& stats, std::size_t limit,
                Responder& responder);

/// The URL without user name and password.
std::string publicUrl(const std::string& url);

}  // namespace lapwing::api
