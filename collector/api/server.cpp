#include "collector/api/server.h"

#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SecureServerSocket.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/TCPServer.h>
#include <Poco/Net/TCPServerConnectionFactory.h>
#include <Poco/Net/X509Certificate.h>
#include <Poco/ThreadPool.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <map>

#include "collector/api/poco_exchange.h"
#include "collector/api/server_request.h"
#include "common/mutex.h"
#include "common/tls/context.h"
#include "common/tls/identity.h"

namespace lapwing::api {
namespace {

using Poco::Net::HTTPResponse;
using Poco::Net::HTTPServerParams;
using Poco::Net::HTTPServerResponseImpl;

}  // namespace

struct Server::State {
    ServerOptions options;
    Handler handler;
    Deadlines* deadlines = nullptr;
    HTTPServerParams::Ptr params;
    std::unique_ptr<Poco::ThreadPool> pool;
    std::unique_ptr<Poco::Net::TCPServer> server;
    std::atomic<bool> stopping{false};
    Mutex mutex;
    std::map<std::string, int> connections LAPWING_GUARDED_BY(mutex);  // by peer address

    /// Counts a connection while it lives; refuses it if its address has too many already.
    class Slot {
      public:
        Slot(State& state, std::string address) : state_(state), address_(std::move(address)) {
            const MutexLock lock(state_.mutex);
            int& count = state_.connections[address_];
            admitted_ = count < state_.options.connections_per_address || address_.empty();
            ++count;
        }
        ~Slot() {
            const MutexLock lock(state_.mutex);
            const auto it = state_.connections.find(address_);
            if (--it->second == 0) {
                state_.connections.erase(it);
            }
        }
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;
        bool admitted() const { return admitted_; }

      private:
        State& state_;
        std::string address_;
        bool admitted_ = false;
    };

    class Connection;
    class Factory;
    /// How one exchange ended: another may follow; the connection was ended in order; unread bytes are
    /// left.
    enum class Outcome { next, ended, unread };

