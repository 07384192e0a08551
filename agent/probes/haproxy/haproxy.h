#pragma once

#include <optional>
#include <string>
#include <utility>

#include "agent/probes/http_target.h"
#include "agent/probes/probe.h"
#include "common/http/client.h"

namespace lapwing::agent::haproxy {

/// Asks HAProxy over its unix socket (`stats socket`): "show info", "show stat", and "show servers state"
/// where the socket's level keeps the addresses from "show stat". Sends only commands that change nothing.
class SocketProbe : public Probe {
  public:
    explicit SocketProbe(std::string path) : path_(std::move(path)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Expected<ProbeResult> run(const Deadline& deadline);

    std::string path_;
    bool wants_addresses_ = false;
};

/// Fetches the statistics page (`stats enable`) as CSV: for an HAProxy on another host. The page has no data
/// about the process.
class PageProbe : public Probe {
  public:
    explicit PageProbe(HttpTarget target) : target_(std::move(target)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Expected<ProbeResult> run(const Deadline& deadline);

    HttpTarget target_;
    std::optional<http::Client> client_;
};

}  // namespace lapwing::agent::haproxy
