#include "agent/probes/mysql/connection.h"

#include <arpa/inet.h>
#include <mysql.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <string_view>
#include <utility>

#include "agent/probes/http_target.h"
#include "agent/probes/mysql/grants.h"
#include "common/database_errors.h"
#include "common/endpoint.h"
#include "common/http/resolver.h"

namespace lapwing::agent::mysql {
namespace {

// Error numbers of libmariadb (errmsg.h).
constexpr unsigned kCannotConnectSocket = 2002;
constexpr unsigned kCannotConnectHost = 2003;
constexpr unsigned kUnknownHost = 2005;
constexpr unsigned kServerGone = 2006;
constexpr unsigned kServerLost = 2013;
constexpr unsigned kTlsError = 2026;
constexpr std::size_t kMostRows = 10'000;

/// The kind of a refusal by a server that answers; nothing for other errors.
std::optional<ErrorKind> refusalKind(unsigned code) {
    const auto* known = database::knownError(code);
    if (known == nullptr || !database::isRefusal(known->kind)) {
        return std::nullopt;
    }
    switch (known->kind) {
        case database::ErrorClass::too_many_connections:
        case database::ErrorClass::user_limit:
        case database::ErrorClass::no_resources:
            return ErrorKind::exhausted;
        case database::ErrorClass::offline_mode:
            return ErrorKind::unavailable;
        default:
            return ErrorKind::denied;
    }
}

std::string osUser() {
    std::array<char, 4096> buffer{};
    passwd entry = {};
    passwd* found = nullptr;
    if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
        return found->pw_name;
    }
    return "lapwing";
}

/// The first address of a host, as digits: the client library would resolve the name without a deadline.
Expected<std::string> addressOf(const Settings& settings, Connection::Clock::time_point until) {
    const auto found = http::resolve(settings.host, settings.port, until);
    if (!found) {
        return tl::unexpected(found.error());
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    const auto& first = found->front();
    if (::getnameinfo(reinterpret_cast<const sockaddr*>(&first.storage), first.length, text.data(),
                      text.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
        return fail(ErrorKind::unreachable, settings.place() + ": no usable address");
    }
    return std::string(text.data());
}

/// Notices within half a minute that the peer has vanished; the kernel's default is two hours.
void watchPeer(int fd) {
    const int on = 1;
    const int idle = 10;
    const int interval = 5;
    const int count = 3;
    const int unanswered_ms = 30'000;
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

}  // namespace

std::string Settings::place() const {
    if (!socket.empty()) {
        return "unix:" + socket;
    }
    return Endpoint{host, port}.toString();
}

std::optional<std::size_t> Table::find(std::string_view column) const {
    const auto at = std::find(columns.begin(), columns.end(), column);
    if (at == columns.end()) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(at - columns.begin());
}

/// The library's object and the step under way on it.
struct Connection::Handle {
    enum class Step { idle, connecting, asking, storing };

    MYSQL* mysql = nullptr;
    Step step = Step::idle;
    bool connected = false;
    int wait = 0;  ///< the events of the step under way, MYSQL_WAIT_*
    MYSQL* connect_result = nullptr;
    int query_result = 0;
    MYSQL_RES* rows = nullptr;
    std::string statement;  ///< must outlive the step
    // The library keeps pointers to these until it has connected.
    std::string address;
    std::string user;
    std::string password;

    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (mysql == nullptr) {
            return;
        }
        // A step under way would make mysql_close() wait for a server that does not answer.
        if (wait != 0) {
            ::shutdown(mysql_get_socket(mysql), SHUT_RDWR);
        }
        mysql_close(mysql);
    }

    void resume(int ready) {
        switch (step) {
            case Step::idle:
                wait = 0;
                return;
            case Step::connecting:
                wait = mysql_real_connect_cont(&connect_result, mysql, ready);
                return;
            case Step::asking:
                wait = mysql_real_query_cont(&query_result, mysql, ready);
                return;
            case Step::storing:
                wait = mysql_store_result_cont(&rows, mysql, ready);
                return;
        }
    }

    /// Continues until the step is done (true) or the time is over (false).
    bool run(Clock::time_point until) {
        while (wait != 0) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0) {
                return false;
            }
            short events = 0;
            if ((wait & MYSQL_WAIT_READ) != 0) {
                events |= POLLIN;
            }
            if ((wait & MYSQL_WAIT_WRITE) != 0) {
                events |= POLLOUT;
            }
            if ((wait & MYSQL_WAIT_EXCEPT) != 0) {
                events |= POLLPRI;
            }
            pollfd descriptor = {static_cast<int>(mysql_get_socket(mysql)), events, 0};
            const int count = ::poll(&descriptor, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count <= 0) {
                return false;
            }
            int ready = 0;
            if ((descriptor.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                ready |= wait & MYSQL_WAIT_READ;
            }
            if ((descriptor.revents & (POLLOUT | POLLHUP | POLLERR)) != 0) {
                ready |= wait & MYSQL_WAIT_WRITE;
            }
            if ((descriptor.revents & POLLPRI) != 0) {
                ready |= MYSQL_WAIT_EXCEPT;
            }
            resume(ready != 0 ? ready : wait);
        }
        return true;
    }
};

Connection::Connection(Settings settings) : settings_(std::move(settings)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

void Connection::close() {
    handle_.reset();
}

Error Connection::lastError(const std::string& what) {
    refusal_ = {mysql_errno(handle_->mysql), mysql_error(handle_->mysql)};
    const auto code = refusal_.code;
    auto message =
        settings_.place() + ": " + what + "error " + std::to_string(code) + ": " + refusal_.message;
    std::replace(message.begin(), message.end(), '\n', ' ');
    const auto help = hintFor(code, refusal_.message, account_, handle_->user);
    if (!help.empty()) {
        message += "; " + help;
    }
    if (const auto refused = refusalKind(code)) {
        return {*refused, message};
    }
    auto kind = ErrorKind::execution;
    if (code == kCannotConnectSocket || code == kCannotConnectHost) {
        // "... (111 "Connection refused")", "... (2)"
        const auto has = [&](const char* word) { return refusal_.message.find(word) != std::string::npos; };
        kind = has("(2") && settings_.host.empty()            ? ErrorKind::not_found
               : has("(13")                                   ? ErrorKind::denied
               : has("(111") || has("refused") || has("(11 ") ? ErrorKind::refused
                                                              : ErrorKind::unreachable;
    } else if (code == kUnknownHost) {
        kind = ErrorKind::unreachable;
    } else if (code == kTlsError) {
        kind = ErrorKind::tls;
    } else if (code == kServerGone || code == kServerLost) {
        kind = ErrorKind::unavailable;
    } else if (code >= 2000 && code < 3000) {
        kind = ErrorKind::protocol;
    }
    return {kind, message};
}

Expected<void> Connection::begin(Clock::time_point until) {
    static std::once_flag once;
    std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
    auto handle = std::make_unique<Handle>();
    if (settings_.socket.empty()) {
        handle->address = settings_.host;
        // With TLS the certificate must match the name, so keep the name.
        if (settings_.ca_file.empty()) {
            auto address = addressOf(settings_, until);
            if (!address) {
                return tl::unexpected(address.error());
            }
            handle->address = std::move(*address);
        }
    }
    if (!settings_.password_file.empty()) {
        auto password = readSecret(settings_.password_file);
        if (!password) {
            return tl::unexpected(password.error());
        }
        handle->password = std::move(*password);
    }
    handle->user = settings_.user.empty() && settings_.defaults_file.empty() ? osUser() : settings_.user;

    MYSQL* mysql = handle->mysql = mysql_init(nullptr);
    if (mysql == nullptr) {
        return fail(ErrorKind::internal, "the MySQL client library has no memory");
    }
    const unsigned off = 0;
    const unsigned protocol = settings_.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
    mysql_options(mysql, MYSQL_OPT_NONBLOCK, nullptr);
    // A server must not be able to ask for our files, or for the password in clear.
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (settings_.socket.empty()) {
        mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                      "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519");
    }
    if (!settings_.ca_file.empty()) {
        const my_bool on = 1;
        mysql_options(mysql, MYSQL_OPT_SSL_CA, settings_.ca_file.c_str());
        mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
    }
    if (!settings_.defaults_file.empty()) {
        // The library would silently go on without a file that it cannot read.
        if (const auto readable = readSecret(settings_.defaults_file); !readable) {
            return tl::unexpected(readable.error());
        }
        mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, settings_.defaults_file.c_str());
        mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, "client");
    }
    const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    handle_ = std::move(handle);
    ++session_;
    account_.clear();
    handle_->step = Handle::Step::connecting;
    handle_->wait = mysql_real_connect_start(&handle_->connect_result, mysql, or_null(handle_->address),
                                             or_null(handle_->user), or_null(handle_->password), nullptr,
                                             settings_.port, or_null(settings_.socket), 0);
    return {};
}

