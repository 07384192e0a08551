#include "common/http/timed_socket.h"

#include <Poco/Exception.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace lapwing::http {
namespace {

using Clock = TimedSocketImpl::Clock;

int pollTimeout(Clock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
}

Error systemError(const char* what, int code) {
    ErrorKind kind = ErrorKind::unreachable;
    switch (code) {
        case ECONNREFUSED:
            kind = ErrorKind::refused;
            break;
        case ETIMEDOUT:
            kind = ErrorKind::timeout;
            break;
        case EACCES:
        case EPERM:
            kind = ErrorKind::denied;
            break;
        case ENOENT:
            kind = ErrorKind::not_found;
            break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            kind = ErrorKind::exhausted;
            break;
        case ECONNRESET:
        case EPIPE:
            kind = ErrorKind::protocol;
            break;
        default:
            break;
    }
    return {kind, std::string(what) + ": " + std::strerror(code)};
}

Expected<int> connectOne(const sockaddr* address, socklen_t length, Clock::time_point until) {
    const int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return tl::unexpected(systemError("socket", errno));
    }
    if (address->sa_family != AF_UNIX) {
        const int on = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    int code = 0;
    // A unix socket with a full queue answers EAGAIN at once, and no event tells when there is room.
    while (connect(descriptor, address, length) != 0) {
        code = errno;
        if (code != EAGAIN && code != EINTR) {
            break;
        }
        if (Clock::now() >= until) {
            break;
        }
        poll(nullptr, 0, std::min(10, pollTimeout(until)));
        code = 0;
    }
    if (code == EINPROGRESS) {
        pollfd entry{descriptor, POLLOUT, 0};
        int ready = 0;
        do {
            ready = poll(&entry, 1, pollTimeout(until));
        } while (ready < 0 && errno == EINTR);
        code = 0;
        socklen_t size = sizeof code;
        if (ready <= 0) {
            code = ETIMEDOUT;
        } else if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0) {
            code = errno;
        }
    }
    if (code == 0) {
        return descriptor;
    }
    close(descriptor);
    if (code == EAGAIN || code == ETIMEDOUT) {
        return fail(ErrorKind::timeout, "connect: no answer within the deadline");
    }
    return tl::unexpected(systemError("connect", code));
}

}  // namespace

Expected<int> connectTo(const std::vector<Address>& addresses, Clock::time_point until) {
    Expected<int> last = fail(ErrorKind::unreachable, "connect: no address");
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const auto now = Clock::now();
        const auto share = (until - now) / static_cast<std::int64_t>(addresses.size() - i);
        last = connectOne(reinterpret_cast<const sockaddr*>(&addresses[i].storage), addresses[i].length,
                          now + share);
        if (last) {
            return last;
        }
    }
    return last;
}

Expected<int> connectTo(const std::string& path, Clock::time_point until) {
    sockaddr_un address{};
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorKind::invalid, "connect: the socket's path is too long");
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return connectOne(reinterpret_cast<const sockaddr*>(&address), sizeof address, until);
}

TimedSocketImpl::TimedSocketImpl(int descriptor, SslPtr ssl)
    : StreamSocketImpl(descriptor), ssl_(std::move(ssl)) {
    if (ssl_) {
        SSL_set_fd(ssl_.get(), descriptor);
    }
}

// Ends the TLS session properly, so that the server does not take it for a truncated one. Does not wait for
// an answer.
TimedSocketImpl::~TimedSocketImpl() {
    if (!ssl_ || failure_ || SSL_is_init_finished(ssl_.get()) == 0) {
        return;
    }
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

void TimedSocketImpl::begin(Clock::time_point until) {
    until_ = until;
    failure_.reset();
    send_failed_ = ended_ = truncated_ = false;
    received_ = 0;
}

bool TimedSocketImpl::await(short events) {
    pollfd entry{sockfd(), events, 0};
    for (;;) {
        const int ready = ::poll(&entry, 1, pollTimeout(until_));
        if (ready > 0 && Clock::now() < until_) {
            return true;
        }
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        failure_ = Error{ErrorKind::timeout, "no answer within the deadline"};
        return false;
    }
}

void TimedSocketImpl::give(Error error) {
    failure_ = std::move(error);
    throw Poco::RuntimeException(failure_->message);
}

Expected<void> TimedSocketImpl::handshake(Clock::time_point until) {
    if (!ssl_) {
        return {};
    }
    begin(until);
    for (;;) {
        ERR_clear_error();
        const int done = SSL_do_handshake(ssl_.get());
        if (done == 1) {
            return {};
        }
        const int code = errno;
        const int reason = SSL_get_error(ssl_.get(), done);
        if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
            if (await(reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT)) {
                continue;
            }
            return fail(ErrorKind::timeout, "TLS handshake: no answer within the deadline");
        }
        // A server that closes in the middle says nothing about certificates.
        if (reason == SSL_ERROR_SYSCALL && code != 0) {
            const Error error = systemError("TLS handshake", code);
            return tl::unexpected(error);
        }
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            drainTlsErrors();
            return fail(ErrorKind::protocol, "TLS handshake: the connection was closed");
        }
        return fail(ErrorKind::tls, "TLS handshake: " + tlsFailure(ssl_.get()));
    }
}

