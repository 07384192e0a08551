#include "collector/notify/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>

#include "collector/notify/delivery_table.h"
#include "collector/notify/heartbeat.h"
#include "collector/notify/receivers.h"
#include "collector/notify/silences.h"
#include "collector/storage/store.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::notify {
namespace {

using Clock = std::chrono::steady_clock;

/// One receiver with its table and its thread.
class Lane {
  public:
    struct Muting {
        const Silences& silences;
        const std::vector<InhibitRule>& inhibit;
    };

    /// The thread calls `on_pulse` each time that pulsePassed() has grown.
    Lane(std::unique_ptr<Receiver> receiver, storage::Store& store, const DispatcherOptions& options,
         Muting muting, std::function<void()> on_pulse)
        : receiver_(std::move(receiver)),
          store_(store),
          options_(options),
          muting_(muting),
          on_pulse_(std::move(on_pulse)),
          table_([&] {
              auto table = receiver_->table;
              table.gather_ms = options.gather_ms;
              return table;
          }()),
          worker_(receiver_->name, [this] { return step(); }) {
        const auto saved = store_.state(receiver_->state_name);
        if (!saved || !*saved || (*saved)->empty()) {
            return;
        }
        if (const auto restored = table_.restore(**saved, nowMs()); !restored) {
            spdlog::warn("{}: {}", receiver_->name, restored.error().message);
        }
    }

    void start() { worker_.start(); }
    void askToStop() { worker_.askToStop(); }
    void join() { worker_.join(); }
    /// Lets the thread check again for due notifications.
    void wake() { worker_.wake(); }

    void put(const std::vector<Alert>& alerts) {
        const MutexLock lock(mutex_);
        const TimestampMs now = nowMs();
        bool news = false;
        for (const auto& alert : alerts) {
            news = table_.put(alert, now) || news;
        }
        if (!news) {
            return;
        }
        save();
        worker_.wake();
    }

    /// Sends the heartbeat's pulse through the thread, to prove that the thread works.
    void putPulse(TimestampMs pulse) {
        pulse_put_ = pulse;
        worker_.wake();
    }
    TimestampMs pulsePassed() const { return pulse_passed_; }

    ReceiverStatus status() const {
        const MutexLock lock(mutex_);
        return {receiver_->name, sent_, failed_, table_.waiting(), last_error_};
    }

  private:
    void save() LAPWING_REQUIRES(mutex_) {
        const auto saved = store_.putState(receiver_->state_name, table_.save());
        if (!saved) {
            spdlog::warn("{}: its state could not be saved: {}", receiver_->name, saved.error().message);
        }
    }

    /// Delivers at most one notification. Returns how long nothing is due.
    std::chrono::milliseconds step() {
        if (const TimestampMs pulse = pulse_put_; pulse > pulse_passed_) {
            pulse_passed_ = pulse;
            on_pulse_();
        }
        const TimestampMs now = nowMs();
        std::optional<Notification> notification;
        {
            const MutexLock lock(mutex_);
            const bool lapsed = table_.lapse(now);
            if (mute(now) || lapsed) {
                save();
            }
            if (Clock::now() >= retry_at_) {
                notification = table_.due(now);
            }
            if (!notification) {
                return pause(now);
            }
        }
        const auto delivered =
            receiver_->deliver(*notification, std::chrono::milliseconds(options_.deadline_ms));
        const MutexLock lock(mutex_);
        settle(*notification, delivered);
        return std::chrono::milliseconds(0);
    }

    bool mute(TimestampMs now) LAPWING_REQUIRES(mutex_) {
        if (!receiver_->mutes) {
            return false;
        }
        return table_.mute(
            [&](const Labels& labels) { return !muting_.silences.matching(labels, now).empty(); },
            muting_.inhibit, now);
    }

    void settle(const Notification& notification, const Expected<void>& delivered) LAPWING_REQUIRES(mutex_) {
        if (delivered) {
            table_.accept(notification, nowMs());
            save();
            ++sent_;
            failures_ = 0;
            last_error_.clear();
            spdlog::info("{}: sent {} ({} alerts, {})", receiver_->name, notification.group.toString(),
                         notification.alerts.size(), notification.firing() ? "firing" : "resolved");
            return;
        }
        ++failed_;
        const std::int64_t factor = std::int64_t{1} << std::min(failures_, 20);
        const auto retry_ms = std::min(options_.first_retry_ms * factor, options_.most_retry_ms);
        retry_at_ = Clock::now() + std::chrono::milliseconds(retry_ms);
        ++failures_;
        if (last_error_ != delivered.error().message) {
            spdlog::warn("{}: {}; trying again", receiver_->name, delivered.error().message);
        }
        last_error_ = delivered.error().message;
    }

    /// How long until the next notification is due, or a silence begins or ends.
    std::chrono::milliseconds pause(TimestampMs now) const LAPWING_REQUIRES(mutex_) {
        std::int64_t ms = 60'000;
        if (const auto next = table_.nextDue(now)) {
            ms = std::clamp<std::int64_t>(*next - now, 1, ms);
        }
        auto out = std::chrono::milliseconds(ms);
        out = std::max(out, std::chrono::ceil<std::chrono::milliseconds>(retry_at_ - Clock::now()));
        if (const auto change = muting_.silences.nextChange(now)) {
            out = std::min(out, std::chrono::milliseconds(std::max<std::int64_t>(*change - now, 1)));
        }
        return out;
    }

