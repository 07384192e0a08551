#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/error.h"

namespace lapwing {

/// Limits of a query, a request or the evaluation of a rule, which one thread works on: memory, time, and
/// whether the result is still wanted. While an object lives, its thread counts every byte that `new` gives
/// and `delete` takes back, in all code that the query calls; see common/memory_budget.h. Long work calls
/// check() now and then.
///
/// An allocation of kLargeAllocation or more that would exceed the limit throws std::bad_alloc; smaller ones
/// are found by the next check(). Both ends of a query catch std::bad_alloc.
///
/// Limits of one thread nest: check() looks at all of them. Made and destroyed by the same thread, in reverse
/// order. After the outermost ends, memory that the query has freed goes back to the system.
class QueryLimits {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kLargeAllocation = 16U << 10;
    static constexpr std::size_t kDefaultMemory = 160'000'000;

    /// `memory`: bytes. `cancelled` may be null, and must outlive the object.
    QueryLimits(std::size_t memory, Clock::time_point until, const std::atomic<bool>* cancelled);
    ~QueryLimits();
    QueryLimits(const QueryLimits&) = delete;
    QueryLimits& operator=(const QueryLimits&) = delete;

    /// Whether the thread's work may go on. Errors: `unavailable` (cancelled), `timeout`, `exhausted`
    /// (memory). Always well for a thread without limits.
    static Expected<void> check();
    /// Error `exhausted` if the thread's work may not take `bytes` more. For memory that is taken in small
    /// pieces.
    static Expected<void> checkRoom(std::size_t bytes);
    /// Throws std::bad_alloc where check() would find the memory exhausted.
    static void enforceMemory();
    /// What to answer after std::bad_alloc.
    static Error outOfMemory();

    /// While one lives, no allocation of its thread throws for the limits. For calls of libraries that leak
    /// or break when an exception passes them (RE2), and that need a bounded amount of memory.
    class Patience {
      public:
        Patience();
        ~Patience();
        Patience(const Patience&) = delete;
        Patience& operator=(const Patience&) = delete;

      private:
        const bool outer_;
    };

    /// Bytes that the thread holds more than when the object was made, except those that others have freed.
    std::size_t used() const;

  private:
    friend struct ThreadMemory;

    bool exceeds(std::int64_t more) const;

    const std::int64_t limit_;
    const std::int64_t start_;
    const Clock::time_point until_;
    const std::atomic<bool>* const cancelled_;
    QueryLimits* const outer_;
};

}  // namespace lapwing