    /// False if the peer may still be sending bytes that were not read.
    bool serve(Poco::Net::StreamSocket& socket, int fd);
    Outcome serveOne(ServerSession& session, Poco::Net::StreamSocket& socket, int fd,
                     Deadlines::Watch& watch);
};

namespace {

/// Reads and discards what the peer still sends, for a moment. Closing with unread bytes would reset the
/// connection, and the peer might never see the answer (or the TLS alert) that explains the failure.
void readOut(int fd) {
    constexpr auto patience = std::chrono::milliseconds(3000);
    constexpr std::size_t most = 16U << 20;
    if (::shutdown(fd, SHUT_WR) != 0) {
        return;
    }
    const auto deadline = std::chrono::steady_clock::now() + patience;
    std::array<char, 8192> buffer{};
    for (std::size_t total = 0; total < most;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd waiting{fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) != 1) {
            return;
        }
        const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (n <= 0) {
            return;
        }
        total += static_cast<std::size_t>(n);
    }
}

/// The socket under a second descriptor: Poco closes its own as soon as anything fails, and that number
/// might then belong to another connection.
class SpareSocket {
  public:
    explicit SpareSocket(int fd) : fd_(::fcntl(fd, F_DUPFD_CLOEXEC, 0)) {}
    ~SpareSocket() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    SpareSocket(const SpareSocket&) = delete;
    SpareSocket& operator=(const SpareSocket&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

class Server::State::Connection : public Poco::Net::TCPServerConnection {
  public:
    Connection(const Poco::Net::StreamSocket& socket, State& state)
        : TCPServerConnection(socket), state_(state) {}
    void run() override {
        const SpareSocket spare(socket().impl()->sockfd());
        if (spare.fd() < 0) {
            return;
        }
        bool clean = false;
        try {
            clean = state_.serve(socket(), spare.fd());
        } catch (const Poco::Exception& e) {
            spdlog::debug("{}: connection ended: {}", state_.options.name, e.displayText());
        } catch (const std::exception& e) {
            spdlog::warn("{}: connection ended: {}", state_.options.name, e.what());
        }
        if (!clean) {
            readOut(spare.fd());
        }
    }

  private:
    State& state_;
};

class Server::State::Factory : public Poco::Net::TCPServerConnectionFactory {
  public:
    explicit Factory(State& state) : state_(state) {}
    Poco::Net::TCPServerConnection* createConnection(const Poco::Net::StreamSocket& socket) override {
        return new Connection(socket, state_);
    }

  private:
    State& state_;
};

namespace {

void answerInPlain(Poco::Net::StreamSocket& socket, std::string_view text) {
    ::send(socket.impl()->sockfd(), text.data(), text.size(), MSG_NOSIGNAL);
}

/// Whether a client that should speak TLS speaks HTTP, judged by its first byte.
bool speaksPlainHttp(Poco::Net::StreamSocket& socket, std::chrono::milliseconds patience) {
    pollfd waiting{socket.impl()->sockfd(), POLLIN, 0};
    char first = 0;
    return ::poll(&waiting, 1, static_cast<int>(patience.count())) == 1 &&
           ::recv(waiting.fd, &first, 1, MSG_PEEK) == 1 && first >= 'A' && first <= 'Z';
}

void answerError(ServerSession& session, int status, const std::string& message) {
    HTTPServerResponseImpl response(session);
    response.setVersion(Poco::Net::HTTPMessage::HTTP_1_1);
    response.setStatusAndReason(static_cast<HTTPResponse::HTTPStatus>(status));
    response.setKeepAlive(false);
    response.setContentType("text/plain; charset=utf-8");
    response.setContentLength64(static_cast<Poco::Int64>(message.size() + 1));
    response.send() << message << '\n' << std::flush;
    session.setKeepAlive(false);
}

}  // namespace

bool Server::State::serve(Poco::Net::StreamSocket& socket, int fd) {
    const bool local = socket.address().family() == Poco::Net::AddressFamily::UNIX_LOCAL;
    const Slot slot(*this, local ? "" : socket.peerAddress().host().toString());
    if (!slot.admitted()) {
        if (!options.tls) {
            answerInPlain(socket,
                          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
                          "Content-Length: 0\r\n\r\n");
        }
        return true;
    }
    Deadlines::Watch watch(*deadlines, fd, this);
    watch.allow(options.header_time);
    if (options.tls && speaksPlainHttp(socket, options.header_time)) {
        answerInPlain(
            socket,
            "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
            "This port speaks HTTPS: the request came without TLS.\n");
        return false;
    }
    ServerSession session(socket, params);
    while (!stopping && session.hasMoreRequests()) {
        watch.allow(options.header_time);
        const auto outcome = serveOne(session, socket, fd, watch);
        // Before the session is destroyed: its destructor shuts the socket for reading too, and the next
        // byte to arrive would reset the connection.
        if (outcome == Outcome::unread) {
            readOut(fd);
        }
        if (outcome != Outcome::next) {
            return true;
        }
        watch.allow(options.keep_alive + std::chrono::seconds(2), true);
    }
    return true;
}

Server::State::Outcome Server::State::serveOne(ServerSession& session, Poco::Net::StreamSocket& socket,
                                               int fd, Deadlines::Watch& watch) {
    try {
        // Before the response, whose destructor writes the end of an answer.
        Cork cork(fd);
        HTTPServerResponseImpl response(session);
        ServerRequest request(response, session, *params, options.uri_bytes);
        watch.allow(options.exchange_time);
        response.setVersion(request.getVersion());
        response.setKeepAlive(request.getKeepAlive() && session.canKeepAlive() && !stopping &&
                              server->queuedConnections() == 0);
        PocoRequest wrapped(request, response, watch.gone());
        PocoResponder responder(request, response, wrapped, cork);
        if (options.want_agent) {
            const Poco::Net::SecureStreamSocket secure(socket);
            if (secure.havePeerCertificate()) {
                const auto certificate = secure.peerCertificate();
                wrapped.agent = certificate.commonName();
                wrapped.certificate = tls::fingerprint(certificate.certificate());
                const auto validity = tls::validityOf(certificate.certificate());
                wrapped.certificate_issued = validity.issued;
                wrapped.certificate_ends = validity.ends;
                wrapped.address = socket.peerAddress().host().toString();
            }
        }
        try {
            handler(wrapped, responder);
        } catch (const std::exception& e) {
            // An exception that escapes a handler, Poco's or the standard library's, is our own fault.
            spdlog::error("{} {}: {}", wrapped.method, wrapped.path, e.what());
            if (!responder.sent()) {
                responder.send(500, "text/plain; charset=utf-8", "internal error\n");
            }
        }
        if (!responder.sent()) {
            responder.send(500, "text/plain; charset=utf-8", "internal error\n");
        }
        responder.finish();
        if (options.answered) {
            options.answered(responder.status());
        }
        if (!wrapped.complete()) {
            return Outcome::unread;
        }
        return response.getKeepAlive() ? Outcome::next : Outcome::ended;
    } catch (const Poco::Net::NoMessageException&) {
        return Outcome::ended;
    } catch (const ServerRequest::UriTooLong& e) {
        answerError(session, HTTPResponse::HTTP_REQUEST_URI_TOO_LONG,
                    "the URI is longer than " + std::to_string(e.limit) + " bytes: send a form by POST");
        if (options.answered) {
            options.answered(HTTPResponse::HTTP_REQUEST_URI_TOO_LONG);
        }
        return Outcome::unread;
    } catch (const Poco::Net::MessageException& e) {
        answerError(session, 400, "the request cannot be understood: " + e.message());
        if (options.answered) {
            options.answered(400);
        }
        return Outcome::unread;
    } catch (const Poco::SyntaxException&) {
        answerError(session, 400, "the request cannot be understood: its Content-Length is not a number");
        if (options.answered) {
            options.answered(400);
        }
        return Outcome::unread;
    }
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
    stop(std::chrono::milliseconds(0));
}

namespace {

Error bindFailure(const ServerOptions& options, const std::string& where, const Poco::Exception& e) {
    const bool taken = e.code() == EADDRINUSE;
    const bool denied = e.code() == EACCES || e.code() == EPERM;
    const auto kind = taken ? ErrorKind::refused : denied ? ErrorKind::denied : ErrorKind::invalid;
    std::string reason = e.displayText();
    if (taken) {
        reason = "another process listens there already";
    } else if (denied) {
        reason = "permission denied";
    } else if (e.code() == EADDRNOTAVAIL) {
        reason = "this machine has no such address";
    }
    return {kind, "listen for " + options.name + " on " + where + ": " + reason};
}

/// Removes a socket file that a dead process left; keeps one on which a process listens.
void removeDeadSocket(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return;
    }
    try {
        Poco::Net::StreamSocket probe;
        probe.connect(Poco::Net::SocketAddress(Poco::Net::SocketAddress::UNIX_LOCAL, path));
    } catch (const Poco::Exception&) {
        ::unlink(path.c_str());
    }
}

/// False if the group exists and this process may not give a file to it.
bool giveToGroup(const std::string& path, const std::string& group) {
    const auto* entry = group.empty() ? nullptr : ::getgrnam(group.c_str());
    return entry == nullptr || ::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) == 0;
}

}  // namespace

Expected<std::unique_ptr<Server>> Server::listen(ServerOptions options, Handler handler,
                                                 Deadlines& deadlines) {
    auto state = std::make_unique<State>();
    state->options = std::move(options);
    state->handler = std::move(handler);
    state->deadlines = &deadlines;
    const auto& wanted = state->options;
    const bool local = !wanted.unix_socket.empty();
    const std::string where =
        local ? wanted.unix_socket : wanted.address + " port " + std::to_string(wanted.port);
    try {
        if (local) {
            removeDeadSocket(wanted.unix_socket);
        }
        const Poco::Net::SocketAddress address =
            local ? Poco::Net::SocketAddress(Poco::Net::SocketAddress::UNIX_LOCAL, wanted.unix_socket)
                  : Poco::Net::SocketAddress(wanted.address, static_cast<Poco::UInt16>(wanted.port));
        Poco::Net::ServerSocket socket;
        if (wanted.tls) {
            socket = Poco::Net::SecureServerSocket(wanted.tls);
        }
        // Address reuse but no port reuse: two processes that share a port would take each other's
        // requests.
        if (!local && address.family() == Poco::Net::AddressFamily::IPv6) {
            socket.bind6(address, true, false, false);
        } else {
            socket.bind(address, !local, false);
        }
        if (local) {
            if (!giveToGroup(wanted.unix_socket, wanted.unix_group)) {
                spdlog::warn("{} cannot be given to the group {}: this user is not a member",
                             wanted.unix_socket, wanted.unix_group);
            }
            if (::chmod(wanted.unix_socket.c_str(), 0660) != 0) {
                return fail(ErrorKind::denied, "listen on " + where + ": its mode cannot be set");
            }
        }
        socket.listen(128);
        HTTPServerParams::Ptr params = new HTTPServerParams;
        params->setMaxThreads(wanted.threads);
        params->setMaxQueued(wanted.queued);
        // When it stops, Debian 12's Poco wakes one waiting thread. After a burst of connections several
        // wait, and the others delay the end this long.
        params->setThreadIdleTime(Poco::Timespan(1, 0));
        params->setTimeout(Poco::Timespan(30, 0));
        params->setKeepAlive(true);
        params->setKeepAliveTimeout(Poco::Timespan(wanted.keep_alive.count() * 1000));
        state->params = params;
        state->pool = std::make_unique<Poco::ThreadPool>(wanted.name, 1, wanted.threads + 1, 60);
        state->server = std::make_unique<Poco::Net::TCPServer>(
            new State::Factory(*state), *state->pool, socket, Poco::Net::TCPServerParams::Ptr(params));
    } catch (const Poco::Exception& e) {
        return fail(bindFailure(wanted, where, e));
    }
    return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::start() {
    state_->server->start();
}

void Server::stop(std::chrono::milliseconds grace) {
    if (state_->stopping.exchange(true)) {
        return;
    }
    state_->server->stop();
    state_->deadlines->drain(state_.get(), grace);
    state_->pool->joinAll();
    if (!state_->options.unix_socket.empty()) {
        ::unlink(state_->options.unix_socket.c_str());
    }
}

int Server::port() const {
    return state_->server->port();
}

}  // namespace lapwing::api
