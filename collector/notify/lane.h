#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/notify/delivery_table.h"
#include "collector/notify/dispatcher.h"
#include "collector/notify/failures.h"
#include "collector/notify/receivers.h"
#include "collector/notify/silences.h"
#include "collector/storage/store.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::notify {

/// One receiver with its table and its threads. Deliveries run side by side, so that a notification at which
/// the receiver hangs delays no other; those that failed before never take the last free threads. Safe from
/// any thread; one thread makes, starts, joins and destroys a lane.
class Lane {
  public:
    struct Muting {
        const Silences& silences;
        const std::vector<InhibitRule>& inhibit;
    };

    struct Routing {
        const std::vector<Route>& routes;
        FailureBoard& board;
        std::function<void()> on_change;  ///< called when this lane has changed the board
    };

    /// `on_pulse` is called each time that pulsePassed() has grown.
    Lane(std::unique_ptr<Receiver> receiver, storage::Store& store, const DispatcherOptions& options,
         Muting muting, Routing routing, std::function<void()> on_pulse);

    void start();
    void askToStop();
    void join();
    /// Lets the lane check again for due notifications.
    void wake();

    void put(const std::vector<Alert>& alerts);

    /// Sends the heartbeat's pulse through a thread, to prove that one is free to deliver.
    void putPulse(TimestampMs pulse);
    TimestampMs pulsePassed() const { return pulse_passed_; }

    ReceiverStatus status() const;
    ReceiverTold told(const std::string& fingerprint) const;

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kThreads = 4;
    static constexpr std::size_t kThreadsForRetries = 2;

    std::chrono::milliseconds step();
    std::chrono::milliseconds pause(TimestampMs now) const LAPWING_REQUIRES(mutex_);
    std::optional<Notification> take(TimestampMs now) LAPWING_REQUIRES(mutex_);
    void settle(const Notification& notification, const Delivered& delivered) LAPWING_REQUIRES(mutex_);
    void settleFailure(const Notification& notification, const DeliveryFailure& failure)
        LAPWING_REQUIRES(mutex_);
    bool mute(TimestampMs now) LAPWING_REQUIRES(mutex_);
    bool route(TimestampMs now) LAPWING_REQUIRES(mutex_);
    bool publishFailures(TimestampMs now) LAPWING_REQUIRES(mutex_);
    void save() LAPWING_REQUIRES(mutex_);

    const std::unique_ptr<Receiver> receiver_;
    storage::Store& store_;
    const DispatcherOptions options_;
    const Muting muting_;
    const Routing routing_;
    const std::function<void()> on_pulse_;
    std::atomic<TimestampMs> pulse_put_{0};
    std::atomic<TimestampMs> pulse_passed_{0};

    mutable Mutex mutex_;  ///< never held during a delivery
    DeliveryTable table_ LAPWING_GUARDED_BY(mutex_);
    std::size_t under_way_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::optional<TimestampMs> stands_in_at_
        LAPWING_GUARDED_BY(mutex_);                 ///< when it next takes over an alert
    int unreached_ LAPWING_GUARDED_BY(mutex_) = 0;  ///< attempts in a row that did not reach the receiver
    Clock::time_point pause_until_ LAPWING_GUARDED_BY(mutex_){};
    ReceiverStatus status_ LAPWING_GUARDED_BY(mutex_);
    std::array<std::unique_ptr<Worker>, kThreads> workers_;
};

}  // namespace lapwing::notify
