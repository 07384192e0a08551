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
    /// The name of the virtual host where it differs from the URL's host: for TLS (SNI and the certificate)
    /// and for the header Host. A header Host in `headers` wins over it there, and names the host for TLS
    /// where this is "".
    std::string server_name;
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
    Expected<void> follow(Question question, std::chrono::steady_clock::time_point until, Outcome& out);
    void judge(Outcome& out) const;

    Check check_;
    struct Context;
    std::unique_ptr<Context> context_;  ///< of TLS, made when first needed
};

}  // namespace lapwing::agent::app
