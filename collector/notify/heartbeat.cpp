#include "collector/notify/heartbeat.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "collector/notify/http_delivery.h"
#include "common/metric_names.h"

namespace lapwing::notify {
namespace {

constexpr const char* kAlertName = "LapwingHeartbeat";
constexpr const char* kMetric = metric::kCollectorPulseTimestampSeconds;

}  // namespace

Heartbeat::Heartbeat(HeartbeatConfig config, storage::Store& store, std::string instance,
                     DispatcherOptions options)
    : config_(std::move(config)),
      store_(store),
      pulse_{{"__name__", kMetric}, {"job", "collector"}, {"instance", std::move(instance)}},
      options_(options) {}

Heartbeat::~Heartbeat() {
    stop();
}

void Heartbeat::start() {
    if (thread_.joinable()) {
        return;
    }
    stopping_ = false;
    thread_ = std::thread([this] { loop(); });
}

void Heartbeat::stop() {
    if (!thread_.joinable()) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        woken_.notify_all();
    }
    thread_.join();
}

void Heartbeat::arrived(TimestampMs pulse) {
    const std::lock_guard lock(mutex_);
    arrived_ = std::max(arrived_, pulse);
    woken_.notify_all();
}

std::uint64_t Heartbeat::sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
}

TimestampMs Heartbeat::pulseOf(const Alert& alert) {
    if (alert.labels.get("alertname") != kAlertName) {
        return 0;
    }
    const std::string text(alert.annotations.get("pulse"));
    return std::llround(std::strtod(text.c_str(), nullptr) * 1000);
}

void Heartbeat::beat(TimestampMs now) {
    const auto stored = store_.append({{pulse_, {{now, static_cast<double>(now) / 1000}}}});
    const std::string trouble = !stored               ? stored.error().message
                                : stored->refused > 0 ? stored->first_refusal
                                                      : std::string();
    const std::lock_guard lock(mutex_);
    if (!trouble.empty() && trouble != last_error_) {
        spdlog::error("heartbeat: {}", trouble);
    }
    last_error_ = trouble;
}

void Heartbeat::loop() {
    TimestampMs next_beat = 0;
    TimestampMs retry_at = 0;
    std::int64_t pause = options_.first_retry_ms;
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const TimestampMs now = nowMs();
        // A clock that was set back must not stop the pulses.
        if (now >= next_beat || next_beat - now > config_.interval_ms) {
            next_beat = now + config_.interval_ms;
            lock.unlock();
            beat(now);
            lock.lock();
            continue;
        }
        if (arrived_ > told_ && (now >= retry_at || retry_at - now > options_.most_retry_ms)) {
            const TimestampMs pulse = arrived_;
            lock.unlock();
            const auto delivered = sendHeartbeat(config_, std::chrono::milliseconds(options_.deadline_ms));
            lock.lock();
            if (delivered) {
                told_ = pulse;
                ++sent_;
                pause = options_.first_retry_ms;
                last_error_.clear();
            } else {
                if (last_error_ != delivered.error().message) {
                    spdlog::warn("heartbeat: {}; trying again", delivered.error().message);
                }
                last_error_ = delivered.error().message;
                retry_at = nowMs() + pause;
                pause = std::min(pause * 2, options_.most_retry_ms);
            }
            continue;
        }
        auto until = next_beat;
        if (arrived_ > told_) {
            until = std::min(until, retry_at);
        }
        woken_.wait_for(lock, std::chrono::milliseconds(std::max<std::int64_t>(until - now, 1)));
    }
}

std::string heartbeatRules(const Config& config) {
    if (!config.heartbeat) {
        return {};
    }
    // Seen soon after it was stored, however seldom pulses come.
    const auto interval = std::min<std::int64_t>(config.heartbeat->interval_ms, 10'000);
    const auto fresh = 2 * config.heartbeat->interval_ms + 10'000;
    return "groups:\n"
           "  - name: heartbeat\n"
           "    interval: " +
           std::to_string(interval) +
           "ms\n"
           "    rules:\n"
           "      - alert: " +
           kAlertName +
           "\n"
           "        expr: max(" +
           kMetric + "{job=\"collector\"}) > time() - " + std::to_string(fresh / 1000) +
           "\n"
           "        labels: { severity: none }\n"
           "        annotations: { pulse: '{{ printf \"%.3f\" $value }}' }\n";
}

}  // namespace lapwing::notify
