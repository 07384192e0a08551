#pragma once

#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::haproxy {

/// Parsers of what HAProxy prints, each a pure function from bytes to the metrics of HAProxy's own Prometheus
/// exporter (addons/promex), of the same names, values and units. The formats are those of HAProxy's
/// management guide, chapter 9: "show stat", "show info", "show servers state".

using Families = std::vector<prometheus::MetricFamily>;

/// What a session's bytes hold, found by how each answer begins; a part that is missing is empty.
struct Answers {
    std::string_view info;
    std::string_view stats;
    std::string_view state;
};
/// Parts the answers to "show info;show stat;show servers state" (the last one may be missing).
Answers splitAnswers(std::string_view text);

/// "Uptime_sec: 15" -> haproxy_process_uptime_seconds 15. Unknown lines are left out.
void parseInfo(std::string_view text, Families& out);

/// (backend, server) -> "10.77.0.11:80"
using Addresses = std::map<std::pair<std::string, std::string>, std::string>;
/// An answer to "show servers state", which is allowed at the level `user`, where "show stat" has no
/// addresses.
Addresses parseServersState(std::string_view text);

struct Stats {
    Families families;
    bool addresses_known = true;  ///< false if there is a server without an address
};

/// The CSV of "show stat" or of the statistics page. Columns are found by the names in its first line; what
/// is empty there is absent here (the native exporter says NaN). Rows of listeners are left out. Error
/// `protocol` if it is no such CSV, or is cut short. `known` fills in addresses that the CSV does not tell.
Expected<Stats> parseStats(std::string_view csv, const Addresses& known = {});

}  // namespace lapwing::agent::haproxy
