#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/mysql/heartbeat.h"
#include "agent/probes/mysql/turn.h"

namespace lapwing::agent::mysql {

/// What the next beat stands on.
struct BeatPlan {
    unsigned session = 0;  ///< the connection's: what was seen there holds there
    Version version;
    Beat beat;  ///< `expires` is filled in
    bool row_exists = false;
    double server_time = 0;  ///< the server's clock, Unix seconds, at `made`
    Connection::Clock::time_point made;
};

/// How the last beat went.
struct BeatState {
    std::optional<Connection::Clock::time_point> last;  ///< when one was last taken
    bool denied = false;                                ///< refused for want of a grant
    std::string trouble;                                ///< in words; "" if none
};

/// Beats once a second, at the second, over the connection that the probe reads with: never over one of its
/// own, and not while a statement is under way on it. Every beat stands on a plan that the probe made within
/// the last moments, and looks again itself: without a fresh plan there is no beat.
class Beater {
  public:
    using Clock = Connection::Clock;

    /// `mutex` guards `connection` and everything here. Both outlive this.
    Beater(Connection& connection, Turn& mutex, HeartbeatSettings settings);
    ~Beater();
    Beater(const Beater&) = delete;
    Beater& operator=(const Beater&) = delete;

    /// Under the mutex. Nothing: no beat until the next plan. The thread begins with the first plan.
    void setPlan(std::optional<BeatPlan> plan);

    /// Under the mutex.
    const BeatState& state() const { return state_; }
    void forgetDenial() { state_.denied = false; }

    /// One beat, if the plan allows it. Under the mutex; the thread calls it.
    void beat();

  private:
    void run();
    bool lookAgain(Clock::time_point until);

    Connection& connection_;
    Turn& mutex_;
    const HeartbeatSettings settings_;
    std::optional<BeatPlan> plan_;
    BeatState state_;

    std::mutex stop_mutex_;
    std::condition_variable stop_;
    bool stopping_ = false;  ///< under stop_mutex_
    std::thread thread_;
};

}  // namespace lapwing::agent::mysql
