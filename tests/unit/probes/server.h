#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace lapwing::test {

/// A port without a listener.
inline std::uint16_t freePort() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) {
        throw std::runtime_error("bind");
    }
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(fd);
    return ntohs(address.sin_port);
}

/// True as soon as `done` returns true, false after the time.
template <class Done>
bool eventually(Done done, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!done()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

/// A server that a test starts and that ends with it. Its output goes to `log`.
class Process {
  public:
    Process(std::vector<std::string> argv, const std::string& log) {
        pid_ = ::fork();
        if (pid_ != 0) {
            return;
        }
        // A process group of its own, so that the server's helpers end with it.
        ::setpgid(0, 0);
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(::open("/dev/null", O_RDONLY), 0);
        ::dup2(out, 1);
        ::dup2(out, 2);
        std::vector<char*> arguments;
        for (auto& argument : argv) {
            arguments.push_back(argument.data());
        }
        arguments.push_back(nullptr);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { stop(); }

    void signal(int number) const {
        if (pid_ > 0 && ::kill(-pid_, number) != 0) {
            ::kill(pid_, number);
        }
    }
    /// Stops the server with SIGSTOP, and returns when all its threads have stopped.
    void freeze() const {
        signal(SIGSTOP);
        int status = 0;
        if (::waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status)) {
            throw std::runtime_error("SIGSTOP");
        }
    }
    bool running() const { return pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }
    void stop() {
        if (pid_ <= 0) {
            return;
        }
        signal(SIGCONT);
        signal(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

  private:
    pid_t pid_ = 0;
};

/// Keeps a server stopped by SIGSTOP during its own lifetime, however the test ends.
class Frozen {
  public:
    explicit Frozen(const Process& process) : process_(process) { process_.freeze(); }
    Frozen(const Frozen&) = delete;
    Frozen& operator=(const Frozen&) = delete;
    ~Frozen() { process_.signal(SIGCONT); }

  private:
    const Process& process_;
};

}  // namespace lapwing::test
