#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/clock.h"
#include "common/model/sample.h"
#include "common/mutex.h"

namespace lapwing::clock {

/// The judgement on an agent's clock.
enum class AgentClock {
    agrees,    ///< with the site's time, within SiteClock::kAgreeMs
    wrong,     ///< the others outvote it
    disputed,  ///< it differs, and nothing tells whether it or the collector is wrong
};
/// "agrees", "wrong", "disputed"
const char* agentClockName(AgentClock judgement);

/// How far clocks are from the site's time.
struct ClockReport {
    struct Agent {
        std::string host;
        std::int64_t ahead_ms = 0;
        AgentClock judgement = AgentClock::agrees;
    };
    std::int64_t collector_ahead_ms = 0;
    /// The wall clock minus the continued end of the last run, while no other clock confirms such a
    /// difference.
    std::optional<std::int64_t> unconfirmed_ms;
    bool disputed = false;      ///< of some agent nothing tells whether its clock or the collector's is wrong
    std::vector<Agent> agents;  ///< all that were heard in the last minutes, by name
};

/// The site's time: what the collector takes for the time, whatever its own clock says.
///
/// Every clock is compared with the machine's monotonic clock. The collector's wall clock, each agent's wall
/// clock (as its requests tell it) and the time so far (the site's time, continued by the monotonic clock)
/// have one vote each. Votes within kAgreeMs support each other; the time with the most votes wins, at a tie
/// the time so far, at a first start the collector's wall clock. The time so far has a vote once another
/// clock has confirmed it, or if an earlier run ended at most kShortStopMs before the wall clock's time.
/// After a longer stop, or if the wall clock is behind the end of the earlier run, the clock is unsettled
/// for at most kSettleMs: an agent whose time continues that of the earlier run wins against the wall clock.
///
/// The site's time follows the winner: at most a tenth faster or slower than time passes, if it differs by at
/// most kStepMs, otherwise at once. Without any other clock it follows a wall clock that was set after
/// kPatienceMs.
///
/// Thread-safe.
class SiteClock {
  public:
    static constexpr std::int64_t kAgreeMs = 60'000;
    static constexpr std::int64_t kStepMs = 5'000;
    static constexpr std::int64_t kHoldMs = 1'800'000;
    static constexpr std::int64_t kShortStopMs = 3'600'000;
    static constexpr std::int64_t kSettleMs = 30'000;
    static constexpr std::int64_t kPatienceMs = 600'000;
    /// The votes of agents that were not heard for longer do not count.
    static constexpr std::int64_t kFreshMs = 300'000;
    /// expiryTime() follows the site's time by at most this factor of the time that passes.
    static constexpr std::int64_t kExpiryPace = 24;

    /// What a later run must know.
    struct Memory {
        TimestampMs site = 0;
        TimestampMs expiry = 0;
    };

    /// Before anything else, with the memory of an earlier run.
    void restore(const Memory& memory, const ClockReading& now);
    Memory memory(const ClockReading& now);

    /// The site's time minus the wall clock, in milliseconds. For ClockCorrection.
    std::int64_t correction(const ClockReading& now);
    /// False while it is too early to evaluate rules or to write samples: after a start at which the wall
    /// clock does not continue the time of the earlier run.
    bool settled(const ClockReading& now);
    /// True once another clock has agreed with the site's time.
    bool confirmed() const;

    /// An agent's request told its wall clock.
    AgentClock heard(const std::string& agent, TimestampMs clock, const ClockReading& now);
    /// True if the agent's clock is disputed, and so far off that its samples have to wait.
    bool mustWait(const std::string& agent, const ClockReading& now);
    /// A sender that tells no clock wrote samples up to this time. It may lag, so it can support the site's
    /// time or the wall clock's, and proposes none.
    void heardSamples(TimestampMs newest, const ClockReading& now);