    const std::unique_ptr<Receiver> receiver_;
    storage::Store& store_;
    const DispatcherOptions options_;
    const Muting muting_;
    const std::function<void()> on_pulse_;
    std::atomic<TimestampMs> pulse_put_{0};
    std::atomic<TimestampMs> pulse_passed_{0};

    mutable Mutex mutex_;  ///< never held during a delivery
    DeliveryTable table_ LAPWING_GUARDED_BY(mutex_);
    int failures_ LAPWING_GUARDED_BY(mutex_) = 0;
    Clock::time_point retry_at_ LAPWING_GUARDED_BY(mutex_){};
    std::uint64_t sent_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::uint64_t failed_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::string last_error_ LAPWING_GUARDED_BY(mutex_);
    Worker worker_;
};

}  // namespace

struct Dispatcher::State {
    State(const Config& config, storage::Store& store, const DispatcherOptions& options)
        : inhibit(config.inhibit), silences(store) {
        if (config.heartbeat) {
            heartbeat = std::make_unique<Heartbeat>(*config.heartbeat, store, config.instance, options);
        }
        for (auto& receiver : makeReceivers(config)) {
            lanes.push_back(std::make_unique<Lane>(std::move(receiver), store, options,
                                                   Lane::Muting{silences, inhibit}, [this] { passPulse(); }));
        }
        silences.onChange([this] {
            for (auto& lane : lanes) {
                lane->wake();
            }
        });
    }

    /// Passes on the newest pulse that every lane has seen.
    void passPulse() {
        TimestampMs pulse = newest_pulse;
        for (const auto& lane : lanes) {
            pulse = std::min(pulse, lane->pulsePassed());
        }
        if (heartbeat && pulse > 0) {
            heartbeat->arrived(pulse);
        }
    }

    const std::vector<InhibitRule> inhibit;
    Silences silences;
    std::unique_ptr<Heartbeat> heartbeat;
    std::atomic<TimestampMs> newest_pulse{0};
    std::vector<std::unique_ptr<Lane>> lanes;
    bool running = false;
};

Dispatcher::Dispatcher(const Config& config, storage::Store& store, DispatcherOptions options)
    : state_(std::make_unique<State>(config, store, options)) {}

Dispatcher::~Dispatcher() {
    stop();
}

void Dispatcher::start() {
    if (std::exchange(state_->running, true)) {
        return;
    }
    for (auto& lane : state_->lanes) {
        lane->start();
    }
    if (state_->heartbeat) {
        state_->heartbeat->start();
    }
}

void Dispatcher::stop() {
    if (!std::exchange(state_->running, false)) {
        return;
    }
    for (auto& lane : state_->lanes) {
        lane->askToStop();
    }
    if (state_->heartbeat) {
        state_->heartbeat->stop();
    }
    for (auto& lane : state_->lanes) {
        lane->join();
    }
}

void Dispatcher::send(std::vector<Alert> alerts) {
    if (state_->heartbeat) {
        TimestampMs pulse = 0;
        std::erase_if(alerts, [&](const Alert& alert) {
            const TimestampMs of_alert = Heartbeat::pulseOf(alert);
            pulse = std::max(pulse, alert.firing ? of_alert : 0);
            return of_alert != 0;
        });
        if (pulse > state_->newest_pulse) {
            state_->newest_pulse = pulse;
            for (auto& lane : state_->lanes) {
                lane->putPulse(pulse);
            }
            state_->passPulse();
        }
    }
    if (alerts.empty()) {
        return;
    }
    for (auto& lane : state_->lanes) {
        lane->put(alerts);
    }
}

Suppression Dispatcher::suppression(const Labels& alert, const std::vector<const Labels*>& firing) const {
    return {state_->silences.matching(alert, nowMs()), inhibitors(state_->inhibit, alert, firing)};
}

Silences& Dispatcher::silences() {
    return state_->silences;
}

std::uint64_t Dispatcher::heartbeats() const {
    return state_->heartbeat ? state_->heartbeat->sent() : 0;
}

std::vector<ReceiverStatus> Dispatcher::status() const {
    std::vector<ReceiverStatus> out;
    for (const auto& lane : state_->lanes) {
        out.push_back(lane->status());
    }
    return out;
}

std::vector<TestOutcome> sendTest(const Config& config) {
    std::vector<TestOutcome> out;
    for (const auto& receiver : makeReceivers(config)) {
        Alert alert;
        alert.labels = Labels{{"alertname", "LapwingTest"}, {"severity", "info"}};
        alert.annotations = Labels{{"summary", "A test of the notifications: nothing is wrong"}};
        alert.starts_at = nowMs();
        alert.ends_at = alert.starts_at + 300'000;
        Notification notification;
        notification.group = Labels{{"alertname", "LapwingTest"}};
        notification.alerts = {alert};
        auto result =
            receiver->deliver(notification, std::chrono::milliseconds(DispatcherOptions{}.deadline_ms));
        if (result && receiver->table.send_resolved) {
            notification.alerts[0].firing = false;
            notification.alerts[0].ends_at = nowMs();
            result =
                receiver->deliver(notification, std::chrono::milliseconds(DispatcherOptions{}.deadline_ms));
        }
        out.push_back({receiver->name, std::move(result)});
    }
    return out;
}

}  // namespace lapwing::notify
