#include "collector/clock/site_clock.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "common/time_text.h"

namespace lapwing::clock {
namespace {

/// Differences up to this are the reading's noise: the site's time is the winner's.
constexpr std::int64_t kNoiseMs = 20;
constexpr std::int64_t kSlewDivisor = 10;
constexpr std::int64_t kUpdateMs = 100;

bool within(std::int64_t a, std::int64_t b, std::int64_t tolerance) {
    return std::abs(a - b) <= tolerance;
}

std::int64_t median(std::vector<std::int64_t> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace

const char* agentClockName(AgentClock judgement) {
    switch (judgement) {
        case AgentClock::agrees:
            return "agrees";
        case AgentClock::wrong:
            return "wrong";
        case AgentClock::disputed:
            return "disputed";
    }
    return "agrees";
}

void SiteClock::restore(const Memory& memory, const ClockReading& now) {
    const MutexLock lock(mutex_);
    earlier_ = memory;
    if (memory.site > 0) {
        floor_ = memory.site - now.steady;
    }
    if (memory.expiry > 0) {
        expiry_ = memory.expiry;
        expiry_at_ = now.steady;
    }
    begun_ = false;
    begin(now);
    update(now);
}

SiteClock::Memory SiteClock::memory(const ClockReading& now) {
    const TimestampMs expiry = expiryTime(now);
    const MutexLock lock(mutex_);
    const bool known = anchored_ || !floor_;
    return {known ? base_ + now.steady : earlier_.site, expiry};
}

void SiteClock::begin(const ClockReading& now) {
    begun_ = true;
    begun_at_ = slewed_at_ = now.steady;
    base_ = now.wall - now.steady;
    anchored_ = floor_ && continuesEarlierRun(base_);
    settled_ = !floor_ || anchored_;
    if (!settled_) {
        const auto ahead = base_ - *floor_;
        spdlog::warn(
            "this machine's clock is {} of the end of the collector's last run: rules wait up to {} s for an "
            "agent's clock to compare it with",
            clockDifferenceText(ahead), kSettleMs / 1000);
    }
}

bool SiteClock::isPlausible(std::int64_t base) const {
    return !floor_ || base >= *floor_ - kAgreeMs;
}

bool SiteClock::continuesEarlierRun(std::int64_t base) const {
    return floor_ && isPlausible(base) && base <= *floor_ + kShortStopMs;
}

SiteClock::Votes SiteClock::votes(const ClockReading& now) const {
    Votes out;
    out.wall = now.wall - now.steady;
    // A time that only repeats the wall clock is no second vote for it.
    if (confirmed_ || (anchored_ && !within(base_, out.wall, kStepMs))) {
        out.memory = base_;
    }
    if (samples_ && isFresh(*samples_, now)) {
        out.samples = samples_->base;
    }
    for (const auto& [host, witness] : agents_) {
        if (isFresh(witness, now)) {
            out.agents.push_back(witness.base);
        }
    }
    return out;
}

std::int64_t SiteClock::winner(const Votes& votes) const {
    const auto support = [&](std::int64_t base, std::int64_t tolerance) {
        auto count = std::count_if(votes.agents.begin(), votes.agents.end(),
                                   [&](std::int64_t each) { return within(each, base, tolerance); });
        count += within(votes.wall, base, tolerance) ? 1 : 0;
        count += votes.memory && within(*votes.memory, base, tolerance) ? 1 : 0;
        count += votes.samples && within(*votes.samples, base, kAgreeMs) ? 1 : 0;
        return count;
    };
    const auto rank = [&](std::int64_t base, bool memory, bool wall) LAPWING_REQUIRES(mutex_) {
        return std::tuple(support(base, kAgreeMs), memory, isPlausible(base), continuesEarlierRun(base),
                          support(base, kStepMs), wall);
    };
    std::int64_t best = votes.wall;
    auto best_rank = rank(votes.wall, false, true);
    const auto consider = [&](std::int64_t base, bool memory) LAPWING_REQUIRES(mutex_) {
        if (const auto each = rank(base, memory, false); each > best_rank) {
            best = base;
            best_rank = each;
        }
    };
    for (const auto base : votes.agents) {
        consider(base, false);
    }
    if (votes.memory) {
        consider(*votes.memory, true);
    }
    // The wall clock is the finest reading of the time that it agrees with.
    return within(best, votes.wall, kStepMs) ? votes.wall : best;
}

void SiteClock::update(const ClockReading& now) {
    if (!begun_) {
        begin(now);
    }
    updated_at_ = now.steady;
    updated_wall_ = now.wall - now.steady;
    const auto ballot = votes(now);
    const auto target = winner(ballot);
    const auto agrees = [&](std::int64_t base) { return within(base, target, kAgreeMs); };
    auto independent = std::count_if(ballot.agents.begin(), ballot.agents.end(), agrees);
    independent += ballot.samples && agrees(*ballot.samples) ? 1 : 0;
    const bool witnessed = independent > 0;
    independent += agrees(ballot.wall) ? 1 : 0;
    confirmed_ = confirmed_ || (witnessed && independent >= 2);
    anchored_ = anchored_ || confirmed_ || continuesEarlierRun(target);
    settled_ = settled_ || anchored_ || now.steady - begun_at_ >= kSettleMs;
    follow(target, now);
    if (witnessed || within(base_, ballot.wall, kStepMs)) {
        alone_since_.reset();
    } else {
        loseMemory(ballot, now);
    }
    tellCollector(now);
}

/// Nothing but the memory contradicts the wall clock: after a while, the wall clock is right.
void SiteClock::loseMemory(const Votes& votes, const ClockReading& now) {
    alone_since_ = alone_since_.value_or(now.steady);
    if (now.steady - *alone_since_ < kPatienceMs) {
        return;
    }
    alone_since_.reset();
    confirmed_ = anchored_ = false;
    floor_.reset();
    follow(votes.wall, now);
}

void SiteClock::follow(std::int64_t target, const ClockReading& now) {
    const auto difference = target - base_;
    const auto allowed = (now.steady - slewed_at_) / kSlewDivisor;
    if (std::abs(difference) <= kNoiseMs) {
        base_ = target;
        slewed_at_ = now.steady;
    } else if (std::abs(difference) <= kStepMs) {
        if (allowed > 0) {
            base_ += std::clamp(difference, -allowed, allowed);
            slewed_at_ = now.steady;
        }
    } else {
        base_ = target;
        slewed_at_ = now.steady;
        spdlog::warn("the site's time was {} of the clocks that agree now: it is set",
                     clockDifferenceText(-difference));
    }
}

std::int64_t SiteClock::correction(const ClockReading& now) {
    const MutexLock lock(mutex_);
    // Cheap, for it is asked often: between two updates only a step of the wall clock matters.
    const auto wall = now.wall - now.steady;
    if (!begun_ || now.steady - updated_at_ >= kUpdateMs || !within(wall, updated_wall_, kNoiseMs)) {
        update(now);
    }
    const auto correction = base_ + now.steady - now.wall;
    return std::abs(correction) <= kNoiseMs ? 0 : correction;
}

bool SiteClock::settled(const ClockReading& now) {
    const MutexLock lock(mutex_);
    update(now);
    return settled_;
}

bool SiteClock::confirmed() const {
    const MutexLock lock(mutex_);
    return confirmed_;
}

AgentClock SiteClock::heard(const std::string& agent, TimestampMs clock, const ClockReading& now) {
    const MutexLock lock(mutex_);
    auto& witness = agents_[agent];
    witness.base = clock - now.steady;
    witness.heard_at = now.steady;
    update(now);
    tellAgent(agent, witness, now);
    return judge(witness, now);
}

bool SiteClock::mustWait(const std::string& agent, const ClockReading& now) {
    const MutexLock lock(mutex_);
    const auto found = agents_.find(agent);
    return found != agents_.end() && judge(found->second, now) == AgentClock::disputed &&
           !within(found->second.base, base_, kHoldMs);
}

void SiteClock::heardSamples(TimestampMs newest, const ClockReading& now) {
    const MutexLock lock(mutex_);
    const auto base = newest - now.steady;
    if (!within(base, base_, kAgreeMs) && !within(base, now.wall - now.steady, kAgreeMs)) {
        return;
    }
    samples_ = Witness{newest - now.steady, now.steady, AgentClock::agrees};
    update(now);
}

AgentClock SiteClock::judge(const Witness& witness, const ClockReading& now) const {
    if (within(witness.base, base_, kAgreeMs)) {
        return AgentClock::agrees;
    }
    const auto ballot = votes(now);
    const auto agents_at = [&](std::int64_t base) {
        return std::count_if(ballot.agents.begin(), ballot.agents.end(),
                             [&](std::int64_t each) { return within(each, base, kAgreeMs); });
    };
    // Several agents that agree among themselves are not all wrong.
    const auto like_it = agents_at(witness.base);
    const bool outvoted = confirmed_ && (like_it <= 1 || like_it < agents_at(base_));
    const bool impossible = floor_ && !isPlausible(witness.base) && like_it <= 1;
    return outvoted || impossible ? AgentClock::wrong : AgentClock::disputed;
}

TimestampMs SiteClock::expiryTime(const ClockReading& now) {
    const MutexLock lock(mutex_);
    update(now);
    auto target = base_ + now.steady;
    if (const auto ballot = votes(now); !ballot.agents.empty()) {
        target = std::min(target, median(ballot.agents) + now.steady);
    }
    const auto passed = now.steady - expiry_at_;
    const auto pace = confirmed_ ? kExpiryPace : 1;
    expiry_ = expiry_ ? std::min(target, *expiry_ + pace * passed) : target;
    expiry_at_ = now.steady;
    return *expiry_;
}

void SiteClock::forget(const std::string& agent) {
    const MutexLock lock(mutex_);
    agents_.erase(agent);
}

ClockReport SiteClock::report(const ClockReading& now) {
    const MutexLock lock(mutex_);
    update(now);
    ClockReport out;
    const auto wall = now.wall - now.steady;
    out.collector_ahead_ms = wall - base_;
    if (floor_ && !anchored_) {
        out.unconfirmed_ms = wall - *floor_;
    }
    for (const auto& [host, witness] : agents_) {
        if (isFresh(witness, now)) {
            out.agents.push_back({host, witness.base - base_, judge(witness, now)});
            out.disputed = out.disputed || out.agents.back().judgement == AgentClock::disputed;
        }
    }
    return out;
}

void SiteClock::tellCollector(const ClockReading& now) {
    const auto ahead = now.wall - now.steady - base_;
    const bool wrong = std::abs(ahead) > kAgreeMs;
    if (wrong == told_wrong_) {
        return;
    }
    told_wrong_ = wrong;
    if (wrong) {
        spdlog::error("this machine's clock is {} of the site's time: the collector goes by the site's time",
                      clockDifferenceText(ahead));
    } else {
        spdlog::info("this machine's clock agrees with the site's time again");
    }
}

void SiteClock::tellAgent(const std::string& agent, Witness& witness, const ClockReading& now) {
    const auto judgement = judge(witness, now);
    if (judgement == witness.told) {
        return;
    }
    witness.told = judgement;
    const auto difference = clockDifferenceText(witness.base - base_);
    switch (judgement) {
        case AgentClock::agrees:
            spdlog::info("{}: its clock agrees with the site's time again", agent);
            break;
        case AgentClock::wrong:
            spdlog::warn("{}: its clock is wrong, {}", agent, difference);
            break;
        case AgentClock::disputed:
            spdlog::error("{}: its clock is {} of the collector's; either may be wrong", agent, difference);
            break;
    }
}

}  // namespace lapwing::clock
