#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <utility>

/// The mutexes of both programs, with annotations for clang's thread-safety analysis (`-Wthread-safety`,
/// which tests/tidy runs). Other compilers ignore the annotations. The wrappers cost no more than the types
/// of the standard library that they hold.
///
///     Mutex mutex_;
///     std::size_t waiting_ LAPWING_GUARDED_BY(mutex_) = 0;  // needs mutex_ for every access
///     void trim() LAPWING_REQUIRES(mutex_);                 // the caller holds mutex_
///
/// An access without the lock is then an error of the check. The analysis looks at one function at a time,
/// and does not look into constructors and destructors: no other thread knows the object there.
#if defined(__clang__)
#define LAPWING_THREAD_ANNOTATION(annotation) __attribute__((annotation))
#else
#define LAPWING_THREAD_ANNOTATION(annotation)
#endif

/// A member that may be accessed only with the mutex held (for reading, a shared lock is enough).
#define LAPWING_GUARDED_BY(mutex) LAPWING_THREAD_ANNOTATION(guarded_by(mutex))
/// The same for the object that a pointer member points to; the pointer itself is free.
#define LAPWING_PT_GUARDED_BY(mutex) LAPWING_THREAD_ANNOTATION(pt_guarded_by(mutex))

/// A function whose caller must hold the mutexes, and still holds them afterwards. Lambdas that run under a
/// lock carry it too: `[this]() LAPWING_REQUIRES(mutex_) { return stopping_; }`.
#define LAPWING_REQUIRES(...) LAPWING_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
/// The same for a function that only reads: a shared lock is enough.
#define LAPWING_REQUIRES_SHARED(...) LAPWING_THREAD_ANNOTATION(requires_shared_capability(__VA_ARGS__))
/// A function whose caller must not hold the mutexes, for example because the function locks them.
#define LAPWING_EXCLUDES(...) LAPWING_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

/// Functions that lock or unlock: the mutexes given, or `this` without any.
#define LAPWING_ACQUIRE(...) LAPWING_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define LAPWING_ACQUIRE_SHARED(...) LAPWING_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define LAPWING_RELEASE(...) LAPWING_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define LAPWING_RELEASE_SHARED(...) LAPWING_THREAD_ANNOTATION(release_shared_capability(__VA_ARGS__))
/// Locks if it returns the first argument, for example LAPWING_TRY_ACQUIRE(true).
#define LAPWING_TRY_ACQUIRE(...) LAPWING_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))

/// A function that is called only with the mutex held, which the analysis cannot see: it believes so from
/// then on.
#define LAPWING_ASSERT_CAPABILITY(mutex) LAPWING_THREAD_ANNOTATION(assert_capability(mutex))

/// Types: a lock ("mutex"), and an object that holds one from its construction to its destruction.
#define LAPWING_CAPABILITY(name) LAPWING_THREAD_ANNOTATION(capability(name))
#define LAPWING_SCOPED_CAPABILITY LAPWING_THREAD_ANNOTATION(scoped_lockable)
/// A function that the analysis cannot follow. A comment says why the function is right.
#define LAPWING_NO_THREAD_SAFETY_ANALYSIS LAPWING_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace lapwing {

/// A std::mutex. Lock it with a MutexLock.
class LAPWING_CAPABILITY("mutex") Mutex {
  public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() LAPWING_ACQUIRE() { mutex_.lock(); }
    void unlock() LAPWING_RELEASE() { mutex_.unlock(); }

  private:
    friend class MutexLock;
    std::mutex mutex_;
};

/// Holds a Mutex for a scope. unlock() and lock() release and take it again in between. For one thread only.
class LAPWING_SCOPED_CAPABILITY MutexLock {
  public:
    explicit MutexLock(Mutex& mutex) LAPWING_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    ~MutexLock() LAPWING_RELEASE() = default;

    void unlock() LAPWING_RELEASE() { lock_.unlock(); }
    void lock() LAPWING_ACQUIRE() { lock_.lock(); }

  private:
    friend class ConditionVariable;
    std::unique_lock<std::mutex> lock_;
};

/// A std::condition_variable for a MutexLock. Each wait needs the lock held, releases it while it waits and
/// holds it when it returns. Waits may end without a notification: test the condition in a loop, or give a
/// predicate. A predicate is called with the lock held; if it reads guarded members it carries
/// LAPWING_REQUIRES.
class ConditionVariable {
  public:
    void notifyOne() noexcept { condition_.notify_one(); }
    void notifyAll() noexcept { condition_.notify_all(); }

    void wait(MutexLock& lock) { condition_.wait(lock.lock_); }
    template <class Predicate>
    void wait(MutexLock& lock, Predicate predicate) {
        condition_.wait(lock.lock_, std::move(predicate));
    }

    /// At most until the deadline, or for the duration.
    template <class Clock, class Duration>
    void waitUntil(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& deadline) {
        condition_.wait_until(lock.lock_, deadline);
    }
    template <class Rep, class Period>
    void waitFor(MutexLock& lock, const std::chrono::duration<Rep, Period>& duration) {
        condition_.wait_for(lock.lock_, duration);
    }

    /// The same until the predicate holds. Returns the predicate's last value: false after a timeout.
    template <class Clock, class Duration, class Predicate>
    bool waitUntil(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& deadline,
                   Predicate predicate) {
        return condition_.wait_until(lock.lock_, deadline, std::move(predicate));
    }
    template <class Rep, class Period, class Predicate>
    bool waitFor(MutexLock& lock, const std::chrono::duration<Rep, Period>& duration, Predicate predicate) {
        return condition_.wait_for(lock.lock_, duration, std::move(predicate));
    }

  private:
    std::condition_variable condition_;
};

/// A std::shared_mutex: one writer, or any number of readers. Lock it with a WriterLock or a ReaderLock.
class LAPWING_CAPABILITY("shared mutex") SharedMutex {
  public:
    SharedMutex() = default;
    SharedMutex(const SharedMutex&) = delete;
    SharedMutex& operator=(const SharedMutex&) = delete;

    void lock() LAPWING_ACQUIRE() { mutex_.lock(); }
    void unlock() LAPWING_RELEASE() { mutex_.unlock(); }
    void lockShared() LAPWING_ACQUIRE_SHARED() { mutex_.lock_shared(); }
    void unlockShared() LAPWING_RELEASE_SHARED() { mutex_.unlock_shared(); }

  private:
    std::shared_mutex mutex_;
};

/// Holds a SharedMutex alone for a scope.
class LAPWING_SCOPED_CAPABILITY WriterLock {
  public:
    explicit WriterLock(SharedMutex& mutex) LAPWING_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
    WriterLock(const WriterLock&) = delete;
    WriterLock& operator=(const WriterLock&) = delete;
    ~WriterLock() LAPWING_RELEASE() { mutex_.unlock(); }

  private:
    SharedMutex& mutex_;
};

/// Holds a SharedMutex for a scope, together with other readers.
class LAPWING_SCOPED_CAPABILITY ReaderLock {
  public:
    explicit ReaderLock(SharedMutex& mutex) LAPWING_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
        mutex_.lockShared();
    }
    ReaderLock(const ReaderLock&) = delete;
    ReaderLock& operator=(const ReaderLock&) = delete;
    ~ReaderLock() LAPWING_RELEASE() { mutex_.unlockShared(); }

  private:
    SharedMutex& mutex_;
};

}  // namespace lapwing
