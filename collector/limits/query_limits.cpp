#include "collector/limits/query_limits.h"

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "common/memory_budget.h"

namespace lapwing {
namespace {

/// After a query of this size, memory goes back to the system.
constexpr std::int64_t kTrimFrom = 4'000'000;

}  // namespace

struct ThreadMemory {
    QueryLimits* innermost = nullptr;
    std::int64_t bytes = 0;  ///< since the outermost limits were made
    std::int64_t peak = 0;
    bool patient = false;

    bool fits(std::size_t size) const {
        for (const auto* limits = innermost; limits != nullptr; limits = limits->outer_) {
            if (limits->exceeds(static_cast<std::int64_t>(size))) {
                return false;
            }
        }
        return true;
    }
    void add(std::size_t size) {
        bytes += static_cast<std::int64_t>(size);
        peak = std::max(peak, bytes);
    }
};

namespace {

thread_local constinit ThreadMemory thread_memory;

bool admits(std::size_t size) {
    return size < QueryLimits::kLargeAllocation || thread_memory.patient || thread_memory.fits(size);
}

void changed(std::ptrdiff_t bytes) {
    if (bytes > 0) {
        thread_memory.add(static_cast<std::size_t>(bytes));
    } else {
        thread_memory.bytes += bytes;
    }
}

constexpr HeapCounter kCounter = {&admits, &changed};

}  // namespace

QueryLimits::QueryLimits(std::size_t memory, Clock::time_point until, const std::atomic<bool>* cancelled)
    : limit_(
          static_cast<std::int64_t>(std::min<std::size_t>(memory, std::numeric_limits<std::int64_t>::max()))),
      start_(thread_memory.innermost == nullptr ? 0 : thread_memory.bytes),
      until_(until),
      cancelled_(cancelled),
      outer_(thread_memory.innermost) {
    if (outer_ == nullptr) {
        thread_memory.bytes = 0;
        thread_memory.peak = 0;
    }
    thread_memory.innermost = this;
    countHeapBy(&kCounter);
}

QueryLimits::~QueryLimits() {
    thread_memory.innermost = outer_;
    if (outer_ == nullptr) {
        countHeapBy(nullptr);
    }
    if (outer_ == nullptr && thread_memory.peak >= kTrimFrom) {
        ::malloc_trim(0);
    }
}

QueryLimits::Patience::Patience() : outer_(std::exchange(thread_memory.patient, true)) {}

QueryLimits::Patience::~Patience() {
    thread_memory.patient = outer_;
}

bool QueryLimits::exceeds(std::int64_t more) const {
    return thread_memory.bytes - start_ + more > limit_;
}

std::size_t QueryLimits::used() const {
    return static_cast<std::size_t>(std::max<std::int64_t>(thread_memory.bytes - start_, 0));
}

Expected<void> QueryLimits::check() {
    const auto* limits = thread_memory.innermost;
    if (limits == nullptr) {
        return {};
    }
    const auto now = Clock::now();
    for (; limits != nullptr; limits = limits->outer_) {
        if (limits->cancelled_ != nullptr && limits->cancelled_->load(std::memory_order_relaxed)) {
            return fail(ErrorKind::unavailable, "query was canceled in query execution");
        }
        if (now >= limits->until_) {
            return fail(ErrorKind::timeout, "query timed out in query execution");
        }
    }
    return checkRoom(0);
}

Expected<void> QueryLimits::checkRoom(std::size_t bytes) {
    const auto most = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max() / 2);
    if (!thread_memory.fits(std::min(bytes, most))) {
        return fail(outOfMemory());
    }
    return {};
}

void QueryLimits::enforceMemory() {
    if (!thread_memory.fits(0)) {
        throw std::bad_alloc();
    }
}

Error QueryLimits::outOfMemory() {
    const auto* limits = thread_memory.innermost;
    std::int64_t most = limits == nullptr ? 0 : limits->limit_;
    for (; limits != nullptr; limits = limits->outer_) {
        most = std::min(most, limits->limit_);
    }
    return {ErrorKind::exhausted, "the query needs more than " + std::to_string(most / 1'000'000) +
                                      " MB of memory (promql.max_memory)"};
}

}  // namespace lapwing
