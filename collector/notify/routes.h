#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/model/labels.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::notify {

struct Config;

/// `notify.routes[]`: which receivers get the alerts that match.
struct Route {
    storage::Matchers match;               ///< all must hold; none: every alert
    std::vector<std::string> to;           ///< names of receivers
    std::vector<std::string> alternative;  ///< told as well while one of `to` fails
    std::int64_t alternative_after_ms = 300'000;
    bool continues = false;  ///< the routes after it are tried, too
};

/// The routes that an alert takes: the first that matches, and those after it as long as each continues.
/// Empty: every receiver gets the alert, as without routes.
std::vector<const Route*> routesOf(const std::vector<Route>& routes, const Labels& alert);

/// What an alert is to one receiver.
struct Part {
    bool addressed = false;               ///< the receiver gets the alert in any case
    std::vector<const Route*> stands_in;  ///< the receiver gets it while a receiver of these routes fails
};

Part partOf(const std::vector<Route>& routes, const std::string& receiver, const Labels& alert);

/// "severity="critical", job="mysql""; "every alert" without matchers.
std::string describe(const storage::Matchers& match);

/// What is told instead while a receiver fails, a line for each of its routes: "sms is told instead after
/// 5m: severity="critical"". `receiver` may have the address of a mail after the name.
std::vector<std::string> alternativesOf(const Config& config, const std::string& receiver);

/// Reads `notify.routes`; the receivers are in `out` already.
void readRoutes(const config::Node& node, Config& out);

/// Reports probable mistakes, which do not keep the collector from working: a route that no alert can take,
/// and a receiver that no alert can reach. `node` is `notify`; `alerts` holds the labels of each alerting
/// rule that do not depend on its data (empty: unknown).
void judgeRoutes(const config::Node& node, const Config& config, const std::vector<Labels>& alerts);

}  // namespace lapwing::notify
