#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/attempts/assignment.h"
#include "agent/attempts/collector_clock.h"
#include "agent/attempts/outcome.h"

namespace lapwing::agent {

/// Carries out the canaries of an assignment (canary.h) at their times: each listener in a thread of its own,
/// each connection in the caller's. Not synchronised.
class CanarySchedule {
  public:
    using Clock = std::chrono::steady_clock;

    /// `stopping` ends the listeners early; it must outlive the schedule.
    CanarySchedule(CollectorClock clock, const std::atomic<bool>& stopping);
    /// Waits for the listeners.
    ~CanarySchedule();
    CanarySchedule(const CanarySchedule&) = delete;
    CanarySchedule& operator=(const CanarySchedule&) = delete;

    /// Replaces the orders. Orders that have begun are not carried out again.
    void take(std::vector<CanaryOrder> orders);
    /// The time of the next canary; an hour from now without a canary.
    Clock::time_point next() const;
    /// Carries out the canaries that are due. True if there is a new result.
    bool run();
    void joinListeners();
    /// The last result of each pair of addresses.
    const Outcomes& outcomes() const { return outcomes_; }

  private:
    struct Listener {
        std::thread thread;
        std::shared_ptr<std::atomic<bool>> done;
    };

    Clock::time_point dueAt(const CanaryOrder& order) const;
    void listen(const CanaryOrder& order, Clock::time_point until);
    void connect(const CanaryOrder& order);

    CollectorClock clock_;
    const std::atomic<bool>& stopping_;
    std::map<std::string, CanaryOrder> orders_;
    std::set<std::string> begun_;  ///< keys of `orders_`
    std::vector<Listener> listeners_;
    Outcomes outcomes_;
};

}  // namespace lapwing::agent
