#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/http_target.h"
#include "agent/probes/probe.h"
#include "common/http/client.h"

namespace lapwing::agent::nginx {

/// Fetches Nginx's stub_status page. Looks for workers without a master where Nginx runs on this host.
class NginxProbe : public Probe {
  public:
    /// Keeps the first place that answers with the page; until then each run tries all of them.
    /// `proc`: where procfs is.
    explicit NginxProbe(std::vector<HttpTarget> places, std::string proc = "/proc")
        : places_(std::move(places)), proc_(std::move(proc)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    struct Answer {
        bool asked = false;  ///< false: a file for the request cannot be read
        bool alive = false;  ///< Nginx answered, perhaps not with the page
        Expected<std::vector<prometheus::MetricFamily>> families =
            fail(ErrorKind::internal, "nothing was asked");
    };
    Answer ask(const HttpTarget& place, std::chrono::milliseconds budget);

    std::vector<HttpTarget> places_;
    std::string proc_;
    std::optional<http::Client> client_;  ///< of the one place that is left
};

/// The result of one request: the families, or why there are none.
struct StatusAnswer {
    bool listening = false;  ///< something answered HTTP
    bool nginx = false;      ///< and it says that it is an Nginx
    bool status = false;     ///< and this is its stub_status page
};
StatusAnswer requestStatus(const HttpTarget& place, std::chrono::milliseconds budget);

}  // namespace lapwing::agent::nginx
