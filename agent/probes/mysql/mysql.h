#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/probes/mysql/beater.h"
#include "agent/probes/mysql/blocked.h"
#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/heartbeat.h"
#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/pulse.h"
#include "agent/probes/mysql/variables.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::mysql {

/// Watches one MySQL or MariaDB over one connection that it keeps open; the heartbeat has another. Each run
/// asks for the state of replication. One run in `status_interval` also asks for the status and the variables
/// that alerts need, and for the parts that were refused so far. One run in six of these intervals is whole:
/// it asks for all that mysqld_exporter reports. Meant to run half a second after the beat, which is at the
/// second.
class MysqlProbe : public Probe {
  public:
    explicit MysqlProbe(Settings settings, HeartbeatSettings heartbeat = {},
                        std::chrono::milliseconds status_interval = std::chrono::seconds(10));
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    using Clock = Connection::Clock;

    /// A part that a missing privilege, or the server's version, may withhold.
    struct Part {
        enum class State { untried, able, denied, absent } state = State::untried;
        std::string privilege;  ///< the necessary one
        std::string statement;  ///< the refused one, for people
    };

    /// A statement that the server does not answer, on the connection that it has kept.
    struct Aside {
        Connection connection;
        std::string part;
        std::string statement;
        Clock::time_point since;
    };

    /// The server's word that its disk is full, in its answer to a statement of the agent.
    struct DiskFull {
        std::string text;
        Clock::time_point since;
    };

    /// How much a run asks for. Each has all of those before.
    enum class Reach { replication, status, everything };

    Expected<std::optional<Error>> run(Clock::time_point until, Reach reach, ProbeResult& out);
    Expected<std::optional<Error>> askParts(Clock::time_point until, Reach reach, const Pulse& pulse,
                                            ProbeResult& out);
    bool setAside(const char* part, const Error& error, Clock::time_point since);
    bool isAside(const char* part) const { return aside_ && aside_->part == part; }
    void reportAside(ProbeResult& out);
    void reportRefusal(ProbeResult& out) const;
    Expected<void> greet(Clock::time_point until);
    Expected<void> tryParts(Clock::time_point until);
    Expected<Pulse> takePulse(Clock::time_point until, ProbeResult& out);
    Expected<void> askSource(Clock::time_point until, bool whole, ProbeResult& out);
    Expected<void> askAppliers(Clock::time_point until, const std::vector<ChannelState>& channels,
                               ProbeResult& out);
    Expected<std::vector<Blocker>> askBlockers(Clock::time_point until);
    Expected<Table> askVariables(VariableSource source, Reach reach, Clock::time_point until);
    Expected<void> askStatus(Clock::time_point until, Reach reach, ProbeResult& out);
    Expected<void> askInnodb(Clock::time_point until, ProbeResult& out);
    Expected<void> askResponseTimes(Clock::time_point until, ProbeResult& out);
    Expected<void> askWaits(Clock::time_point until, bool whole, ProbeResult& out);
    Expected<Table> ask(const std::string& statement, Clock::time_point until);
    Expected<const std::vector<Process>*> askProcesses(Clock::time_point until);
    void noteRefusal(const Refusal& refusal);
    Expected<std::optional<Table>> askPart(Part& part, const std::string& statement, Clock::time_point until);
    void renewSession(Clock::time_point now);
    HeartbeatFacts heartbeatFacts(const Pulse& pulse, std::size_t channels, bool beats, bool denied) const;
    BeatPlan beatPlan(const Pulse& pulse, Clock::time_point now);
    void planBeat(const Pulse& pulse, std::size_t channels, bool whole, ProbeResult& out);
    void reportMissing(bool whole, ProbeResult& out) const;
    void reportLeftOut(ProbeResult& out) const;

    Connection connection_;
    std::optional<Aside> aside_;  ///< at most one, however long the server is silent
    HeartbeatSettings heartbeat_;
    std::chrono::milliseconds status_interval_;
    Clock::time_point next_status_{};
    Clock::time_point next_whole_{};
    bool failed_ = false;  ///< the last run

    // State of the session.
    unsigned greeted_session_ = 0;
    Clock::time_point greeted_;
    bool replica_denied_ = false;
    Version version_;
    std::string version_text_;
    std::string version_comment_;
    std::string server_id_;
    std::string account_;
    bool performance_schema_ = false;
    bool response_times_ = false;  ///< the server collects them
    std::map<std::string, Part> parts_;

    std::optional<BinlogPlace> binlog_;
    BinlogCounter binlog_counter_;
    Stalls stalls_;
    Blockings blockings_;
    std::optional<bool> has_replicas_;
    bool had_channel_ = false;
    std::optional<Clock::time_point> waited_;        ///< when the beat last had to wait
    std::vector<Wait> waits_;                        ///< that the last look saw
    Clock::time_point looks_closely_until_;          ///< each run looks until then
    std::optional<std::vector<Process>> processes_;  ///< that this run read
    std::optional<DiskFull> disk_full_;  ///< until a whole run in which no statement is refused for it
    bool refused_for_disk_ = false;      ///< in this run
    std::map<std::string, std::size_t> left_out_;  ///< values of the last answers, by statement
    HeartbeatRefusal table_refusal_ = HeartbeatRefusal::no_table;
    Beater beater_;
};

}  // namespace lapwing::agent::mysql
