#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "collector/notify/dispatcher.h"
#include "collector/storage/store.h"

namespace lapwing::notify {

/// The dead man's switch. Each interval it appends a sample, the *pulse*; the rule of heartbeatRules() makes
/// an alert of it, and the dispatcher leads that alert past the thread of every receiver to arrived(). Only
/// then one heartbeat leaves. If the store takes no sample, the rules are not evaluated or a receiver's
/// thread hangs, no heartbeat leaves, and whoever expects it raises the alarm. Safe from any thread.
class Heartbeat {
  public:
    Heartbeat(HeartbeatConfig config, storage::Store& store, std::string instance, DispatcherOptions options);
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

    void start();
    /// Returns within the deadline of one attempt.
    void stop();

    /// The pulse of that time has come the whole way.
    void arrived(TimestampMs pulse);
    std::uint64_t sent() const;

    /// The time of the pulse that an alert carries; 0 for any other alert.
    static TimestampMs pulseOf(const Alert& alert);

  private:
    void loop();
    void beat(TimestampMs now);

    const HeartbeatConfig config_;
    storage::Store& store_;
    const Labels pulse_;
    const DispatcherOptions options_;

    mutable std::mutex mutex_;  ///< guards all below; not held while the store or the network is waited for
    std::condition_variable woken_;
    bool stopping_ = false;
    TimestampMs arrived_ = 0;
    TimestampMs told_ = 0;
    std::uint64_t sent_ = 0;
    std::string last_error_;
    std::thread thread_;
};

/// The rule file with the rule that sees the pulse; "" without `notify.heartbeat`.
std::string heartbeatRules(const Config& config);

}  // namespace lapwing::notify
