#pragma once

#include <Poco/Net/StreamSocketImpl.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/http/resolver.h"
#include "common/http/tls.h"

namespace lapwing::http {

/// A connected socket, with or without TLS, for Poco's HTTP session. Every wait ends at one point of time,
/// however often it is entered: Poco's own sockets start their timeout anew with each byte, and OpenSSL
/// reads on by itself within a TLS record. Each failure is kept, because Poco's streams swallow exceptions.
class TimedSocketImpl : public Poco::Net::StreamSocketImpl {
  public:
    using Clock = std::chrono::steady_clock;

    /// Takes over a connected, non-blocking descriptor.
    TimedSocketImpl(int descriptor, SslPtr ssl);

    /// Must be called before the first use, for TLS sockets.
    Expected<void> handshake(Clock::time_point until);
    /// Begins a new exchange: nothing received, no failure yet, all of it to end at `until`.
    void begin(Clock::time_point until);

    const std::optional<Error>& failure() const { return failure_; }
    std::size_t received() const { return received_; }
    /// True if the peer has ended the connection during this exchange.
    bool ended() const { return ended_; }
    bool truncated() const { return truncated_; }

    int sendBytes(const void* buffer, int length, int flags) override;
    int receiveBytes(void* buffer, int length, int flags) override;

  protected:
    ~TimedSocketImpl() override;

  private:
    /// Waits for poll()'s `events`; false after setting failure_ at the deadline.
    bool await(short events);
    int sendPlain(const char* data, int length);
    int sendTls(const char* data, int length);
    void sendFailed(Error error);
    /// Keeps the error, and throws an exception for which Poco's session has no retry of its own.
    [[noreturn]] void give(Error error);

    SslPtr ssl_;
    Clock::time_point until_{};
    std::optional<Error> failure_;
    bool send_failed_ = false;
    bool ended_ = false;
    bool truncated_ = false;
    std::size_t received_ = 0;
};

/// A non-blocking descriptor that is connected to one of the addresses, tried in order. The addresses share
/// the time, so that one silent address does not use up the time of the next.
Expected<int> connectTo(const std::vector<Address>& addresses, TimedSocketImpl::Clock::time_point until);
/// The same for a unix socket.
Expected<int> connectTo(const std::string& path, TimedSocketImpl::Clock::time_point until);

}  // namespace lapwing::http
