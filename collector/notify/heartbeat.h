#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "collector/notify/dispatcher.h"
#include "collector/storage/store.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::notify {

/// The dead man's switch. Each interval it appends a sample, the *pulse*. The rule of heartbeatRules()
/// turns the pulse into an alert, and the dispatcher passes that alert through the thread of every receiver
/// to arrived(). Only then a heartbeat leaves. If the store takes no sample, the rules are not evaluated or
/// a receiver's thread hangs, no heartbeat leaves, and the external monitor that expects it raises the
/// alarm. Safe from any thread.
class Heartbeat {
  public:
    Heartbeat(HeartbeatConfig config, storage::Store& store, std::string instance, DispatcherOptions options);
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

    void start();
    /// Returns within the deadline of one attempt.
    void stop();

    /// Reports that the pulse of that time has passed all receivers.
    void arrived(TimestampMs pulse);
    std::uint64_t sent() const;

    /// The time of the pulse in an alert; 0 for any other alert.
    static TimestampMs pulseOf(const Alert& alert);

  private:
    std::chrono::milliseconds step();
    void beat(TimestampMs now);
    void send(TimestampMs pulse);

    const HeartbeatConfig config_;
    storage::Store& store_;
    const Labels pulse_;
    const DispatcherOptions options_;

    mutable Mutex mutex_;  ///< not held while waiting for the store or the network
    TimestampMs arrived_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::uint64_t sent_ LAPWING_GUARDED_BY(mutex_) = 0;

    // Used by the worker alone.
    TimestampMs next_beat_ = 0;
    TimestampMs sent_pulse_ = 0;
    TimestampMs retry_at_ = 0;
    std::int64_t retry_ms_ = 0;
    std::string last_error_;
    Worker worker_;
};

/// The rule file with the rule that evaluates the pulse; "" without `notify.heartbeat`.
std::string heartbeatRules(const Config& config);

}  // namespace lapwing::notify