// A server that refuses a request may answer and close before it has read all of it. So a failure to send is
// not yet the outcome: the answer may be waiting, and if there is no answer, reading gives the reason.
void TimedSocketImpl::sendFailed(Error error) {
    send_failed_ = true;
    failure_ = std::move(error);
}

int TimedSocketImpl::sendPlain(const char* data, int length) {
    const auto sent = send(sockfd(), data, static_cast<std::size_t>(length), MSG_NOSIGNAL);
    if (sent >= 0) {
        return static_cast<int>(sent);
    }
    if (errno == EINTR) {
        return 0;
    }
    if (errno == EAGAIN) {
        if (!await(POLLOUT)) {
            give(*failure_);
        }
        return 0;
    }
    sendFailed(systemError("send", errno));
    return length;
}

int TimedSocketImpl::sendTls(const char* data, int length) {
    ERR_clear_error();
    const int sent = SSL_write(ssl_.get(), data, length);
    if (sent > 0) {
        return sent;
    }
    const int code = errno;
    switch (SSL_get_error(ssl_.get(), sent)) {
        case SSL_ERROR_WANT_READ:
            if (!await(POLLIN)) {
                give(*failure_);
            }
            return 0;
        case SSL_ERROR_WANT_WRITE:
            if (!await(POLLOUT)) {
                give(*failure_);
            }
            return 0;
        case SSL_ERROR_SYSCALL:
            sendFailed(systemError("send", code != 0 ? code : ECONNRESET));
            return length;
        default:
            give({ErrorKind::tls, "TLS: " + tlsFailure(ssl_.get())});
    }
}

int TimedSocketImpl::sendBytes(const void* buffer, int length, int /*flags*/) {
    const char* data = static_cast<const char*>(buffer);
    int done = 0;
    while (done < length && !send_failed_) {
        if (Clock::now() >= until_) {
            give({ErrorKind::timeout, "no answer within the deadline"});
        }
        done += ssl_ ? sendTls(data + done, length - done) : sendPlain(data + done, length - done);
    }
    return length;
}

int TimedSocketImpl::receiveBytes(void* buffer, int length, int /*flags*/) {
    for (;;) {
        if (Clock::now() >= until_) {
            give({ErrorKind::timeout, "no answer within the deadline"});
        }
        std::int64_t got = 0;
        short wait_for = POLLIN;
        if (ssl_) {
            ERR_clear_error();
            got = SSL_read(ssl_.get(), buffer, length);
            if (got <= 0) {
                const int code = errno;
                switch (SSL_get_error(ssl_.get(), static_cast<int>(got))) {
                    case SSL_ERROR_WANT_READ:
                        break;
                    case SSL_ERROR_WANT_WRITE:
                        wait_for = POLLOUT;
                        break;
                    case SSL_ERROR_ZERO_RETURN:
                        ended_ = true;
                        return 0;
                    case SSL_ERROR_SYSCALL:
                        if (send_failed_) {
                            give(*failure_);
                        }
                        give(systemError("receive", code != 0 ? code : ECONNRESET));
                    default:
                        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
                            drainTlsErrors();
                            ended_ = truncated_ = true;
                            return 0;
                        }
                        give({ErrorKind::tls, "TLS: " + tlsFailure(ssl_.get())});
                }
            }
        } else {
            got = recv(sockfd(), buffer, static_cast<std::size_t>(length), 0);
            if (got == 0) {
                ended_ = true;
                return 0;
            }
            if (got < 0 && errno != EAGAIN && errno != EINTR) {
                if (send_failed_) {
                    give(*failure_);
                }
                give(systemError("receive", errno));
            }
        }
        if (got > 0) {
            received_ += static_cast<std::size_t>(got);
            return static_cast<int>(got);
        }
        if (!await(wait_for)) {
            give(*failure_);
        }
    }
}

}  // namespace lapwing::http
