#include "collector/notify/lane.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "common/text.h"

namespace lapwing::notify {
namespace {

DeliveryTable::Options tableOptions(const Receiver& receiver, const DispatcherOptions& options) {
    auto out = receiver.table;
    out.gather_ms = options.gather_ms;
    out.first_retry_ms = options.first_retry_ms;
    out.most_retry_ms = options.most_retry_ms;
    return out;
}

/// The beginning of a text that becomes a label's value.
std::string labelText(const std::string& text) {
    constexpr std::size_t most = 500;
    return std::string(utf8Prefix(text, most));
}

std::string nameOf(const Notification& notification) {
    return (notification.alone.empty() ? notification.group : notification.alone).toString();
}

}  // namespace

Lane::Lane(std::unique_ptr<Receiver> receiver, storage::Store& store, const DispatcherOptions& options,
           Muting muting, Routing routing, std::function<void()> on_pulse)
    : receiver_(std::move(receiver)),
      store_(store),
      options_(options),
      muting_(muting),
      routing_(std::move(routing)),
      on_pulse_(std::move(on_pulse)),
      table_(tableOptions(*receiver_, options)) {
    status_.name = receiver_->name;
    for (auto& worker : workers_) {
        worker = std::make_unique<Worker>(receiver_->name, [this] { return step(); });
    }
    const auto saved = store_.state(receiver_->state_name);
    if (!saved || !*saved || (*saved)->empty()) {
        return;
    }
    if (const auto restored = table_.restore(**saved, nowMs()); !restored) {
        spdlog::warn("{}: {}", receiver_->name, restored.error().message);
    }
}

void Lane::start() {
    for (auto& worker : workers_) {
        worker->start();
    }
}

void Lane::askToStop() {
    for (auto& worker : workers_) {
        worker->askToStop();
    }
}

void Lane::join() {
    for (auto& worker : workers_) {
        worker->join();
    }
}

void Lane::wake() {
    for (auto& worker : workers_) {
        worker->wake();
    }
}

void Lane::put(const std::vector<Alert>& alerts) {
    {
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
    }
    wake();
}

void Lane::putPulse(TimestampMs pulse) {
    pulse_put_ = pulse;
    wake();
}

ReceiverStatus Lane::status() const {
    const MutexLock lock(mutex_);
    auto out = status_;
    out.waiting = table_.waiting();
    return out;
}

ReceiverTold Lane::told(const std::string& fingerprint) const {
    const MutexLock lock(mutex_);
    auto told = table_.told(fingerprint);
    const bool given_up = told && told->given_up;
    ReceiverTold out{receiver_->name, told, given_up ? status_.refused : status_.failing};
    if (told) {
        const auto part = partOf(routing_.routes, receiver_->route_name, told->labels);
        out.role = part.addressed           ? ReceiverTold::Role::addressed
                   : part.stands_in.empty() ? ReceiverTold::Role::none
                                            : ReceiverTold::Role::alternative;
    }
    return out;
}

void Lane::save() {
    const auto saved = store_.putState(receiver_->state_name, table_.save());
    if (!saved) {
        spdlog::warn("{}: its state could not be saved: {}", receiver_->name, saved.error().message);
    }
}

/// Delivers at most one notification. Returns how long nothing is due.
std::chrono::milliseconds Lane::step() {
    if (const TimestampMs pulse = pulse_put_; pulse > pulse_passed_) {
        pulse_passed_ = pulse;
        on_pulse_();
    }
    const TimestampMs now = nowMs();
    std::optional<Notification> notification;
    std::chrono::milliseconds idle(0);
    bool failures_changed = false;
    {
        const MutexLock lock(mutex_);
        const bool lapsed = table_.lapse(now);
        const bool routed = route(now);
        if (mute(now) || lapsed || routed) {
            save();
        }
        failures_changed = publishFailures(now);
        notification = take(now);
        if (notification) {
            ++under_way_;
        } else {
            idle = pause(now);
        }
    }
    if (failures_changed) {
        routing_.on_change();
    }
    if (!notification) {
        return idle;
    }
    const auto delivered = receiver_->deliver(*notification, std::chrono::milliseconds(options_.deadline_ms));
    {
        const MutexLock lock(mutex_);
        --under_way_;
        settle(*notification, delivered);
    }
    return std::chrono::milliseconds(0);
}

std::optional<Notification> Lane::take(TimestampMs now) {
    if (Clock::now() < pause_until_) {
        return std::nullopt;
    }
    return table_.take(now, under_way_ < kThreadsForRetries);
}

bool Lane::mute(TimestampMs now) {
    static const std::vector<InhibitRule> none;
    const auto silent = [&](const Labels& labels) {
        return (options_.accepted && options_.accepted(labels, now)) ||
               (receiver_->mutes && !muting_.silences.matching(labels, now).empty());
    };
    return table_.mute(silent, receiver_->mutes ? muting_.inhibit : none, now);
}

/// Takes the alerts that routes lead here, and those of receivers that fail. Notes when the next failure will
/// have lasted long enough.
bool Lane::route(TimestampMs now) {
    if (routing_.routes.empty()) {
        return false;
    }
    std::optional<TimestampMs> next;
    const auto wanted = [&](const Labels& labels) {
        const auto part = partOf(routing_.routes, receiver_->route_name, labels);
        bool out = part.addressed;
        for (const auto* route : part.stands_in) {
            const auto since = routing_.board.since(route->to, labels);
            if (!since) {
                continue;
            }
            const auto at = *since + route->alternative_after_ms;
            out = out || at <= now;
            if (at > now) {
                next = std::min(next.value_or(at), at);
            }
        }
        return out;
    };
    const bool changed = table_.route(wanted, now);
    stands_in_at_ = next;
    return changed;
}

/// True if the lanes that stand in for this one have to look at it.
bool Lane::publishFailures(TimestampMs now) {
    if (routing_.routes.empty()) {
        return false;
    }
    if (unreached_ > 0 && status_.failing) {
        table_.noteUnreached(status_.failing->since, now);
    }
    return routing_.board.put(receiver_->route_name, receiver_->state_name, table_.failures());
}

void Lane::settle(const Notification& notification, const Delivered& delivered) {
    if (!delivered) {
        return settleFailure(notification, delivered.error());
    }
    table_.accept(notification, nowMs());
    save();
    ++status_.sent;
    unreached_ = 0;
    status_.failing.reset();
    if (status_.refused && status_.refused->notification == labelText(nameOf(notification))) {
        status_.refused.reset();
    }
    spdlog::info("{}: sent {} ({} alerts, {})", receiver_->name, nameOf(notification),
                 notification.alerts.size(), notification.firing() ? "firing" : "resolved");
}

void Lane::settleFailure(const Notification& notification, const DeliveryFailure& failure) {
    ++status_.failed;
    const bool unreached = failure.kind == DeliveryFailure::Kind::unreached;
    unreached_ = unreached ? unreached_ + 1 : 0;
    auto wait = failure.retry_after.value_or(std::chrono::milliseconds(0));
    if (unreached) {
        wait = std::max(wait, std::chrono::milliseconds(
                                  retryPause(options_.first_retry_ms, options_.most_retry_ms, unreached_)));
    }
    pause_until_ = std::max(pause_until_, Clock::now() + wait);
    const auto now = nowMs();
    const DeliveryTrouble trouble{unreached ? "" : labelText(nameOf(notification)),
                                  labelText(failure.message), now};
    const auto text = (unreached ? "" : trouble.notification + ": ") + trouble.reason;
    table_.noteFailure(notification, status_.failing ? status_.failing->since : now);
    if (table_.reject(notification, failure, now)) {
        ++status_.given_up;
        status_.refused = trouble;
        status_.failing.reset();
        save();
        spdlog::error("{}: gave up {}", receiver_->name, text);
        return;
    }
    const auto& known = status_.failing;
    if (!known || known->reason != trouble.reason || known->notification != trouble.notification) {
        spdlog::warn("{}: {}; trying again", receiver_->name, text);
    }
    const auto since = known ? known->since : now;
    status_.failing = trouble;
    status_.failing->since = since;
    // How long the receiver has failed outlives a restart.
    if (!routing_.routes.empty()) {
        save();
    }
}

/// How long until the next notification is due, or a silence begins or ends.
std::chrono::milliseconds Lane::pause(TimestampMs now) const {
    std::int64_t ms = 60'000;
    if (const auto next = table_.nextDue(now)) {
        // What is due now waits for a thread: the end of a delivery wakes this one.
        ms = *next > now ? std::min(*next - now, ms) : ms;
    }
    auto out = std::chrono::milliseconds(ms);
    if (const auto left = std::chrono::ceil<std::chrono::milliseconds>(pause_until_ - Clock::now());
        left > std::chrono::milliseconds(0)) {
        out = left;
    }
    if (stands_in_at_) {
        out = std::min(out, std::chrono::milliseconds(std::max<std::int64_t>(*stands_in_at_ - now, 1)));
    }
    if (const auto change = muting_.silences.nextChange(now)) {
        out = std::min(out, std::chrono::milliseconds(std::max<std::int64_t>(*change - now, 1)));
    }
    return out;
}

}  // namespace lapwing::notify
