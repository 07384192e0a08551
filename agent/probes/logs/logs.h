#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/probes/logs/follower.h"
#include "agent/probes/logs/log_state.h"
#include "agent/probes/logs/sources.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::logs {

/// The most logs that are followed.
inline constexpr std::size_t kMostLogs = 32;

/// Follows Nginx's logs and counts their lines. The README lists the metrics.
class LogsProbe : public Probe {
  public:
    /// `sources` is asked for the logs at the first run and every minute.
    explicit LogsProbe(std::function<LogSources()> sources, Follower::Limits limits = {});
    ~LogsProbe() override;

    /// Keeps places and counts in the directory, and goes on from there. Without it, as for a run by hand,
    /// the last 64 KiB of each log are counted.
    void keepIn(const std::string& directory) override;
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    struct Log;

    void updateLogs();
    void watch(const LogSource& source);
    void read(Log& log, const Deadline& deadline);
    ProbeResult report() const;
    void save();

    std::function<LogSources()> sources_;
    Follower::Limits limits_;
    std::string state_file_;  ///< "": nothing is kept
    LogStates unclaimed_;     ///< of earlier runs, of logs that are not followed yet
    std::vector<std::unique_ptr<Log>> logs_;
    std::vector<std::string> ignored_;
    std::string fault_;
    std::optional<Deadline::Clock::time_point> updated_;
    std::size_t turn_ = 0;  ///< the log that is read first
    std::string saved_;
    std::string state_trouble_;
};

/// The error of a log that may not be read, with the step that allows it. `group` and `mode` are the file's;
/// an empty group: the directory cannot be searched.
std::string adviceFor(const std::string& path, const std::string& group, unsigned mode);

}  // namespace lapwing::agent::logs
