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
      options_(std::move(options)),
      worker_("heartbeat", [this] { return step(); }) {}

Heartbeat::~Heartbeat() {
    stop();
}

void Heartbeat::start() {
    if (!worker_.stopping()) {
        return;
    }
    next_beat_ = 0;
    retry_at_ = 0;
    retry_ms_ = options_.first_retry_ms;
    worker_.start();
}

void Heartbeat::stop() {
    worker_.stop();
}

void Heartbeat::arrived(TimestampMs pulse) {
    {
        const MutexLock lock(mutex_);
        arrived_ = std::max(arrived_, pulse);
    }
    worker_.wake();
}

std::uint64_t Heartbeat::sent() const {
    const MutexLock lock(mutex_);
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
    const auto stored = store_.appendOwn({{pulse_, {{now, static_cast<double>(now) / 1000}}}});
    const std::string trouble = !stored               ? stored.error().message
                                : stored->refused > 0 ? stored->first_refusal
                                                      : std::string();
    if (!trouble.empty() && trouble != last_error_) {
        spdlog::error("heartbeat: {}", trouble);
    }
    last_error_ = trouble;
}

void Heartbeat::send(TimestampMs pulse) {
    const auto delivered = sendHeartbeat(config_, std::chrono::milliseconds(options_.deadline_ms));
    if (delivered) {
        sent_pulse_ = pulse;
        retry_ms_ = options_.first_retry_ms;
        last_error_.clear();
        const MutexLock lock(mutex_);
        ++sent_;
        return;
    }
    if (last_error_ != delivered.error().message) {
        spdlog::warn("heartbeat: {}; trying again", delivered.error().message);
    }
    last_error_ = delivered.error().message;
    retry_at_ = nowMs() + retry_ms_;
    retry_ms_ = std::min(retry_ms_ * 2, options_.most_retry_ms);
}

/// Appends a pulse or sends a heartbeat, if either is due. Returns how long neither will be.
std::chrono::milliseconds Heartbeat::step() {
    constexpr std::chrono::milliseconds no_pause{0};
    const TimestampMs now = nowMs();
    // Pulses must go on after the clock was set back.
    if (now >= next_beat_ || next_beat_ - now > config_.interval_ms) {
        next_beat_ = now + config_.interval_ms;
        beat(now);
        return no_pause;
    }
    TimestampMs pulse = 0;
    {
        const MutexLock lock(mutex_);
        pulse = arrived_;
    }
    const bool waiting = pulse > sent_pulse_;
    if (waiting && (now >= retry_at_ || retry_at_ - now > options_.most_retry_ms)) {
        send(pulse);
        return no_pause;
    }
    const auto until = waiting ? std::min(next_beat_, retry_at_) : next_beat_;
    return std::chrono::milliseconds(std::max<std::int64_t>(until - now, 1));
}

std::string heartbeatRules(const Config& config) {
    if (!config.heartbeat) {
        return {};
    }
    // At most 10 s, so that a stored pulse is seen soon even if pulses are rare.
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
