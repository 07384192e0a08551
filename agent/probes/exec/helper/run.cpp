#include "agent/probes/exec/helper/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

namespace lapwing::agent::exec {

namespace {

using Clock = std::chrono::steady_clock;

Reply failed(const std::string& what) {
    return {End::failed, 0, what + ": " + std::strerror(errno)};
}

/// In the child. A status of 127 with a line for people where the program cannot be executed.
[[noreturn]] void become(const std::vector<char*>& argv, int output) {
    ::setpgid(0, 0);
    ::signal(SIGPIPE, SIG_DFL);  // the helper ignores it
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::close_range(3, ~0U, 0);
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char locale[] = "LC_ALL=C";
    std::array<char*, 3> environment{path, locale, nullptr};
    ::execve(argv[0], argv.data(), environment.data());
    const char* why = std::strerror(errno);
    if (::write(STDOUT_FILENO, why, std::strlen(why)) < 0) {
        ::_exit(126);
    }
    ::_exit(127);
}

/// Reads what is there. False at the end of the output, or beyond its limit.
bool drain(int from, std::string& output) {
    std::array<char, 16384> buffer;
    for (;;) {
        const auto got = ::read(from, buffer.data(), buffer.size());
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        }
        output.append(buffer.data(), static_cast<std::size_t>(got));
        if (output.size() > kMostOutputBytes) {
            return false;
        }
    }
}

/// Follows the child until it ends, prints too much, or its time is over.
End follow(int pidfd, int from, Clock::time_point end, std::string& output) {
    std::array<pollfd, 2> waited{pollfd{pidfd, POLLIN, 0}, pollfd{from, POLLIN, 0}};
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0) {
            return End::timeout;
        }
        if (::poll(waited.data(), waited.size(), static_cast<int>(left) + 1) < 0 && errno != EINTR) {
            return End::failed;
        }
        const bool ended = waited[0].revents != 0;
        if (waited[1].fd >= 0 && !drain(from, output)) {
            waited[1].fd = -1;  // poll ignores it
        }
        if (output.size() > kMostOutputBytes) {
            return End::too_large;
        }
        if (ended) {
            return End::exited;
        }
    }
}

}  // namespace

Reply run(const Command& command) {
    const auto end = Clock::now() + std::chrono::milliseconds(command.timeout_ms);
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return failed("pipe");
    }
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::vector<char*> argv;
    for (const auto& word : command.argv) {
        argv.push_back(const_cast<char*>(word.c_str()));
    }
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        become(argv, ends[1]);
    }
    ::close(ends[1]);
    if (child < 0) {
        ::close(ends[0]);
        return failed("fork");
    }
    ::setpgid(child, child);  // the child does so, too: whoever comes first
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
    Reply out;
    out.end = pidfd < 0 ? End::failed : follow(pidfd, ends[0], end, out.output);
    // Before the child is waited for: until then nobody else can have its number.
    ::kill(-child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(ends[0]);
    if (pidfd >= 0) {
        ::close(pidfd);
    }
    if (out.end == End::exited && WIFSIGNALED(status)) {
        out.end = End::signalled;
        out.number = WTERMSIG(status);
    } else if (out.end == End::exited) {
        out.number = WEXITSTATUS(status);
    }
    out.output.resize(std::min(out.output.size(), kMostOutputBytes));
    return out;
}

}  // namespace lapwing::agent::exec
