#include "collector/api/server.h"

#include "collector/api/server_state.h"
// The order matters: see server_state.h.
#include <Poco/Net/Context.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

#include "collector/api/connection.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::api {
namespace {

using Socket = net::generic::stream_protocol::socket;

constexpr std::chrono::seconds kTellAgain{60};
/// Without descriptors, the next attempt to accept waits this long.
constexpr std::chrono::milliseconds kDescriptorPause{100};
/// Other connections get their turn after so many new ones.
constexpr int kAcceptedAtOnce = 32;
/// What an answer may take whatever the other answers hold.
constexpr std::size_t kSmallAnswer = 256U << 10;
constexpr std::size_t kSmallBody = 64U << 10;
/// Requests that wait for a thread.
constexpr std::size_t kWaitingRequests = 1024;

/// A socket address of any family.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }
    /// Numeric; "" for a Unix socket.
    std::string text() const {
        std::array<char, INET6_ADDRSTRLEN> out{};
        if (family() == AF_INET) {
            ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, out.data(),
                        out.size());
        } else if (family() == AF_INET6) {
            ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, out.data(),
                        out.size());
        }
        return out.data();
    }
    int port() const {
        return ntohs(family() == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                                          : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    }
};

Expected<Address> addressOf(const ServerOptions& options) {
    Address out;
    if (!options.unix_socket.empty()) {
        auto* local = reinterpret_cast<sockaddr_un*>(&out.storage);
        if (options.unix_socket.size() >= sizeof local->sun_path) {
            return fail(ErrorKind::invalid, "its path is too long");
        }
        local->sun_family = AF_UNIX;
        std::memcpy(local->sun_path, options.unix_socket.c_str(), options.unix_socket.size() + 1);
        out.size = sizeof(sockaddr_un);
        return out;
    }
    auto* four = reinterpret_cast<sockaddr_in*>(&out.storage);
    auto* six = reinterpret_cast<sockaddr_in6*>(&out.storage);
    if (::inet_pton(AF_INET, options.address.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(static_cast<std::uint16_t>(options.port));
        out.size = sizeof(sockaddr_in);
    } else if (::inet_pton(AF_INET6, options.address.c_str(), &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(static_cast<std::uint16_t>(options.port));
        out.size = sizeof(sockaddr_in6);
    } else {
        return fail(ErrorKind::invalid, "it is no numeric address");
    }
    return out;
}

Error bindFailure(const ServerOptions& options, const std::string& where, int code) {
    const bool taken = code == EADDRINUSE;
    const bool denied = code == EACCES || code == EPERM;
    const auto kind = taken ? ErrorKind::refused : denied ? ErrorKind::denied : ErrorKind::invalid;
    std::string reason = std::strerror(code);
    if (taken) {
        reason = "another process listens there already";
    } else if (denied) {
        reason = "permission denied";
    } else if (code == EADDRNOTAVAIL) {
        reason = "this machine has no such address";
    }
    return {kind, "listen for " + options.name + " on " + where + ": " + reason};
}

/// Removes a socket file that a dead process left; keeps one on which a process listens.
void removeDeadSocket(Address address, const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return;
    }
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(probe, address.get(), address.size) != 0) {
        ::unlink(path.c_str());
    }
    ::close(probe);
}

/// In a set-group-ID directory a socket has the directory's group already.
bool inheritsGroup(const std::string& path) {
    const auto slash = path.rfind('/');
    struct stat directory {};
    return slash != std::string::npos && ::stat(path.substr(0, slash).c_str(), &directory) == 0 &&
           (directory.st_mode & S_ISGID) != 0;
}

/// False if the group exists and this process may not give a file to it.
bool giveToGroup(const std::string& path, const std::string& group) {
    if (inheritsGroup(path)) {
        return true;
    }
    const auto* entry = group.empty() ? nullptr : ::getgrnam(group.c_str());
    return entry == nullptr || ::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) == 0;
}

void setOption(int fd, int level, int name) {
    const int on = 1;
    ::setsockopt(fd, level, name, &on, sizeof on);
}

/// A listening socket, or the errno of the failure.
tl::expected<int, int> listenOn(Address& address) {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return tl::unexpected(errno);
    }
    if (address.family() != AF_UNIX) {
        // Address reuse but no port reuse: two processes that share a port would take each other's requests.
        setOption(fd, SOL_SOCKET, SO_REUSEADDR);
    }
    if (address.family() == AF_INET6) {
        setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    }
    if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, SOMAXCONN) != 0 ||
        ::getsockname(fd, address.get(), &(address.size = sizeof address.storage)) != 0) {
        const int code = errno;
        ::close(fd);
        return tl::unexpected(code);
    }
    return fd;
}

bool isShortage(int code) {
    return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

/// Without memory, a step of a connection may throw: that connection ends at its deadline, the others go on.
void run(net::io_context& context) {
    while (true) {
        try {
            context.run();
            return;
        } catch (const std::exception& e) {
            spdlog::error("a step of a connection is given up: {}", e.what());
        }
    }
}

}  // namespace

