#include "collector/notify/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "collector/notify/heartbeat.h"
#include "collector/notify/lane.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::notify {
struct Dispatcher::State {
    State(const Config& config, storage::Store& store, const DispatcherOptions& options)
        : inhibit(config.inhibit), routes(config.routes), accepted(options.accepted), silences(store) {
        if (config.heartbeat) {
            heartbeat = std::make_unique<Heartbeat>(*config.heartbeat, store, config.instance, options);
        }
        for (auto& receiver : makeReceivers(config)) {
            lanes.push_back(std::make_unique<Lane>(
                std::move(receiver), store, options, Lane::Muting{silences, inhibit},
                Lane::Routing{routes, board, [this] { wake(); }}, [this] { passPulse(); }));
        }
        silences.onChange([this] { wake(); });
    }

    void wake() {
        for (auto& lane : lanes) {
            lane->wake();
        }
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
    const std::vector<Route> routes;
    FailureBoard board;
    const std::function<std::optional<Accepted>(const Labels&, TimestampMs)> accepted;
    Silences silences;
    std::unique_ptr<Heartbeat> heartbeat;
    std::atomic<TimestampMs> newest_pulse{0};
    std::vector<std::unique_ptr<Lane>> lanes;
    bool running = false;
};

Dispatcher::Dispatcher(const Config& config, storage::Store& store, const DispatcherOptions& options)
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
    const auto now = nowMs();
    return {state_->silences.matching(alert, now), inhibitors(state_->inhibit, alert, firing),
            state_->accepted ? state_->accepted(alert, now) : std::nullopt};
}

void Dispatcher::wake() {
    state_->wake();
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

const char* nameOf(ReceiverTold::Role role) {
    switch (role) {
        case ReceiverTold::Role::addressed:
            return "addressed";
        case ReceiverTold::Role::alternative:
            return "alternative";
        case ReceiverTold::Role::none:
            break;
    }
    return "none";
}

std::vector<ReceiverTold> Dispatcher::told(const std::string& fingerprint) const {
    std::vector<ReceiverTold> out;
    for (const auto& lane : state_->lanes) {
        out.push_back(lane->told(fingerprint));
    }
    return out;
}

void Dispatcher::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    // As long as a receiver gets a refused alert again, see DeliveryTable.
    constexpr std::int64_t told_ms = 3'600'000;
    if (state_->lanes.empty()) {
        return;
    }
    auto total =
        counter(metric::kNotificationsTotal, "Attempts to deliver a notification, by how they ended.");
    auto waiting =
        gauge(metric::kNotificationAlertsWaiting, "Alerts with news that the receiver has not accepted.");
    auto trouble = gauge(metric::kNotificationTroubleInfo,
                         "1 for a notification that the receiver does not take now, or that was given up.");
    for (const auto& receiver : status()) {
        const auto count = [&](const char* result, std::uint64_t value) {
            add(total, {{"receiver", receiver.name}, {"result", result}}, static_cast<double>(value));
        };
        count("accepted", receiver.sent);
        count("failed", receiver.failed);
        count("given_up", receiver.given_up);
        add(waiting, {{"receiver", receiver.name}}, static_cast<double>(receiver.waiting));
        const auto tell = [&](const char* state, const std::optional<DeliveryTrouble>& one) {
            if (one) {
                add(trouble,
                    {{"receiver", receiver.name},
                     {"state", state},
                     {"notification", one->notification},
                     {"reason", one->reason}},
                    1);
            }
        };
        tell("failing", receiver.failing);
        if (receiver.refused && nowMs() - receiver.refused->since < told_ms) {
            tell("given_up", receiver.refused);
        }
    }
    out.push_back(std::move(total));
    out.push_back(std::move(waiting));
    out.push_back(std::move(trouble));
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
        const std::chrono::milliseconds deadline(DispatcherOptions{}.deadline_ms);
        auto result = receiver->deliver(notification, deadline);
        if (result && receiver->table.send_resolved) {
            notification.alerts[0].firing = false;
            notification.alerts[0].ends_at = nowMs();
            result = receiver->deliver(notification, deadline);
        }
        out.push_back({receiver->name, std::move(result)});
    }
    return out;
}

}  // namespace lapwing::notify