    /// The time from which retention counts: never ahead of the site's time or of the median of the agents'
    /// clocks. While another clock confirms the time it catches up by kExpiryPace, otherwise it only passes.
    TimestampMs expiryTime(const ClockReading& now);

    ClockReport report(const ClockReading& now);
    /// The agent has no vote any more, until it is heard again.
    void forget(const std::string& agent);

  private:
    /// A clock, as its time minus the monotonic clock. Constant for a clock that is right.
    struct Witness {
        std::int64_t base = 0;
        std::int64_t heard_at = 0;             ///< monotonic
        AgentClock told = AgentClock::agrees;  ///< the judgement that was logged last
    };
    struct Votes {
        std::int64_t wall = 0;
        std::optional<std::int64_t> memory;
        std::optional<std::int64_t> samples;
        std::vector<std::int64_t> agents;
    };

    void update(const ClockReading& now) LAPWING_REQUIRES(mutex_);
    void begin(const ClockReading& now) LAPWING_REQUIRES(mutex_);
    Votes votes(const ClockReading& now) const LAPWING_REQUIRES(mutex_);
    std::int64_t winner(const Votes& votes) const LAPWING_REQUIRES(mutex_);
    bool isPlausible(std::int64_t base) const LAPWING_REQUIRES(mutex_);
    bool continuesEarlierRun(std::int64_t base) const LAPWING_REQUIRES(mutex_);
    void follow(std::int64_t target, const ClockReading& now) LAPWING_REQUIRES(mutex_);
    void loseMemory(const Votes& votes, const ClockReading& now) LAPWING_REQUIRES(mutex_);
    AgentClock judge(const Witness& witness, const ClockReading& now) const LAPWING_REQUIRES(mutex_);
    void tellCollector(const ClockReading& now) LAPWING_REQUIRES(mutex_);
    void tellAgent(const std::string& agent, Witness& witness, const ClockReading& now)
        LAPWING_REQUIRES(mutex_);
    bool isFresh(const Witness& witness, const ClockReading& now) const {
        return now.steady - witness.heard_at <= kFreshMs;
    }

    mutable Mutex mutex_;
    bool begun_ LAPWING_GUARDED_BY(mutex_) = false;
    std::int64_t begun_at_ LAPWING_GUARDED_BY(mutex_) = 0;      ///< monotonic
    std::int64_t base_ LAPWING_GUARDED_BY(mutex_) = 0;          ///< the site's time minus the monotonic clock
    std::int64_t updated_at_ LAPWING_GUARDED_BY(mutex_) = 0;    ///< monotonic
    std::int64_t updated_wall_ LAPWING_GUARDED_BY(mutex_) = 0;  ///< the wall clock minus the monotonic clock
    std::int64_t slewed_at_ LAPWING_GUARDED_BY(mutex_) = 0;     ///< monotonic
    /// The end of the earlier run, continued: no right clock is behind it.
    std::optional<std::int64_t> floor_ LAPWING_GUARDED_BY(mutex_);
    bool confirmed_ LAPWING_GUARDED_BY(mutex_) = false;
    bool anchored_ LAPWING_GUARDED_BY(mutex_) = false;  ///< base_ continues the earlier run, or is confirmed
    bool settled_ LAPWING_GUARDED_BY(mutex_) = false;
    std::optional<std::int64_t> alone_since_ LAPWING_GUARDED_BY(mutex_);
    std::map<std::string, Witness> agents_ LAPWING_GUARDED_BY(mutex_);
    std::optional<Witness> samples_ LAPWING_GUARDED_BY(mutex_);
    std::optional<TimestampMs> expiry_ LAPWING_GUARDED_BY(mutex_);
    std::int64_t expiry_at_ LAPWING_GUARDED_BY(mutex_) = 0;  ///< monotonic
    Memory earlier_ LAPWING_GUARDED_BY(mutex_);
    bool told_wrong_ LAPWING_GUARDED_BY(mutex_) = false;
};

}  // namespace lapwing::clock
