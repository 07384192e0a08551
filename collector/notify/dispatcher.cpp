#include "collector/notify/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "collector/notify/delivery_table.h"
#include "collector/notify/heartbeat.h"
#include "collector/notify/receivers.h"
#include "collector/notify/silences.h"
#include "collector/storage/store.h"

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

    /// `on_pulse` is called from the thread each time that pulsePassed() has grown.
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
          }()) {
        const auto saved = store_.state(receiver_->state_name);
        if (!saved || !*saved || (*saved)->empty()) {
            return;
        }
        if (const auto restored = table_.restore(**saved, nowMs()); !restored) {
            spdlog::warn("{}: {}", receiver_->name, restored.error().message);
        }
    }

    void start() {
        stopping_ = false;
        thread_ = std::thread([this] { loop(); });
    }

    void askToStop() {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        woken_.notify_all();
    }

    void join() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    void put(const std::vector<Alert>& alerts) {
        const std::lock_guard lock(mutex_);
        const TimestampMs now = nowMs();
        bool news = false;
        for (const auto& alert : alerts) {
            news = table_.put(alert, now) || news;
        }
        if (!news) {
            return;
        }
        save();
        woken_.notify_all();
    }

    /// The heartbeat's alert: the thread is to show that it works.
    void putPulse(TimestampMs pulse) {
        const std::lock_guard lock(mutex_);
        pulse_put_ = pulse;
        woken_.notify_all();
    }
    TimestampMs pulsePassed() const { return pulse_passed_; }

    void wake() {
        const std::lock_guard lock(mutex_);
        woken_.notify_all();
    }

    ReceiverStatus status() const {
        const std::lock_guard lock(mutex_);
        return {receiver_->name, sent_, failed_, table_.waiting(), last_error_};
    }

  private:
    void save() {
        const auto saved = store_.putState(receiver_->state_name, table_.save());
        if (!saved) {
            spdlog::warn("{}: its state could not be saved: {}", receiver_->name, saved.error().message);
        }
    }

    void loop() {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            const TimestampMs now = nowMs();
            if (pulse_put_ > pulse_passed_) {
                pulse_passed_ = pulse_put_;
                on_pulse_();
            }
            const bool lapsed = table_.lapse(now);
            if (mute(now) || lapsed) {
                save();
            }
            if (Clock::now() >= retry_at_) {
                if (const auto notification = table_.due(now)) {
                    lock.unlock();
                    const auto delivered =
                        receiver_->deliver(*notification, std::chrono::milliseconds(options_.deadline_ms));
                    lock.lock();
                    settle(*notification, delivered);
                    continue;
                }
            }
            wait(lock, now);
        }
    }

    bool mute(TimestampMs now) {
        if (!receiver_->mutes) {
            return false;
        }
        return table_.mute(
            [&](const Labels& labels) { return !muting_.silences.matching(labels, now).empty(); },
            muting_.inhibit, now);
    }

    void settle(const Notification& notification, const Expected<void>& delivered) {
        if (delivered) {
            table_.accept(notification, nowMs());
            save();
            ++sent_;
            failures_ = 0;
            last_error_.clear();
            spdlog::info("{}: told of {} ({} alerts, {})", receiver_->name, notification.group.toString(),
                         notification.alerts.size(), notification.firing() ? "firing" : "resolved");
            return;
        }
        ++failed_;
        const std::int64_t factor = std::int64_t{1} << std::min(failures_, 20);
        const auto pause = std::min(options_.first_retry_ms * factor, options_.most_retry_ms);
        retry_at_ = Clock::now() + std::chrono::milliseconds(pause);
        ++failures_;
        if (last_error_ != delivered.error().message) {
            spdlog::warn("{}: {}; trying again", receiver_->name, delivered.error().message);
        }
        last_error_ = delivered.error().message;
    }

    void wait(std::unique_lock<std::mutex>& lock, TimestampMs now) {
        std::int64_t ms = 60'000;
        if (const auto next = table_.nextDue(now)) {
            ms = std::clamp<std::int64_t>(*next - now, 1, ms);
        }
        auto until = Clock::now() + std::chrono::milliseconds(ms);
        until = std::max(until, retry_at_);
        if (const auto change = muting_.silences.nextChange(now)) {
            until = std::min(
                until, Clock::now() + std::chrono::milliseconds(std::max<std::int64_t>(*change - now, 1)));
        }
        woken_.wait_until(lock, until);
    }

    const std::unique_ptr<Receiver> receiver_;
    storage::Store& store_;
    const DispatcherOptions options_;
    const Muting muting_;
    const std::function<void()> on_pulse_;
    std::atomic<TimestampMs> pulse_passed_{0};

    mutable std::mutex mutex_;  ///< guards all below; never held while a receiver is being talked to
    std::condition_variable woken_;
    DeliveryTable table_;
    TimestampMs pulse_put_ = 0;
    bool stopping_ = false;
    int failures_ = 0;
    Clock::time_point retry_at_{};
    std::uint64_t sent_ = 0;
    std::uint64_t failed_ = 0;
    std::string last_error_;
    std::thread thread_;
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

    /// Hands on the newest pulse that every lane has seen.
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
