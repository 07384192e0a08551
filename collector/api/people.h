#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/api/exchange.h"
#include "collector/api/users.h"

namespace lapwing::api {

class LapwingApi;
class PrometheusApi;

/// Who may ask at one listener.
struct Admission {
    /// Browsers may ask only by names that mean this machine (or `names`): a page from elsewhere whose name
    /// was rebound to 127.0.0.1 is refused.
    bool check_host = false;
    std::vector<std::string> names;
    const Users* users = nullptr;  ///< every request needs a credential of these; null: none
};

/// What a listener for people serves: the page, Prometheus' API, Lapwing's own, /metrics, /-/healthy and
/// /-/ready. It reads, it changes nothing; `local_write`, where set, takes /api/v1/write besides
/// (`ingest.local`).
struct PeopleParts {
    const PrometheusApi* prometheus = nullptr;
    const LapwingApi* lapwing = nullptr;
    std::function<std::string()> metrics_text;
    std::function<bool()> ready;
};

/// The parts must outlive the handler. Safe from any thread.
Handler peopleHandler(const PeopleParts& parts, Admission admission, Handler local_write = nullptr);

/// Whether a Host header names this machine's loopback: localhost, 127.0.0.0/8, [::1], with or without a
/// port, or one of `names`. An absent header (HTTP/1.0) passes: browsers always send one.
bool isLocalHost(const std::string& header, const std::vector<std::string>& names);

}  // namespace lapwing::api
