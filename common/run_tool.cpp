#include "common/run_tool.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace lapwing {

namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    int read_end = -1;
    int write_end = -1;

    bool open() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) {
            return false;
        }
        read_end = ends[0];
        write_end = ends[1];
        return true;
    }
    static void shut(int& end) {
        if (end >= 0) {
            close(end);
            end = -1;
        }
    }
    ~Pipe() {
        shut(read_end);
        shut(write_end);
    }
};

/// Reads the available bytes. False once the other side has closed.
bool take(int fd, std::string& out) {
    std::array<char, 16'384> buffer{};
    const auto got = read(fd, buffer.data(), buffer.size());
    if (got > 0) {
        out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return got > 0 || (got < 0 && errno == EINTR);
}

/// Reads both pipes to their ends. Returns "", or why it gave up.
std::string drain(Pipe& out, Pipe& err, Clock::time_point end, std::size_t most, ToolOutput& result) {
    while (out.read_end >= 0 || err.read_end >= 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0) {
            return "no end within the deadline";
        }
        std::array<pollfd, 2> fds{{{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}}};
        if (poll(fds.data(), fds.size(), static_cast<int>(left)) < 0 && errno != EINTR) {
            return std::strerror(errno);
        }
        if (fds[0].revents != 0 && !take(out.read_end, result.output)) {
            Pipe::shut(out.read_end);
        }
        if (fds[1].revents != 0 && !take(err.read_end, result.error)) {
            Pipe::shut(err.read_end);
        }
        if (result.output.size() > most || result.error.size() > most) {
            return "more output than " + std::to_string(most) + " bytes";
        }
    }
    return "";
}

/// The form that exec takes.
std::vector<char*> pointersTo(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (const auto& text : texts) {
        out.push_back(const_cast<char*>(text.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

}  // namespace

ToolOutput runTool(const std::vector<std::string>& argv, std::chrono::milliseconds deadline, std::size_t most,
                   const std::vector<std::string>& environment) {
    ToolOutput result;
    result.tool = argv.at(0);
    if (access(result.tool.c_str(), X_OK) != 0) {
        result.error = result.tool + ": " + std::strerror(errno);
        return result;
    }
    Pipe out;
    Pipe err;
    if (!out.open() || !err.open()) {
        result.status = ReadStatus::failed;
        result.error = std::string("pipe: ") + std::strerror(errno);
        return result;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
    // iptables-restore locks this file; its usual one is read-only in the unit's sandbox.
    std::vector<std::string> variables{"LC_ALL=C", "XTABLES_LOCKFILE=/dev/null"};
    variables.insert(variables.end(), environment.begin(), environment.end());
    pid_t pid = 0;
    const int spawned = posix_spawn(&pid, result.tool.c_str(), &actions, nullptr, pointersTo(argv).data(),
                                    pointersTo(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    if (spawned != 0) {
        result.status = ReadStatus::failed;
        result.error = std::strerror(spawned);
        return result;
    }
    Pipe::shut(out.write_end);
    Pipe::shut(err.write_end);
    const auto given_up = drain(out, err, Clock::now() + deadline, most, result);
    if (!given_up.empty()) {
        kill(pid, SIGKILL);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!given_up.empty()) {
        result.status = ReadStatus::failed;
        result.output.clear();
        result.error = given_up;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        result.status = ReadStatus::ok;
    } else {
        const bool denied = result.error.find("not permitted") != std::string::npos ||
                            result.error.find("ermission denied") != std::string::npos;
        result.status = denied ? ReadStatus::denied : ReadStatus::failed;
        result.output.clear();
        if (WIFSIGNALED(status)) {
            // The unit's MemoryMax ends a tool so; it has no words of its own.
            const bool killed = WTERMSIG(status) == SIGKILL;
            result.error += (result.error.empty() ? "" : "; ") + std::string("ended by signal ") +
                            std::to_string(WTERMSIG(status)) +
                            (killed ? " (perhaps it had not enough memory)" : "");
        }
    }
    return result;
}

}  // namespace lapwing
