#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/heartbeat.h"
#include "agent/probes/mysql/timed_mutex.h"
#include "common/mutex.h"

namespace lapwing::agent::mysql {

/// The observations that allow the next beat.
struct BeatPlan {
    unsigned session = 0;  ///< the connection's session: observations hold for it alone
    Version version;
    Beat beat;  ///< `expires` is filled in
    bool row_exists = false;
    double server_time = 0;  ///< the server's clock, Unix seconds, at `made`
    Connection::Clock::time_point made;
};

/// The result of the last beat.
struct BeatState {
    std::optional<Connection::Clock::time_point> last;  ///< the time of the last successful beat
    bool denied = false;                                ///< refused for want of a grant
    std::string trouble;                                ///< for people; "" if there was none
};

/// Beats once a second, at the second, over the connection that the probe reads with: never over a
/// connection of its own, and not while a statement is under way. Every beat rests on a plan that the probe
/// made within the last moments, and checks the state again itself: without a fresh plan there is no beat.
class Beater {
  public:
    using Clock = Connection::Clock;

    /// `mutex` guards `connection` and everything here. Both must outlive the beater.
    Beater(Connection& connection, TimedMutex& mutex, HeartbeatSettings settings);
    ~Beater();
    Beater(const Beater&) = delete;
    Beater& operator=(const Beater&) = delete;

    /// Sets the plan; nothing: no beat until the next plan. The thread begins with the first plan. Call it
    /// under the mutex.
    void setPlan(std::optional<BeatPlan> plan);

    /// Call it under the mutex.
    const BeatState& state() const { return state_; }
    void forgetDenial() { state_.denied = false; }

    /// Makes one beat, if the plan allows it. The thread calls it, under the mutex.
    void beat();

  private:
    void run();
    bool lookAgain(Clock::time_point until);

    Connection& connection_;
    TimedMutex& mutex_;
    const HeartbeatSettings settings_;
    std::optional<BeatPlan> plan_;
    BeatState state_;

    Mutex stop_mutex_;
    ConditionVariable stop_;
    bool stopping_ LAPWING_GUARDED_BY(stop_mutex_) = false;
    std::thread thread_;
};

}  // namespace lapwing::agent::mysql
