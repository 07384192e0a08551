// Clocks that run faster than real ones (LD_PRELOAD), so that a program lives hours in minutes. Its timed
// waits shorten alike.
//
// LAPWING_CLOCK is a file of sizeof(Control) bytes, which fast_clock.py writes. While the program runs, the
// wall clock can be changed, and all clocks can leap ahead, as after a pause of the machine. The monotonic
// clocks go on from one start to the next. Times of files and processor time stay real.

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

/// The layout is the one of `LAYOUT` in fast_clock.py. All times in nanoseconds.
struct Control {
    std::int64_t wall;       ///< the wall clock at the origin
    std::int64_t monotonic;  ///< the real monotonic clock at the origin
    std::int64_t speed;
    std::atomic<std::int64_t> wrong;  ///< what the wall clock is ahead
    std::atomic<std::int64_t> leapt;  ///< what all clocks have leapt; waits under way do not end earlier
};

template <class Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::int64_t nanoseconds(const timespec& time) {
    return time.tv_sec * kSecond + time.tv_nsec;
}

timespec toTimespec(std::int64_t time) {
    const std::int64_t positive = std::max<std::int64_t>(time, 0);
    return {positive / kSecond, positive % kSecond};
}

std::int64_t realClock(clockid_t clock) {
    static const auto real = next<int(clockid_t, timespec*)>("clock_gettime");
    timespec now{};
    real(clock, &now);
    return nanoseconds(now);
}

const Control& control() {
    static const Control* const mapped = [] {
        const char* file = std::getenv("LAPWING_CLOCK");
        const int fd = file == nullptr ? -1 : open(file, O_RDONLY | O_CLOEXEC);
        void* memory = fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Control), PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) {
            _exit(120);
        }
        close(fd);
        return static_cast<const Control*>(memory);
    }();
    return *mapped;
}

bool isWall(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

bool isMonotonic(clockid_t clock) {
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW ||
           clock == CLOCK_BOOTTIME;
}

/// What the clock shows at the origin, by the program's own clocks.
std::int64_t origin(clockid_t clock) {
    return control().leapt + (isWall(clock) ? control().wall + control().wrong : control().monotonic);
}

std::int64_t fastClock(clockid_t clock) {
    return origin(clock) + (realClock(CLOCK_MONOTONIC) - control().monotonic) * control().speed;
}

/// The real time, by the real `clock`, at which the program's clock shows `shown`.
timespec realTime(clockid_t clock, const timespec& shown) {
    const std::int64_t monotonic =
        control().monotonic + (nanoseconds(shown) - origin(clock)) / control().speed;
    return toTimespec(isWall(clock) ? monotonic + realClock(CLOCK_REALTIME) - realClock(CLOCK_MONOTONIC)
                                    : monotonic);
}

/// Rounded up: a wait that ends too early would be repeated in a loop.
int realMilliseconds(int shown) {
    const int speed = static_cast<int>(control().speed);
    return shown <= 0 ? shown : (shown - 1) / speed + 1;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) {
    static const auto real = next<int(clockid_t, timespec*)>("clock_gettime");
    if (!isWall(clock) && !isMonotonic(clock)) {
        return real(clock, now);
    }
    *now = toTimespec(fastClock(clock));
    return 0;
}

int gettimeofday(timeval* now, void* /*zone*/) noexcept {
    const std::int64_t time = fastClock(CLOCK_REALTIME);
    *now = {time / kSecond, time % kSecond / 1000};
    return 0;
}

time_t time(time_t* result) noexcept {
    const time_t now = fastClock(CLOCK_REALTIME) / kSecond;
    if (result != nullptr) {
        *result = now;
    }
    return now;
}

int nanosleep(const timespec* shown, timespec* rest) {
    static const auto real = next<int(const timespec*, timespec*)>("nanosleep");
    const timespec shorter = toTimespec(nanoseconds(*shown) / control().speed);
    timespec left{};
    const int result = real(&shorter, &left);
    if (result != 0 && rest != nullptr) {
        *rest = toTimespec(nanoseconds(left) * control().speed);
    }
    return result;
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* shown, timespec* rest) {
    timespec duration = *shown;
    if ((flags & TIMER_ABSTIME) != 0) {
        duration = toTimespec(nanoseconds(*shown) - fastClock(clock));
        rest = nullptr;
    }
    return nanosleep(&duration, rest) == 0 ? 0 : errno;
}

int usleep(useconds_t shown) {
    const timespec duration = toTimespec(std::int64_t{shown} * 1000);
    return nanosleep(&duration, nullptr);
}

int poll(pollfd* entries, nfds_t count, int milliseconds) {
    static const auto real = next<int(pollfd*, nfds_t, int)>("poll");
    return real(entries, count, realMilliseconds(milliseconds));
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
    static const auto real =
        next<int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)>("pthread_cond_clockwait");
    const timespec real_until = realTime(clock, *until);
    return real(condition, mutex, clock, &real_until);
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
    static const auto real =
        next<int(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
    // A condition does not tell its clock, but no machine runs for decades.
    const clockid_t clock = until->tv_sec > 500'000'000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    const timespec real_until = realTime(clock, *until);
    return real(condition, mutex, &real_until);
}
}
