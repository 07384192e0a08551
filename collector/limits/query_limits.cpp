#include "collector/limits/query_limits.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>
#include <utility>

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
}

QueryLimits::~QueryLimits() {
    thread_memory.innermost = outer_;
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

// The other forms of new and delete call these, except those for over-aligned types, which no query uses.
// NOLINTBEGIN(cppcoreguidelines-no-malloc,hicpp-no-malloc): this is where memory comes from

void* operator new(std::size_t size) {
    auto& memory = lapwing::thread_memory;
    const bool limited = memory.innermost != nullptr;
    if (limited && size >= lapwing::QueryLimits::kLargeAllocation && !memory.patient && !memory.fits(size)) {
        throw std::bad_alloc();
    }
    void* const block = std::malloc(size == 0 ? 1 : size);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    if (limited) {
        memory.add(::malloc_usable_size(block));
    }
    return block;
}

void operator delete(void* block) noexcept {
    if (block != nullptr && lapwing::thread_memory.innermost != nullptr) {
        lapwing::thread_memory.bytes -= static_cast<std::int64_t>(::malloc_usable_size(block));
    }
    std::free(block);
}

void operator delete(void* block, std::size_t /*size*/) noexcept {
    operator delete(block);
}

// NOLINTEND(cppcoreguidelines-no-malloc,hicpp-no-malloc)
