#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/heartbeat.h"
#include "common/mutex.h"

namespace lapwing::agent::mysql {

/// The observations that allow the next beat.
struct BeatPlan {
    Version version;
    Beat beat;  ///< `expires` and the guards are filled in
    /// MySQL: the account may read the channels from performance_schema, so that the beat's own statement
    /// can.
    bool channels_table = false;
    bool row_exists = false;
    double server_time = 0;  ///< the server's clock, Unix seconds, at `made`
    Connection::Clock::time_point made;
};

/// The result of the last beat.
struct BeatState {
    std::optional<Connection::Clock::time_point> last;  ///< the time of the last successful beat
    bool denied = false;                                ///< refused for want of a grant
    std::string trouble;                                ///< for people; "" if there was none
    /// Since when a statement of a beat has no answer; nothing while none is under way.
    std::optional<Connection::Clock::time_point> pending_since;
    unsigned long thread = 0;  ///< the server's number of the beats' connection; 0 without one
    Refusal refusal;           ///< the server's refusal of the last beat; number 0 if it refused none
    Connection::Clock::time_point refused_at{};
};

/// Beats once a second, at the second, over a connection of its own: a commit may wait for a replica, for
/// disk space or for a lock, and reading must go on. Every beat rests on a plan that the probe made within
/// the last moments, and checks the state again itself: without a fresh plan there is no beat.
///
/// While a beat waits for its answer there is no other. It is left waiting and never killed: a server whose
/// binary log cannot be written may take the error of a killed write for a reason to abort. When the answer
/// comes, however late, beats go on. Thread-safe.
class Beater {
  public:
    using Clock = Connection::Clock;

    Beater(Settings settings, HeartbeatSettings heartbeat);
    ~Beater();
    Beater(const Beater&) = delete;
    Beater& operator=(const Beater&) = delete;

    /// Sets the plan; nothing: no beat until the next plan. The thread begins with the first plan.
    void setPlan(std::optional<BeatPlan> plan);

    BeatState state() const;
    void forgetDenial();

    /// Makes one beat, if the plan allows it and no earlier beat waits. The thread calls it; a test may,
    /// before there is a thread.
    void beat();

  private:
    void run();
    std::optional<BeatPlan> freshPlan(Clock::time_point now) const;
    bool isFree(Clock::time_point now);
    void closeUnused(Clock::time_point now);
    Expected<void> greet(const BeatPlan& plan, Clock::time_point until);
    Expected<void> lookAgain(const BeatPlan& plan, Clock::time_point until);
    Expected<bool> write(BeatPlan& plan, Clock::time_point until);
    Expected<bool> attempt(BeatPlan& plan, Clock::time_point now);

    // The thread's own.
    Connection connection_;
    const HeartbeatSettings heartbeat_;
    unsigned greeted_session_ = 0;
    bool by_statement_ = true;
    Clock::time_point used_{};

    mutable Mutex mutex_;
    std::optional<BeatPlan> plan_ LAPWING_GUARDED_BY(mutex_);
    BeatState state_ LAPWING_GUARDED_BY(mutex_);

    Mutex stop_mutex_;
    ConditionVariable stop_;
    bool stopping_ LAPWING_GUARDED_BY(stop_mutex_) = false;
    std::thread thread_;
};

}  // namespace lapwing::agent::mysql