Loop::Loop() : state_(std::make_unique<State>()) {
    state_->thread = std::thread([this] { run(state_->context); });
}

Loop::~Loop() {
    state_->work.reset();
    state_->context.stop();
    state_->thread.join();
}

void LimitBook::note(Limit limit, const std::string& who) {
    const auto index = static_cast<std::size_t>(limit);
    const std::uint64_t count = ++counts_[index];
    std::uint64_t since = 0;
    {
        const MutexLock lock(mutex_);
        auto& told_at = told_at_[index];
        const auto now = Clock::now();
        if (told_at && now - *told_at < kTellAgain) {
            return;
        }
        told_at = now;
        since = count - std::exchange(told_[index], count);
    }
    static constexpr std::array<const char*, kLimitNames.size()> texts = {
        "ended connections that had sent no request yet, for newer ones",
        "ended idle connections for newer ones",
        "refused connections: too many of one member",
        "refused connections: too many of all members",
        "ended connections that were too slow",
        "refused requests: too many bytes at once",
        "refused answers: too large, or too many wait for slow clients",
        "refused requests: too many wait for their turn",
        "refused requests that wait for news: too many of one member",
        "the descriptors are used up: ended connections, or could not accept",
    };
    spdlog::warn("{}: {} ({} since the last message; the latest: {})", listener_, texts[index], since,
                 who.empty() ? "local" : printable(who));
}

Server::State::State(ServerOptions wanted, Handler made, Loop& loop)
    : options(std::move(wanted)),
      handler(std::move(made)),
      context(loop.state().context),
      limits(options.name),
      slow(options.name, options.slow_threads, options.threads_per_client, kWaitingRequests),
      // One client leaves threads to the others.
      quick(options.name, options.quick_threads, std::max<std::size_t>(options.quick_threads / 2, 1),
            kWaitingRequests),
      bodies(options.bodies_bytes, options.bodies_of_member, kSmallBody),
      answers(options.answers_bytes, options.answers_bytes, kSmallAnswer),
      listening(context),
      retry(context),
      grace(context),
      table(options.connections) {}

void Server::State::accept() {
    listening.async_wait(Socket::wait_read, [self = shared_from_this()](boost::system::error_code error) {
        if (!error && !self->stopping) {
            self->takeConnections();
        }
    });
}

void Server::State::takeConnections() {
    for (int i = 0; i < kAcceptedAtOnce; ++i) {
        Address peer;
        const int fd =
            ::accept4(listening.native_handle(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && isShortage(errno)) {
            return pauseAccepting();
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (fd < 0) {
            continue;  // the client has left already
        }
        if (peer.family() != AF_UNIX) {
            setOption(fd, IPPROTO_TCP, TCP_NODELAY);
        }
        boost::system::error_code error;
        Socket socket(context);
        socket.assign({peer.family(), peer.family() == AF_UNIX ? 0 : IPPROTO_TCP}, fd, error);
        if (error) {
            ::close(fd);
            continue;
        }
        const std::string address = peer.text();
        const auto added = table.add(strangerAddress(address));
        endFor(added.ended, Limit::strangers);
        auto connection =
            std::make_shared<Connection>(shared_from_this(), std::move(socket), address, added.id);
        connections[added.id] = connection;
        connection->start();
    }
    countConnections();
    accept();
}

/// The listening socket stays readable, so the next attempt waits.
void Server::State::pauseAccepting() {
    const auto expendable = table.mostExpendable();
    if (expendable) {
        endFor(expendable, Limit::descriptors);
    } else {
        limits.note(Limit::descriptors, "");
    }
    retry.expires_after(kDescriptorPause);
    retry.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error && !self->stopping) {
            self->takeConnections();
        }
    });
}

void Server::State::endFor(std::optional<ConnectionTable::Id> id, Limit limit) {
    const auto found = id ? connections.find(*id) : connections.end();
    if (found == connections.end()) {
        return;
    }
    const auto connection = found->second;
    limits.note(limit, connection->client());
    connection->end();
}

void Server::State::countConnections() {
    strangers = table.strangers();
    members = table.members();
}

void Server::State::forget(ConnectionTable::Id id) {
    table.remove(id);
    connections.erase(id);
    countConnections();
    if (stopping && connections.empty()) {
        grace.cancel();
        const MutexLock lock(ended_mutex);
        ended = true;
        ended_changed.notifyAll();
    }
}

void Server::State::drain(std::chrono::milliseconds time) {
    stopping = true;
    boost::system::error_code ignored;
    listening.close(ignored);
    retry.cancel();
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [id, connection] : connections) {
        all.push_back(connection);
    }
    for (const auto& connection : all) {
        connection->drain();
    }
    grace.expires_after(time);
    grace.async_wait([self = shared_from_this()](boost::system::error_code) {
        std::vector<std::shared_ptr<Connection>> rest;
        for (const auto& [id, connection] : self->connections) {
            rest.push_back(connection);
        }
        for (const auto& connection : rest) {
            connection->end();
        }
        self->forget(0);
    });
    if (connections.empty()) {
        forget(0);
    }
}

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
    askToStop(std::chrono::milliseconds(0));
    stop();
}

