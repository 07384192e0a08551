#pragma once

#include <cstdint>
#include <functional>

#include "common/model/sample.h"

namespace lapwing {

/// The machine's two clocks, read together. Milliseconds.
struct ClockReading {
    TimestampMs wall = 0;     ///< since 1970; jumps when the clock is set
    std::int64_t steady = 0;  ///< since an arbitrary moment; never jumps
};
ClockReading readClocks();

/// Corrects the program's time while it exists: nowMs() and nowUs() return the machine's wall clock plus the
/// correction. One at a time; create it before the threads that ask for the time, and end it after them.
class ClockCorrection {
  public:
    /// Milliseconds to add to the wall clock of that reading. Called for each nowMs(), from any thread.
    using Function = std::function<std::int64_t(const ClockReading&)>;
    explicit ClockCorrection(Function function);
    ~ClockCorrection();
    ClockCorrection(const ClockCorrection&) = delete;
    ClockCorrection& operator=(const ClockCorrection&) = delete;

  private:
    Function function_;
};

/// Microseconds since 1970, corrected as nowMs().
std::int64_t nowUs();

}  // namespace lapwing
