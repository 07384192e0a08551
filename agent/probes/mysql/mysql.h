#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/parse.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::mysql {

/// Watches one MySQL or MariaDB over one connection that it keeps open. Each run asks for the replica's
/// status; one in `status_interval` asks for the server's status and variables too, and the others are
/// partial.
class MysqlProbe : public Probe {
  public:
    explicit MysqlProbe(Settings settings,
                        std::chrono::milliseconds status_interval = std::chrono::seconds(10));
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    using Clock = Connection::Clock;
    /// Fills `out` with what the server answers. An Error means that it did not answer; a value may hold the
    /// one privilege that is missing.
    Expected<std::optional<Error>> run(Clock::time_point until, bool whole, ProbeResult& out);
    Expected<void> greet(Clock::time_point until);

    Connection connection_;
    std::chrono::milliseconds status_interval_;
    Clock::time_point next_whole_{};
    unsigned greeted_session_ = 0;
    Version version_;
    std::string version_text_;
    std::string version_comment_;
};

}  // namespace lapwing::agent::mysql
