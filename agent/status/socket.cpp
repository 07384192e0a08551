#include "agent/status/socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>

namespace lapwing::agent {
namespace {

using Clock = std::chrono::steady_clock;

ErrorKind kindOf(int code) {
    switch (code) {
        case ENOENT:
            return ErrorKind::not_found;
        case ECONNREFUSED:
            return ErrorKind::refused;
        case EACCES:
        case EPERM:
            return ErrorKind::denied;
        case EADDRINUSE:
            return ErrorKind::unavailable;
        default:
            return ErrorKind::internal;
    }
}

tl::unexpected<Error> systemError(const std::string& path, int code) {
    return fail(kindOf(code), path + ": " + std::strerror(code));
}

Expected<sockaddr_un> addressOf(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorKind::invalid, path + ": the path is too long");
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

class Descriptor {
  public:
    explicit Descriptor(int value) : value_(value) {}
    ~Descriptor() {
        if (value_ >= 0) {
            close(value_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    int get() const { return value_; }

  private:
    int value_;
};

Expected<Descriptor> connectTo(const std::string& path) {
    const auto address = addressOf(path);
    if (!address) {
        return tl::unexpected(address.error());
    }
    Descriptor descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (descriptor.get() < 0) {
        return systemError(path, errno);
    }
    if (connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return systemError(path, errno);
    }
    return descriptor;
}

}  // namespace

struct StatusSocket::State {
    State(std::string where, int listening, std::function<std::string()> give)
        : path(std::move(where)),
          listener(listening),
          wake(eventfd(0, EFD_CLOEXEC)),
          answer(std::move(give)) {}

    std::string path;
    Descriptor listener;
    Descriptor wake;
    std::function<std::string()> answer;
    std::thread thread;

    void serve();
};

void StatusSocket::State::serve() {
    for (;;) {
        std::array<pollfd, 2> entries{{{listener.get(), POLLIN, 0}, {wake.get(), POLLIN, 0}}};
        if (poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) {
            return;
        }
        if (entries[1].revents != 0) {
            return;
        }
        if (entries[0].revents == 0) {
            continue;
        }
        const Descriptor client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (client.get() < 0) {
            // For example without free descriptors, the client stays in the queue and poll() would return at
            // once.
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            continue;
        }
        const std::string text = answer();
        const int room = static_cast<int>(text.size()) * 2;
        setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        (void)send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }
}

StatusSocket::StatusSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}

StatusSocket::~StatusSocket() {
    const std::uint64_t one = 1;
    (void)!write(state_->wake.get(), &one, sizeof one);
    if (state_->thread.joinable()) {
        state_->thread.join();
    }
    unlink(state_->path.c_str());
}

Expected<std::unique_ptr<StatusSocket>> StatusSocket::open(const std::string& path,
                                                           std::function<std::string()> answer) {
    const auto address = addressOf(path);
    if (!address) {
        return tl::unexpected(address.error());
    }
    if (connectTo(path)) {
        return fail(ErrorKind::unavailable, path + ": another agent listens on it");
    }
    struct stat present {};
    if (lstat(path.c_str(), &present) == 0) {
        if (!S_ISSOCK(present.st_mode)) {
            return fail(ErrorKind::invalid, path + ": exists and is not a socket");
        }
        unlink(path.c_str());
    }
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    auto state = std::make_unique<State>(path, listener, std::move(answer));
    if (listener < 0 || state->wake.get() < 0) {
        return systemError(path, errno);
    }
    if (bind(listener, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        chmod(path.c_str(), 0660) != 0 || listen(listener, 8) != 0) {
        return systemError(path, errno);
    }
    state->thread = std::thread([raw = state.get()] { raw->serve(); });
    return std::unique_ptr<StatusSocket>(new StatusSocket(std::move(state)));
}

Expected<std::string> readStatus(const std::string& path, std::chrono::milliseconds deadline) {
    const auto until = Clock::now() + deadline;
    const auto socket = connectTo(path);
    if (!socket) {
        return tl::unexpected(socket.error());
    }
    std::string text;
    std::array<char, 8192> buffer{};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        pollfd entry{socket->get(), POLLIN, 0};
        if (left <= 0 || poll(&entry, 1, static_cast<int>(left)) == 0) {
            return fail(ErrorKind::timeout, path + ": the agent does not answer");
        }
        const auto got = recv(socket->get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (got < 0) {
            return systemError(path, errno);
        }
        if (got == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

}  // namespace lapwing::agent