Expected<std::unique_ptr<Server>> Server::listen(ServerOptions options, Handler handler, Loop& loop) {
    const bool local = !options.unix_socket.empty();
    const std::string where =
        local ? options.unix_socket : options.address + " port " + std::to_string(options.port);
    auto address = addressOf(options);
    if (!address) {
        return fail(ErrorKind::invalid,
                    "listen for " + options.name + " on " + where + ": " + address.error().message);
    }
    if (local) {
        removeDeadSocket(*address, options.unix_socket);
    }
    const auto fd = listenOn(*address);
    if (!fd) {
        return fail(bindFailure(options, where, fd.error()));
    }
    auto state = std::make_shared<State>(std::move(options), std::move(handler), loop);
    boost::system::error_code error;
    state->listening.assign({address->family(), local ? 0 : IPPROTO_TCP}, *fd, error);
    if (error) {
        ::close(*fd);
        return fail(ErrorKind::internal, "listen on " + where + ": " + error.message());
    }
    const auto& wanted = state->options;
    if (local) {
        if (!giveToGroup(wanted.unix_socket, wanted.unix_group)) {
            spdlog::warn("{} cannot be given to the group {}: this user is not a member", wanted.unix_socket,
                         wanted.unix_group);
        }
        if (::chmod(wanted.unix_socket.c_str(), 0660) != 0) {
            return fail(ErrorKind::denied, "listen on " + where + ": its mode cannot be set");
        }
    } else {
        state->port = address->port();
    }
    if (wanted.tls) {
        SSL_CTX* shared = wanted.tls->sslContext();
        ::SSL_CTX_up_ref(shared);
        state->tls.emplace(shared);
    }
    return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::start() {
    net::post(state_->context, [state = state_] { state->accept(); });
}

void Server::askToStop(std::chrono::milliseconds grace) {
    net::post(state_->context, [state = state_, grace] {
        if (!state->stopping) {
            state->drain(grace);
        }
    });
}

void Server::stop() {
    {
        MutexLock lock(state_->ended_mutex);
        while (!state_->ended) {
            state_->ended_changed.wait(lock);
        }
    }
    state_->slow.stop();
    state_->quick.stop();
    if (!state_->options.unix_socket.empty()) {
        ::unlink(state_->options.unix_socket.c_str());
    }
}

int Server::port() const {
    return state_->port;
}

const std::string& Server::name() const {
    return state_->options.name;
}

void Server::addMetrics(const std::vector<std::unique_ptr<Server>>& servers,
                        std::vector<prometheus::MetricFamily>& out) {
    struct Sums {
        double strangers = 0;
        double members = 0;
        double handshakes = 0;
        double bodies = 0;
        double answers = 0;
        std::array<double, kLimitNames.size()> limits{};
    };
    std::map<std::string, Sums> sums;
    for (const auto& server : servers) {
        const State& state = *server->state_;
        Sums& sum = sums[state.options.name];
        sum.strangers += static_cast<double>(state.strangers);
        sum.members += static_cast<double>(state.members);
        sum.handshakes += static_cast<double>(state.failed_handshakes);
        sum.bodies += static_cast<double>(state.bodies.used());
        sum.answers += static_cast<double>(state.answers.used());
        for (std::size_t i = 0; i < kLimitNames.size(); ++i) {
            sum.limits[i] += static_cast<double>(state.limits.count(static_cast<Limit>(i)));
        }
    }
    auto connections = gauge(metric::kCollectorConnections, "Open connections.");
    auto limited = counter(metric::kCollectorConnectionsLimitedTotal,
                           "Connections and requests that a limit has ended or refused.");
    auto handshakes = counter(metric::kCollectorHandshakesFailedTotal, "TLS handshakes that failed.");
    auto buffered = gauge(metric::kCollectorBufferedBytes,
                          "Bytes of requests and answers in memory, for clients that are slower.");
    for (const auto& [listener, sum] : sums) {
        add(connections, {{"listener", listener}, {"of", "strangers"}}, sum.strangers);
        add(connections, {{"listener", listener}, {"of", "members"}}, sum.members);
        add(handshakes, {{"listener", listener}}, sum.handshakes);
        add(buffered, {{"listener", listener}, {"of", "requests"}}, sum.bodies);
        add(buffered, {{"listener", listener}, {"of", "answers"}}, sum.answers);
        for (std::size_t i = 0; i < kLimitNames.size(); ++i) {
            add(limited, {{"listener", listener}, {"limit", kLimitNames[i]}}, sum.limits[i]);
        }
    }
    for (auto* family : {&connections, &limited, &handshakes, &buffered}) {
        out.push_back(std::move(*family));
    }
}

}  // namespace lapwing::api
