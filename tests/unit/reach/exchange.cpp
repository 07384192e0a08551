#include "tests/unit/reach/exchange.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

#include "agent/host/socket_address.h"

namespace lapwing::test {

namespace {

using Clock = std::chrono::steady_clock;

const std::string kGreeting = "hello";
const std::string kData = "data of the client";

enum class Phase { connecting, greeting, echo, done };

/// A socket of one exchange, and what it waits for.
struct Running {
    Exchange* exchange = nullptr;
    int fd = -1;
    Phase phase = Phase::connecting;
    std::string received;
    Clock::time_point deadline;
    Clock::time_point resend = Clock::time_point::max();  ///< of a datagram

    void end(Exchanged outcome) {
        exchange->outcome = outcome;
        phase = Phase::done;
        // A reset leaves nothing behind for the next ruleset.
        const linger reset{1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        fd = -1;
    }
};

bool isRefusal(int error) {
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EACCES ||
           error == EPERM || error == ECONNRESET || error == ENOPROTOOPT || error == EPROTO;
}

void sendData(Running& one, std::chrono::milliseconds timeout) {
    one.received.clear();
    one.phase = Phase::echo;
    one.deadline = Clock::now() + timeout;
    send(one.fd, kData.data(), kData.size(), MSG_NOSIGNAL);
}

Running begin(Exchange& exchange, std::chrono::milliseconds timeout) {
    Running out;
    out.exchange = &exchange;
    out.deadline = Clock::now() + timeout;
    exchange.outcome = Exchanged::silent;
    const int family = exchange.source.family == reach::Family::ipv4 ? AF_INET : AF_INET6;
    out.fd = socket(family, (exchange.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const auto own = agent::socketAddress(exchange.source, 0);
    const auto peer = agent::socketAddress(exchange.destination, exchange.port);
    if (bind(out.fd, own.get(), own.size) != 0 ||
        (connect(out.fd, peer.get(), peer.size) != 0 && errno != EINPROGRESS)) {
        out.end(isRefusal(errno) ? Exchanged::refused : Exchanged::silent);
        return out;
    }
    if (exchange.udp) {
        sendData(out, timeout);
        out.resend = Clock::now() + timeout / 2;
    }
    return out;
}

void receive(Running& one, std::chrono::milliseconds timeout) {
    std::array<char, 256> buffer{};
    const auto size = recv(one.fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) {
        return;
    }
    if (size <= 0) {
        one.end(one.exchange->udp && size < 0 && isRefusal(errno) ? Exchanged::refused : Exchanged::broken);
        return;
    }
    one.received.append(buffer.data(), static_cast<std::size_t>(size));
    if (one.phase == Phase::greeting && one.received.size() >= kGreeting.size()) {
        sendData(one, timeout);
    } else if (one.phase == Phase::echo && one.received.size() >= kData.size()) {
        one.end(Exchanged::complete);
    }
}

void advance(Running& one, std::chrono::milliseconds timeout) {
    if (one.phase != Phase::connecting) {
        receive(one, timeout);
        return;
    }
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        one.end(isRefusal(error) ? Exchanged::refused : Exchanged::silent);
        return;
    }
    one.phase = Phase::greeting;
    one.deadline = Clock::now() + timeout;
}

/// Until something happens or a deadline is over. False where nothing is left to wait for.
bool wait(const std::vector<Running>& running) {
    std::vector<pollfd> waiting;
    auto next = Clock::time_point::max();
    for (const auto& one : running) {
        if (one.phase != Phase::done) {
            next = std::min({next, one.deadline, one.resend});
        }
        // poll() leaves out a negative descriptor.
        const short events = one.phase == Phase::connecting ? POLLOUT : POLLIN;
        waiting.push_back({one.phase == Phase::done ? -1 : one.fd, events, 0});
    }
    if (next == Clock::time_point::max()) {
        return false;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count() + 1;
    poll(waiting.data(), waiting.size(), static_cast<int>(std::max<long>(left, 0)));
    return true;
}

}  // namespace

const char* exchangedName(Exchanged outcome) {
    switch (outcome) {
        case Exchanged::silent:
            return "silent";
        case Exchanged::refused:
            return "refused";
        case Exchanged::broken:
            return "broken";
        case Exchanged::complete:
            return "complete";
    }
    return "";
}

void exchangeAll(std::vector<Exchange>& exchanges, std::chrono::milliseconds timeout) {
    std::vector<Running> running;
    running.reserve(exchanges.size());
    for (auto& exchange : exchanges) {
        running.push_back(begin(exchange, timeout));
    }
    while (wait(running)) {
        const auto now = Clock::now();
        for (auto& one : running) {
            if (one.phase == Phase::done) {
                continue;
            }
            pollfd state{one.fd, static_cast<short>(one.phase == Phase::connecting ? POLLOUT : POLLIN), 0};
            if (poll(&state, 1, 0) > 0) {
                advance(one, timeout);
            } else if (one.exchange->udp && one.resend <= now) {
                one.resend = Clock::time_point::max();
                send(one.fd, kData.data(), kData.size(), MSG_NOSIGNAL);
            } else if (one.deadline <= now) {
                const bool opened = one.phase != Phase::connecting && !one.exchange->udp;
                one.end(opened ? Exchanged::broken : Exchanged::silent);
            }
        }
    }
}

}  // namespace lapwing::test
