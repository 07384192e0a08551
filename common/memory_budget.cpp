#include "common/memory_budget.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>

namespace lapwing {
namespace {

thread_local constinit MemoryBudget* current = nullptr;
thread_local constinit const HeapCounter* counter_of_thread = nullptr;

}  // namespace

MemoryBudget::MemoryBudget(std::size_t bytes) : outer_(current), bound_(bytes) {
    if (outer_ != nullptr) {
        const auto rest = static_cast<std::ptrdiff_t>(outer_->bound_) - outer_->used_;
        bound_ = std::min(bound_, static_cast<std::size_t>(std::max<std::ptrdiff_t>(rest, 0)));
    }
    current = this;
}

MemoryBudget::~MemoryBudget() {
    current = outer_;
    if (outer_ != nullptr) {
        outer_->count(peak_);
        outer_->count(used_ - peak_);
    }
}

void MemoryBudget::received(std::size_t bytes) {
    for (auto* budget = current; budget != nullptr; budget = budget->outer_) {
        budget->bound_ += 2 * bytes;
    }
}

bool MemoryBudget::hasRoom(std::size_t bytes) const {
    const auto rest = static_cast<std::ptrdiff_t>(bound_) - used_;
    return rest >= 0 && bytes <= static_cast<std::size_t>(rest);
}

void MemoryBudget::count(std::ptrdiff_t bytes) {
    used_ += bytes;
    peak_ = std::max(peak_, used_);
}

void countHeapBy(const HeapCounter* counter) {
    counter_of_thread = counter;
}

/// The program's heap behind operator new.
struct CountedHeap {
    static void count(void* memory, int sign) {
        if (current == nullptr && counter_of_thread == nullptr) {
            return;
        }
        const auto usable = static_cast<std::ptrdiff_t>(::malloc_usable_size(memory));
        if (current != nullptr) {
            // With the word that glibc has before each block.
            current->count(sign * (usable + static_cast<std::ptrdiff_t>(sizeof(std::size_t))));
        }
        if (counter_of_thread != nullptr) {
            counter_of_thread->changed(sign * usable);
        }
    }

    /// Null without memory. Throws Exhausted.
    static void* take(std::size_t bytes, std::size_t alignment) {
        if (current != nullptr && !current->hasRoom(bytes)) {
            throw MemoryBudget::Exhausted();
        }
        if (counter_of_thread != nullptr && !counter_of_thread->admits(bytes)) {
            throw std::bad_alloc();
        }
        bytes = std::max<std::size_t>(bytes, 1);
        void* memory = alignment <= alignof(std::max_align_t)
                           ? std::malloc(bytes)
                           : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
        if (memory != nullptr) {
            count(memory, 1);
        }
        return memory;
    }

    static void* takeOrThrow(std::size_t bytes, std::size_t alignment) {
        while (true) {
            if (void* memory = take(bytes, alignment)) {
                return memory;
            }
            const auto handler = std::get_new_handler();
            if (handler == nullptr) {
                throw std::bad_alloc();
            }
            handler();
        }
    }

    static void* takeOrNull(std::size_t bytes, std::size_t alignment) noexcept {
        try {
            return takeOrThrow(bytes, alignment);
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
    }

    static void give(void* memory) noexcept {
        if (memory != nullptr) {
            count(memory, -1);
        }
        std::free(memory);
    }
};

}  // namespace lapwing

// The replaceable functions of [new.delete]: all of them, so that sanitizers see matching pairs.
using lapwing::CountedHeap;

namespace {
constexpr std::size_t kUsual = 1;
constexpr std::size_t number(std::align_val_t alignment) {
    return static_cast<std::size_t>(alignment);
}
}  // namespace

void* operator new(std::size_t bytes) {
    return CountedHeap::takeOrThrow(bytes, kUsual);
}
void* operator new[](std::size_t bytes) {
    return CountedHeap::takeOrThrow(bytes, kUsual);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return CountedHeap::takeOrThrow(bytes, number(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return CountedHeap::takeOrThrow(bytes, number(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
    return CountedHeap::takeOrNull(bytes, kUsual);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
    return CountedHeap::takeOrNull(bytes, kUsual);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t& /*tag*/) noexcept {
    return CountedHeap::takeOrNull(bytes, number(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment, const std::nothrow_t& /*tag*/) noexcept {
    return CountedHeap::takeOrNull(bytes, number(alignment));
}
void operator delete(void* memory) noexcept {
    CountedHeap::give(memory);
}
void operator delete[](void* memory) noexcept {
    CountedHeap::give(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete[](void* memory, std::size_t /*bytes*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete[](void* memory, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/, const std::nothrow_t& /*tag*/) noexcept {
    CountedHeap::give(memory);
}
void operator delete[](void* memory, std::align_val_t /*alignment*/, const std::nothrow_t& /*tag*/) noexcept {
    CountedHeap::give(memory);
}
