#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "common/error.h"

namespace lapwing {

/// Bounds the memory that reading input of others takes. While a budget lives, it counts the bytes that its
/// thread allocates with operator new, less the bytes that the thread frees; an allocation beyond the bound
/// throws Exhausted. The library replaces operator new for the whole program, so that a budget counts every
/// container and every C++ library (yaml-cpp, snappy, RapidJSON by common/json.h). Memory of C libraries
/// (zlib, libmariadb, SQLite) is not counted. Budgets nest: an inner one has at most the rest of the outer
/// one. Used by the thread that made it; no function that must not throw may run within.
///
/// The goal for every reader is 8 MB and twice the input. The rest to 8 MB is for the input's buffers in the
/// kernel and in OpenSSL, and for fragmentation of the heap.
class MemoryBudget {
  public:
    static constexpr std::size_t kAllowance = 6U << 20;

    struct Exhausted : std::bad_alloc {
        const char* what() const noexcept override {
            return "reading the input takes more than its memory budget";
        }
    };

    explicit MemoryBudget(std::size_t bytes);
    ~MemoryBudget();
    MemoryBudget(const MemoryBudget&) = delete;
    MemoryBudget& operator=(const MemoryBudget&) = delete;

    /// The thread has received bytes from a peer: each of its budgets grows by twice as many. For budgets
    /// that begin before the input has come.
    static void received(std::size_t bytes);

    std::size_t bound() const { return bound_; }
    /// The most bytes at once so far.
    std::size_t peak() const { return peak_ > 0 ? static_cast<std::size_t>(peak_) : 0; }

  private:
    friend struct CountedHeap;
    bool hasRoom(std::size_t bytes) const;
    void count(std::ptrdiff_t bytes);

    MemoryBudget* const outer_;
    std::size_t bound_;
    std::ptrdiff_t used_ = 0;
    std::ptrdiff_t peak_ = 0;
};

/// A further counter of a thread's heap, beside its budgets: QueryLimits. An allocation that it does not
/// admit throws std::bad_alloc.
struct HeapCounter {
    bool (*admits)(std::size_t bytes);
    void (*changed)(std::ptrdiff_t bytes);
};
/// For this thread; null: no further counter. It must outlive its use.
void countHeapBy(const HeapCounter* counter);

/// Calls `read`, a function without arguments that returns an Expected, with a budget for `input` bytes that
/// the caller holds: as many again, and `allowance`. Error `exhausted`, which begins with `what`, if it takes
/// more.
template <class Read>
auto readWithinBudget(std::size_t input, const char* what, Read&& read,
                      std::size_t allowance = MemoryBudget::kAllowance) -> decltype(read()) {
    const std::size_t bound = allowance + input;
    try {
        const MemoryBudget budget(bound);
        return std::forward<Read>(read)();
    } catch (const MemoryBudget::Exhausted&) {
        return fail(ErrorKind::exhausted, std::string(what) + ": it needs more than " +
                                              std::to_string(bound) + " bytes of memory, too many for " +
                                              std::to_string(input) + " bytes of input");
    }
}

}  // namespace lapwing
