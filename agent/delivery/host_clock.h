#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/model/clock.h"
#include "common/model/sample.h"
#include "common/mutex.h"

namespace lapwing::agent {

/// The collector's judgement on this host's clock (X-Lapwing-Clock).
enum class ClockJudgement { none, agrees, wrong, disputed };

/// The agent's time: the host's wall clock, unless it is wrong.
///
/// When the wall clock is set by more than kStepMs, the agent's time goes on by the monotonic clock until the
/// collector has judged the wall clock: if it agrees, the agent's time follows the wall clock, if it is wrong
/// the collector's time. While the judgement is "disputed" the agent's time goes on. Without a judgement it
/// follows the wall clock after kPatienceMs.
///
/// Samples that were stamped before the agent's time jumped are corrected by the jump. Safe from any thread.
class HostClock {
  public:
    static constexpr std::int64_t kStepMs = 5'000;
    static constexpr std::int64_t kAgreeMs = 60'000;
    static constexpr std::int64_t kPatienceMs = 600'000;

    /// The agent's time minus the wall clock, in milliseconds. For ClockCorrection.
    std::int64_t correction(const ClockReading& now);

    /// The collector's answer: its judgement, and its time minus the agent's.
    void judged(ClockJudgement judgement, std::int64_t collector_offset_ms, const ClockReading& now);

    /// The sum of the jumps of the agent's time. A sample that was stamped when the sum was less by D is
    /// right after D is added to its time.
    std::int64_t jumps() const;
    /// Corrects samples that were stamped before the last jump and are handed over after it. Returns jumps().
    std::int64_t correct(std::vector<TimeSeries>& series, TimestampMs now) const;
    /// True once the collector has confirmed or corrected the agent's time.
    bool trusted() const;

    struct State {
        ClockJudgement judgement = ClockJudgement::none;
        std::int64_t wall_ahead_ms = 0;  ///< the wall clock minus the collector's time
    };
    State state() const;

  private:
    void update(const ClockReading& now) LAPWING_REQUIRES(mutex_);
    void set(std::int64_t base) LAPWING_REQUIRES(mutex_);

    mutable Mutex mutex_;
    bool begun_ LAPWING_GUARDED_BY(mutex_) = false;
    std::int64_t base_ LAPWING_GUARDED_BY(mutex_) = 0;  ///< the agent's time minus the monotonic clock
    std::int64_t jumps_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::int64_t last_jump_ LAPWING_GUARDED_BY(mutex_) = 0;
    bool follows_collector_ LAPWING_GUARDED_BY(mutex_) = false;
    bool trusted_ LAPWING_GUARDED_BY(mutex_) = false;
    std::optional<std::int64_t> in_question_since_ LAPWING_GUARDED_BY(mutex_);  ///< monotonic
    State state_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::agent
