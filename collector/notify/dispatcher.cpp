#include "collector/notify/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "collector/notify/delivery_table.h"
#include "collector/notify/receivers.h"
#include "collector/storage/store.h"

namespace lapwing::notify {
namespace {

using Clock = std::chrono::steady_clock;

/// One receiver with its table and its thread.
class Lane {
  public:
    Lane(std::unique_ptr<Receiver> receiver, storage::Store& store, const DispatcherOptions& options)
        : receiver_(std::move(receiver)), store_(store), options_(options), table_([&] {
              auto table = receiver_->table;
              table.gather_ms = options.gather_ms;
              return table;
          }()) {
        const auto saved = store_.state(receiver_->state_name);
        if (!saved || !*saved || (*saved)->empty()) return;
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
        if (thread_.joinable()) thread_.join();
    }

    void put(const std::vector<Alert>& alerts) {
        const std::lock_guard lock(mutex_);
        const TimestampMs now = nowMs();
        bool news = false;
        for (const auto& alert : alerts) news = table_.put(alert, now) || news;
        if (!news) return;
        save();
        woken_.notify_all();
    }

    ReceiverStatus status() const {
        const std::lock_guard lock(mutex_);
        return {receiver_->name, sent_, failed_, table_.waiting(), last_error_};
    }

  private:
    void save() {
        const auto saved = store_.putState(receiver_->state_name, table_.save());
        if (!saved)
            spdlog::warn("{}: its state could not be saved: {}", receiver_->name, saved.error().message);
    }

    void loop() {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            const TimestampMs now = nowMs();
            if (table_.lapse(now)) save();
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

    void settle(const Notification& notification, const Expected<void>& delivered) {
        if (delivered) {
            table_.accept(notification, nowMs());
            save();
            ++sent_;
            failures_ = 0;
            last_error_.clear();
            spdlog::info("{}: told of {} ({} alerts, {})", receiver_->name,
                         notification.group.get("alertname"), notification.alerts.size(),
                         notification.firing() ? "firing" : "resolved");
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
        if (const auto next = table_.nextDue(now)) ms = std::clamp<std::int64_t>(*next - now, 1, ms);
        auto until = Clock::now() + std::chrono::milliseconds(ms);
        until = std::max(until, retry_at_);
        woken_.wait_until(lock, until);
    }

    const std::unique_ptr<Receiver> receiver_;
    storage::Store& store_;
    const DispatcherOptions options_;

    mutable std::mutex mutex_;  ///< guards all below; never held while a receiver is being talked to
    std::condition_variable woken_;
    DeliveryTable table_;
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
    std::vector<std::unique_ptr<Lane>> lanes;
    bool running = false;
};

Dispatcher::Dispatcher(const Config& config, storage::Store& store, DispatcherOptions options)
    : state_(std::make_unique<State>()) {
    for (auto& receiver : makeReceivers(config)) {
        state_->lanes.push_back(std::make_unique<Lane>(std::move(receiver), store, options));
    }
}

Dispatcher::~Dispatcher() {
    stop();
}

void Dispatcher::start() {
    if (std::exchange(state_->running, true)) return;
    for (auto& lane : state_->lanes) lane->start();
}

void Dispatcher::stop() {
    if (!std::exchange(state_->running, false)) return;
    for (auto& lane : state_->lanes) lane->askToStop();
    for (auto& lane : state_->lanes) lane->join();
}

void Dispatcher::send(std::vector<Alert> alerts) {
    for (auto& lane : state_->lanes) lane->put(alerts);
}

std::vector<ReceiverStatus> Dispatcher::status() const {
    std::vector<ReceiverStatus> out;
    for (const auto& lane : state_->lanes) out.push_back(lane->status());
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
