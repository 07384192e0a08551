#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/api/exchange.h"
#include "collector/api/users.h"

namespace lapwing::api {

class LapwingApi;
class PrometheusApi;

/// The conditions for access to one listener.
struct Admission {
    /// Accept only Host headers that name this machine (or are in `names`). This refuses a foreign page
    /// whose name was rebound to 127.0.0.1.
    bool check_host = false;
    std::vector<std::string> names;
    /// Where people reach the page: "https://ops.example.org/lapwing". Requests below its path are answered
    /// as if they had none, and pages of its origin are the own ones. "": nothing of both.
    std::string external_url;
    const Users* users = nullptr;  ///< whose credentials every request needs; null: no credentials
};

/// The handler of a listener for people: the page, Prometheus' API, Lapwing's own API, /metrics, /-/healthy
/// and /-/ready. It reads and changes nothing, except that `local_write`, if set, accepts /api/v1/write
/// (`ingest.local`).
struct PeopleParts {
    const PrometheusApi* prometheus = nullptr;
    const LapwingApi* lapwing = nullptr;
    std::function<std::string()> metrics_text;
    std::function<bool()> ready;
};

/// The gate of such a listener: refuses with 403, 401 or 429, and sets Request::user. Safe from any thread.
Gate peopleGate(Admission admission);

/// The parts must outlive the handler. Safe from any thread.
Handler peopleHandler(const PeopleParts& parts, Handler local_write = nullptr);

/// Whether a request reads the store or runs a query, so that it may take long or wait for its turn.
bool isSlowForPeople(const Request& request);

/// Whether a Host header names the loopback (localhost, 127.0.0.0/8, [::1], with or without a port) or one
/// of `names`. An absent header (HTTP/1.0) passes: browsers always send one.
bool isLocalHost(const std::string& header, const std::vector<std::string>& names);

/// Whether a browser says that a page of another site makes the request (Origin, or Sec-Fetch-Site of the
/// Fetch Metadata specification). Opening the page by a link is not foreign; data by a link is. Programs
/// other than browsers send neither header. Pages of the site `own`, an origin, are not foreign.
bool isFromForeignPage(const Request& request, const std::string& own = "");

}  // namespace lapwing::api
