// A layer between a program and its files (LD_PRELOAD), which fails chosen calls or kills the program at
// them.
//
// LAPWING_FAULTS_DIR is the directory whose files it watches. LAPWING_FAULTS_CONTROL is a file of
// sizeof(Control) bytes, which the test maps and changes while the program runs
// (tests/faults/file_faults.py).

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

enum Call : std::uint32_t { kWrite, kSync, kTruncate, kOpen, kRename, kUnlink, kRead, kCalls };

enum Action : std::int32_t {
    kFail,        ///< the call does nothing and fails with `error`
    kShortWrite,  ///< a write writes the half of its bytes, and fails with `error`; other calls fail
    kKillBefore,  ///< SIGKILL before the call
    kKillWithin,  ///< SIGKILL after the half of a write; before other calls
    kKillAfter,   ///< SIGKILL after the call
};

/// The layout is the one of `Control` in file_faults.py.
struct Control {
    std::atomic<std::uint32_t> calls;  ///< the calls that count, a bit each; 0: no faults
    std::atomic<std::int32_t> action;
    std::atomic<std::int32_t> error;    ///< errno
    std::atomic<std::int32_t> repeats;  ///< how many calls in a row; negative: all from the first
    std::atomic<std::int64_t> wait;     ///< calls that still pass before the first fault
    std::atomic<std::int64_t> seen[kCalls];
    std::atomic<std::int64_t> faults;  ///< calls that failed
};

constexpr int kMostDescriptors = 65536;
std::atomic<bool> watched[kMostDescriptors];

template <class Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

Control* control() {
    static Control* const mapped = [] {
        const char* file = std::getenv("LAPWING_FAULTS_CONTROL");
        static const auto open_file = next<int(const char*, int, ...)>("open");
        const int fd = file == nullptr ? -1 : open_file(file, O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            return static_cast<Control*>(nullptr);
        }
        void* at = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        static const auto close_file = next<int(int)>("close");
        close_file(fd);
        return at == MAP_FAILED ? nullptr : static_cast<Control*>(at);
    }();
    return mapped;
}

bool isWatched(const char* path) {
    static const char* const directory = std::getenv("LAPWING_FAULTS_DIR");
    return directory != nullptr && std::strncmp(path, directory, std::strlen(directory)) == 0;
}

bool isWatched(int fd) {
    return fd >= 0 && fd < kMostDescriptors && watched[fd];
}

void watch(int fd, bool on) {
    if (fd >= 0 && fd < kMostDescriptors) {
        watched[fd] = on;
    }
}

[[noreturn]] void die() {
    kill(getpid(), SIGKILL);
    for (;;) {
        pause();
    }
}

/// Whether this call is to meet a fault.
bool isDue(Call call) {
    auto* shared = control();
    if (shared == nullptr) {
        return false;
    }
    ++shared->seen[call];
    if ((shared->calls & (1U << call)) == 0) {
        return false;
    }
    const auto left = shared->wait.fetch_sub(1);
    const auto repeats = shared->repeats.load();
    return left <= 0 && (repeats < 0 || -left < repeats);
}

/// Runs a call that is no write. `call` returns a negative number and sets errno on errors.
template <class Run>
int guarded(Call call, Run run) {
    if (!isDue(call)) {
        return run();
    }
    auto* shared = control();
    switch (shared->action) {
        case kKillAfter:
            run();
            die();
        case kKillBefore:
        case kKillWithin:
            die();
        default:
            ++shared->faults;
            errno = shared->error;
            return -1;
    }
}

/// The same for a read.
template <class Run>
ssize_t guardedRead(Run run) {
    ssize_t count = 0;
    const int result = guarded(kRead, [&] {
        count = run();
        return count < 0 ? -1 : 0;
    });
    return result < 0 ? -1 : count;
}