Expected<void> Connection::finishConnecting() {
    handle_->step = Handle::Step::idle;
    if (handle_->connect_result == nullptr) {
        auto error = lastError("");
        close();
        return tl::unexpected(std::move(error));
    }
    handle_->connected = true;
    std::fill(handle_->password.begin(), handle_->password.end(), '\0');
    handle_->password.clear();
    if (settings_.socket.empty()) {
        watchPeer(static_cast<int>(mysql_get_socket(handle_->mysql)));
    }
    return {};
}

Expected<void> Connection::settle(Clock::time_point until) {
    auto& handle = *handle_;
    while (handle.step != Handle::Step::idle) {
        if (!handle.run(until)) {
            const bool connecting = handle.step == Handle::Step::connecting;
            return fail(
                ErrorKind::timeout,
                settings_.place() + (connecting ? ": no greeting within the deadline"
                                                : ": no answer within the deadline to " + handle.statement));
        }
        if (handle.step == Handle::Step::connecting) {
            return finishConnecting();
        }
        if (handle.step == Handle::Step::asking) {
            handle.step = Handle::Step::idle;
            if (handle.query_result != 0) {
                continue;
            }
            handle.step = Handle::Step::storing;
            handle.wait = mysql_store_result_start(&handle.rows, handle.mysql);
        } else {
            handle.step = Handle::Step::idle;
        }
    }
    return {};
}

