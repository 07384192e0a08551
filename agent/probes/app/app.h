#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/app/exchange.h"
#include "agent/probes/probe.h"

namespace re2 {
class RE2;
}

namespace lapwing::agent::app {

/// The request, and the answers that count as success.
struct Check {
    std::string url;
    std::string method = "GET";
    std::vector<std::pair<std::string, std::string>> headers;
    std::string user;
    std::string password_file;
    std::string ca_file;
    std::vector<int> expect_status;               ///< empty: any 2xx
    std::shared_ptr<const re2::RE2> expect_body;  ///< must be found in the body; null: any body
    bool follow_redirects = true;
    std::chrono::milliseconds timeout{0};  ///< 0: the probe's deadline
};

/// Requests one URL and judges the answer. The verdict is `probe_success`. A run fails only where there can
/// be no verdict: an unreadable password or CA file.
class AppProbe : public Probe {
  public:
    explicit AppProbe(Check check);
    ~AppProbe() override;
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    struct Outcome;
    Expected<Outcome> run(std::chrono::steady_clock::time_point until);

    Check check_;
    struct Context;
    std::unique_ptr<Context> context_;  ///< of TLS, made when first needed
};

/// The URL that a redirect leads to; "" if it must not be followed. Pure function.
std::string redirectTarget(const std::string& from, const std::string& location);

}  // namespace lapwing::agent::app
