#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "common/doctor/report.h"
#include "common/endpoint.h"
#include "common/json.h"

namespace lapwing::collector {

// Judgements of `lapwing-collector doctor` on what the running collector says: the whole answers of its API,
// null values without one. All but unmatched() are pure.

/// The patterns that no file matches.
std::vector<std::string> unmatched(const std::vector<std::string>& patterns);

/// `fix` is doctor::clockFix().
void diagnoseClocks(doctor::Report& out, const json::Value& answer, const std::string& fix);

/// A certificate that ended, or ends within 30 days.
void diagnoseEnd(doctor::Report& out, const std::string& tried, std::time_t ends, std::time_t now,
                 const std::string& fix);

/// `answer`: lapwing_collector_damaged_blocks above 0.
void diagnoseDatabase(doctor::Report& out, const json::Value& answer, const std::string& file);

/// Each agent. `program` is the command with its --config.
void diagnoseAgents(doctor::Report& out, const json::Value& answer, const std::string& program);

/// A configured receiver of alerts, and an attempt of doctor's own to connect to it.
struct Receiver {
    std::string name;  ///< "webhook[0]"
    std::string file;  ///< in which it is configured
    int line = 0;
    std::optional<Endpoint> endpoint;  ///< nothing if its address cannot be read
    bool resolved = true;
    std::optional<std::string> error;  ///< why no connection was made
};

/// The collector's word on a present trouble comes first, then a failed attempt, then what was accepted
/// earlier. `troubles`: lapwing_notification_trouble_info, `counts`: lapwing_notifications_total.
void diagnoseReceivers(doctor::Report& out, const std::vector<Receiver>& receivers,
                       const json::Value& troubles, const json::Value& counts, const std::string& program,
                       const std::string& directory);

}  // namespace lapwing::collector