/// The same for a write of `size` bytes. `run` writes as many bytes as it is told.
template <class Run>
ssize_t guardedWrite(std::size_t size, Run run) {
    if (!isDue(kWrite)) {
        return run(size);
    }
    auto* shared = control();
    switch (shared->action) {
        case kKillAfter:
            run(size);
            die();
        case kKillWithin:
            run(size / 2);
            die();
        case kKillBefore:
            die();
        case kShortWrite:
            run(size / 2);
            break;
        default:
            break;
    }
    ++shared->faults;
    errno = shared->error;
    return -1;
}

int opened(int fd) {
    watch(fd, true);
    return fd;
}

template <class Open>
int openWatched(const char* path, Open open_file) {
    if (!isWatched(path)) {
        const int fd = open_file();
        watch(fd, false);
        return fd;
    }
    return opened(guarded(kOpen, open_file));
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
    static const auto real = next<int(const char*, int, ...)>("open");
    va_list arguments;
    va_start(arguments, flags);
    const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return openWatched(path, [&] { return real(path, flags, mode); });
}

int open64(const char* path, int flags, ...) {
    static const auto real = next<int(const char*, int, ...)>("open64");
    va_list arguments;
    va_start(arguments, flags);
    const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return openWatched(path, [&] { return real(path, flags, mode); });
}

int close(int fd) {
    static const auto real = next<int(int)>("close");
    watch(fd, false);
    return real(fd);
}

ssize_t write(int fd, const void* data, size_t size) {
    static const auto real = next<ssize_t(int, const void*, size_t)>("write");
    if (!isWatched(fd)) {
        return real(fd, data, size);
    }
    return guardedWrite(size, [&](std::size_t count) { return real(fd, data, count); });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
    static const auto real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
    if (!isWatched(fd)) {
        return real(fd, data, size, at);
    }
    return guardedWrite(size, [&](std::size_t count) { return real(fd, data, count, at); });
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
    static const auto real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
    if (!isWatched(fd)) {
        return real(fd, data, size, at);
    }
    return guardedWrite(size, [&](std::size_t count) { return real(fd, data, count, at); });
}

ssize_t read(int fd, void* data, size_t size) {
    static const auto real = next<ssize_t(int, void*, size_t)>("read");
    return isWatched(fd) ? guardedRead([&] { return real(fd, data, size); }) : real(fd, data, size);
}

ssize_t pread(int fd, void* data, size_t size, off_t at) {
    static const auto real = next<ssize_t(int, void*, size_t, off_t)>("pread");
    return isWatched(fd) ? guardedRead([&] { return real(fd, data, size, at); }) : real(fd, data, size, at);
}

ssize_t pread64(int fd, void* data, size_t size, off64_t at) {
    static const auto real = next<ssize_t(int, void*, size_t, off64_t)>("pread64");
    return isWatched(fd) ? guardedRead([&] { return real(fd, data, size, at); }) : real(fd, data, size, at);
}

int fsync(int fd) {
    static const auto real = next<int(int)>("fsync");
    return isWatched(fd) ? guarded(kSync, [&] { return real(fd); }) : real(fd);
}

int fdatasync(int fd) {
    static const auto real = next<int(int)>("fdatasync");
    return isWatched(fd) ? guarded(kSync, [&] { return real(fd); }) : real(fd);
}

int ftruncate(int fd, off_t size) {
    static const auto real = next<int(int, off_t)>("ftruncate");
    return isWatched(fd) ? guarded(kTruncate, [&] { return real(fd, size); }) : real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    static const auto real = next<int(int, off64_t)>("ftruncate64");
    return isWatched(fd) ? guarded(kTruncate, [&] { return real(fd, size); }) : real(fd, size);
}

int rename(const char* from, const char* to) {
    static const auto real = next<int(const char*, const char*)>("rename");
    return isWatched(to) ? guarded(kRename, [&] { return real(from, to); }) : real(from, to);
}

int unlink(const char* path) {
    static const auto real = next<int(const char*)>("unlink");
    return isWatched(path) ? guarded(kUnlink, [&] { return real(path); }) : real(path);
}

}  // extern "C"
