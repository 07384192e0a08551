#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::haproxy {

/// Parsers of HAProxy's output. Each is a pure function from bytes to the metrics of HAProxy's own
/// Prometheus exporter (addons/promex), with the same names, values and units. The formats are those of
/// HAProxy's management guide, chapter 9: "show stat", "show info", "show servers state".

using Families = std::vector<prometheus::MetricFamily>;

/// The answers of one session, found by their first lines; a missing answer is empty.
struct Answers {
    std::string_view info;  ///< to "show info", and to "show resolvers"
    std::string_view stats;
    std::string_view state;
};
/// Separates the answers to "show info;show resolvers;show stat;show servers state" (the last one may be
/// missing).
Answers splitAnswers(std::string_view text);

/// "Uptime_sec: 15" -> haproxy_process_uptime_seconds 15. Unknown lines are left out.
void parseInfo(std::string_view text, Families& out);
/// Reads the counters of each nameserver behind the lines "Resolvers section NAME": haproxy_resolver_*.
void parseResolvers(std::string_view text, Families& out);

/// (backend, server) -> "10.77.0.11:80"
using Addresses = std::map<std::pair<std::string, std::string>, std::string>;
/// Reads an answer to "show servers state", which the level `user` may ask for, where "show stat" has no
/// addresses.
Addresses parseServersState(std::string_view text);

/// A row makes some 45 samples, which take 14 KB of memory in the agent.
inline constexpr std::size_t kUsualRows = 500;

/// The CSV of "show stat" or of the statistics page, as families, one after the other. Columns are found by
/// the names in its first line; empty fields are absent here (the native exporter gives NaN). Rows of
/// listeners are left out.
class Stats {
  public:
    /// `known` fills in addresses that the CSV lacks. Errors: `protocol` for any other text and for a
    /// truncated CSV, `exhausted` for more rows than `most_rows`.
    static Expected<Stats> parse(std::string csv, Addresses known = {}, std::size_t most_rows = kUsualRows);
    Stats(Stats&&) noexcept;
    Stats& operator=(Stats&&) noexcept;
    ~Stats();

    /// False if there is a server without an address.
    bool addressesKnown() const;
    /// The next family that has a metric; false after the last.
    bool next(prometheus::MetricFamily& out);

  private:
    class Table;
    explicit Stats(std::unique_ptr<Table> table);
    std::unique_ptr<Table> table_;
};

/// All families at once.
Expected<Families> parseStats(std::string csv, Addresses known = {});

}  // namespace lapwing::agent::haproxy
