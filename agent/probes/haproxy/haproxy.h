#pragma once

#include <optional>
#include <string>
#include <utility>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/http_target.h"
#include "agent/probes/probe.h"
#include "common/http/client.h"

namespace lapwing::agent::haproxy {

/// Asks HAProxy over its unix socket (`stats socket`): "show info", "show resolvers", "show stat", and "show
/// servers state" where the socket's level keeps the addresses from "show stat". Sends only commands that
/// change nothing.
class SocketProbe : public Probe {
  public:
    /// An answer of more than `most_rows` rows is refused.
    explicit SocketProbe(std::string path, std::size_t most_rows = kUsualRows, std::string proc = "/proc")
        : path_(std::move(path)), most_rows_(most_rows), proc_(std::move(proc)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Expected<ProbeResult> run(const Deadline& deadline);

    std::string path_;
    std::size_t most_rows_;
    std::string proc_;
    bool wants_addresses_ = false;
};

/// Fetches the statistics page (`stats enable`) as CSV: for an HAProxy on another host. The page has no data
/// about the process.
class PageProbe : public Probe {
  public:
    explicit PageProbe(HttpTarget target, std::size_t most_rows = kUsualRows)
        : target_(std::move(target)), most_rows_(most_rows) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Expected<ProbeResult> run(const Deadline& deadline);

    HttpTarget target_;
    std::size_t most_rows_;
    std::optional<http::Client> client_;
};

}  // namespace lapwing::agent::haproxy
