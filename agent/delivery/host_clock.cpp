#include "agent/delivery/host_clock.h"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string>

#include "common/time_text.h"

namespace lapwing::agent {
namespace {

/// A sample is handed over within this time of its stamp. Probes may also report older times.
constexpr std::int64_t kRecentMs = 600'000;

void tell(ClockJudgement judgement, std::int64_t wall_ahead_ms) {
    const std::string difference = clockDifferenceText(wall_ahead_ms);
    switch (judgement) {
        case ClockJudgement::wrong:
            spdlog::error("this host's clock is wrong, {}: samples carry the collector's time", difference);
            break;
        case ClockJudgement::disputed:
            spdlog::error(
                "this host's clock is {} of the collector's, and either may be wrong: if they are more than "
                "30 min apart, samples wait in the spool",
                difference);
            break;
        case ClockJudgement::agrees:
            spdlog::info("this host's clock agrees with the collector's");
            break;
        case ClockJudgement::none:
            break;
    }
}

}  // namespace

void HostClock::set(std::int64_t base) {
    const auto jump = base - base_;
    base_ = base;
    // Up to this difference either time is right for the collector: what is stamped stays as it is.
    if (std::abs(jump) > kAgreeMs) {
        jumps_ += jump;
        last_jump_ = jump;
        spdlog::warn("the agent's time was {}: it is set", clockDifferenceText(-jump));
    }
}

void HostClock::update(const ClockReading& now) {
    const auto wall = now.wall - now.steady;
    if (!begun_) {
        begun_ = true;
        base_ = wall;
    }
    if (follows_collector_) {
        return;
    }
    if (std::abs(wall - base_) <= kStepMs) {
        base_ = wall;
        in_question_since_.reset();
        return;
    }
    if (!in_question_since_) {
        in_question_since_ = now.steady;
        trusted_ = false;
        spdlog::warn(
            "this host's clock was set: it is {} of the agent's time, which goes on until the "
            "collector has judged the clock",
            clockDifferenceText(wall - base_));
    }
    if (now.steady - *in_question_since_ >= kPatienceMs) {
        in_question_since_.reset();
        set(wall);
    }
}

std::int64_t HostClock::correction(const ClockReading& now) {
    const MutexLock lock(mutex_);
    update(now);
    return base_ + now.steady - now.wall;
}

void HostClock::judged(ClockJudgement judgement, std::int64_t collector_offset_ms, const ClockReading& now) {
    const MutexLock lock(mutex_);
    update(now);
    const auto wall = now.wall - now.steady;
    const auto collector = base_ + collector_offset_ms;
    const bool changed = judgement != state_.judgement &&
                         (judgement != ClockJudgement::agrees || state_.judgement != ClockJudgement::none);
    state_ = {judgement, wall - collector};
    if (changed) {
        tell(judgement, state_.wall_ahead_ms);
    }
    follows_collector_ = judgement == ClockJudgement::wrong;
    switch (judgement) {
        case ClockJudgement::wrong:
            in_question_since_.reset();
            trusted_ = true;
            if (std::abs(collector_offset_ms) > kStepMs) {
                set(collector);
            }
            break;
        case ClockJudgement::disputed:
            if (in_question_since_) {
                in_question_since_ = now.steady;
            }
            break;
        case ClockJudgement::agrees:
        case ClockJudgement::none:  // a collector of an older version judges nothing
            in_question_since_.reset();
            trusted_ = judgement == ClockJudgement::agrees || std::abs(wall - collector) <= kAgreeMs;
            set(wall);
            break;
    }
}

std::int64_t HostClock::jumps() const {
    const MutexLock lock(mutex_);
    return jumps_;
}

std::int64_t HostClock::correct(std::vector<TimeSeries>& series, TimestampMs now) const {
    std::int64_t jump = 0;
    std::int64_t sum = 0;
    {
        const MutexLock lock(mutex_);
        jump = last_jump_;
        sum = jumps_;
    }
    if (jump == 0) {
        return sum;
    }
    for (auto& each : series) {
        for (auto& sample : each.samples) {
            const auto corrected = std::abs(sample.timestamp + jump - now);
            if (corrected < kRecentMs && corrected < std::abs(sample.timestamp - now)) {
                sample.timestamp += jump;
            }
        }
    }
    return sum;
}

bool HostClock::trusted() const {
    const MutexLock lock(mutex_);
    return trusted_;
}

HostClock::State HostClock::state() const {
    const MutexLock lock(mutex_);
    return state_;
}

}  // namespace lapwing::agent