Expected<void> Connection::ready(Clock::time_point until) {
    refusal_ = {};
    if (handle_) {
        const bool was_connecting = handle_->step == Handle::Step::connecting;
        if (auto settled = settle(until); !settled) {
            return settled;
        }
        if (was_connecting) {
            return {};
        }
        // Drop the late answer to an earlier statement.
        if (handle_->rows != nullptr) {
            mysql_free_result(handle_->rows);
        }
        handle_->rows = nullptr;
        const auto code = mysql_errno(handle_->mysql);
        if (code >= 2000 && code < 3000) {
            close();
        }
    }
    if (handle_) {
        return {};
    }
    if (auto begun = begin(until); !begun) {
        return begun;
    }
    return settle(until);
}

bool Connection::idle(unsigned session) const {
    return session == session_ && handle_ && handle_->connected && handle_->step == Handle::Step::idle;
}

bool Connection::busy() const {
    return handle_ && handle_->step != Handle::Step::idle;
}

const std::string& Connection::statement() const {
    static const std::string none;
    return handle_ ? handle_->statement : none;
}

unsigned long Connection::thread() const {
    return handle_ && handle_->connected ? mysql_thread_id(handle_->mysql) : 0;
}

Expected<Table> Connection::query(const std::string& statement, Clock::time_point until) {
    refusal_ = {};
    if (!idle(session_)) {
        return fail(ErrorKind::internal, "a statement without a connection");
    }
    auto& handle = *handle_;
    handle.statement = statement;
    handle.rows = nullptr;
    handle.step = Handle::Step::asking;
    handle.wait = mysql_real_query_start(&handle.query_result, handle.mysql, handle.statement.data(),
                                         static_cast<unsigned long>(handle.statement.size()));
    if (auto settled = settle(until); !settled) {
        return tl::unexpected(settled.error());
    }
    if (mysql_errno(handle.mysql) != 0) {
        auto error = lastError(statement + ": ");
        // A client error (2000 to 2999) means a lost connection. A refused statement leaves it usable.
        if (refusal_.code >= 2000 && refusal_.code < 3000) {
            close();
        }
        return tl::unexpected(std::move(error));
    }
    Table table;
    affected_ = mysql_affected_rows(handle.mysql);
    if (handle.rows == nullptr) {
        return table;
    }
    const auto columns = mysql_num_fields(handle.rows);
    const MYSQL_FIELD* fields = mysql_fetch_fields(handle.rows);
    for (unsigned i = 0; i < columns; ++i) {
        table.columns.emplace_back(fields[i].name, fields[i].name_length);
    }
    // The rows are in memory by now: fetching waits for nothing.
    for (MYSQL_ROW row = mysql_fetch_row(handle.rows); row != nullptr && table.rows.size() < kMostRows;
         row = mysql_fetch_row(handle.rows)) {
        const unsigned long* lengths = mysql_fetch_lengths(handle.rows);
        auto& out = table.rows.emplace_back(columns);
        for (unsigned i = 0; i < columns; ++i) {
            if (row[i] != nullptr) {
                out[i].emplace(row[i], lengths[i]);
            }
        }
    }
    mysql_free_result(handle.rows);
    handle.rows = nullptr;
    return table;
}

}  // namespace lapwing::agent::mysql
