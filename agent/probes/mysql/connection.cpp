#include "agent/probes/mysql/connection.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <mysql.h>
#include <netdb.h>
#include <netinet/in.h>
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
#include "common/memory_budget.h"
#include "common/text.h"

// NOLINTNEXTLINE(readability-identifier-naming): the library's name
extern "C" __attribute__((weak)) int ma_pvio_register_callback(my_bool registers,
                                                               void (*callback)(int mode, MYSQL* mysql,
                                                                                const unsigned char* bytes,
                                                                                std::size_t length));

namespace lapwing::agent::mysql {
namespace {

// Error numbers of libmariadb (errmsg.h).
constexpr unsigned kCannotConnectSocket = 2002;
constexpr unsigned kCannotConnectHost = 2003;
constexpr unsigned kUnknownHost = 2005;
constexpr unsigned kServerGone = 2006;
constexpr unsigned kServerLost = 2013;
constexpr unsigned kTlsError = 2026;
constexpr unsigned kPluginNotAllowed = 5010;
/// Of one answer, and of one of its rows in the library's buffer: a server with 10,000 connections shows 2 MB
/// of them.
constexpr std::size_t kMostBytes = 4U << 20;
/// Of the columns' names, for each of which the library takes some times its size.
constexpr std::size_t kMostColumnBytes = 1U << 20;

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

/// The kernel keeps no more of an answer that nobody reads any more.
void boundBuffer(int fd) {
    const int bytes = 256 * 1024;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

/// Counts what the library reads while it lives. Beyond `most` bytes it ends the connection: the library
/// reads on as long as a quick server sends, before it gives control back.
class Reading {
  public:
    Reading(std::size_t& read, std::size_t most) : read_(read), most_(most) {
        // Of libmariadb since 3.0, in no header. The function is the same for all connections.
        static const bool registered =
            ma_pvio_register_callback != nullptr && ma_pvio_register_callback(1, note) == 0;
        static_cast<void>(registered);
        current = this;
    }
    ~Reading() { current = nullptr; }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

  private:
    static void note(int mode, MYSQL* mysql, const unsigned char* /*bytes*/, std::size_t length) {
        constexpr int reads = 0;
        if (current == nullptr || mode != reads || length > kMostBytes) {  // a failure is -1
            return;
        }
        current->read_ += length;
        if (current->read_ > current->most_) {
            ::shutdown(static_cast<int>(mysql_get_socket(mysql)), SHUT_RDWR);
        }
    }

    static thread_local Reading* current;
    std::size_t& read_;
    const std::size_t most_;
};

thread_local Reading* Reading::current = nullptr;

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
    enum class Step { idle, connecting, asking, fetching };

    MYSQL* mysql = nullptr;
    Step step = Step::idle;
    bool connected = false;
    int wait = 0;  ///< the events of the step under way, MYSQL_WAIT_*
    MYSQL* connect_result = nullptr;
    int query_result = 0;
    struct FreeResult {
        void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
    };
    std::unique_ptr<MYSQL_RES, FreeResult> rows;
    MYSQL_ROW row = nullptr;
    Table table;            ///< the rows so far
    std::size_t bytes = 0;  ///< of the table, about
    std::uint64_t received_before = 0;
    std::size_t read = 0;   ///< bytes of the answer that the library has taken from the socket
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
        // A step under way would make mysql_close() wait for a server that does not answer, or for the rest
        // of its rows.
        if (step != Step::idle) {
            ::shutdown(static_cast<int>(mysql_get_socket(mysql)), SHUT_RDWR);
        }
        rows.reset();
        mysql_close(mysql);
    }

    /// Bytes of the step's answer that the library may read. Before there are rows, it keeps the columns'
    /// names.
    std::size_t mostRead() const { return step == Step::fetching ? 2 * kMostBytes : kMostColumnBytes; }

    void resume(int ready) {
        const Reading reading(read, mostRead());
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
            case Step::fetching:
                wait = mysql_fetch_row_cont(&row, rows.get(), ready);
                return;
        }
    }

    /// The bytes that the TCP connection has delivered; 0 for a Unix socket.
    std::uint64_t received() const {
        tcp_info info{};
        socklen_t length = sizeof info;
        const auto fd = static_cast<int>(mysql_get_socket(mysql));
        const bool known = fd >= 0 && ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0;
        return known ? info.tcpi_bytes_received : 0;
    }

    bool hasTooManyRows() const { return bytes > kMostBytes; }
    bool hasReceivedTooMuch() const {
        return read > mostRead() || received() - received_before > 2 * kMostBytes;
    }

    void beginRows() {
        rows.reset(mysql_use_result(mysql));
        table = {};
        bytes = 0;
        if (rows == nullptr) {
            step = Step::idle;
            return;
        }
        const auto columns = mysql_num_fields(rows.get());
        const MYSQL_FIELD* fields = mysql_fetch_fields(rows.get());
        for (unsigned i = 0; i < columns; ++i) {
            table.columns.emplace_back(fields[i].name, fields[i].name_length);
        }
        step = Step::fetching;
        wait = mysql_fetch_row_start(&row, rows.get());
    }

    /// Keeps the row that has come and asks for the next one.
    void keepRow() {
        if (row == nullptr) {
            step = Step::idle;
            return;
        }
        const unsigned long* lengths = mysql_fetch_lengths(rows.get());
        auto& out = table.rows.emplace_back(table.columns.size());
        bytes += sizeof(decltype(table.rows)::value_type);
        for (std::size_t i = 0; i < out.size(); ++i) {
            bytes += sizeof out[i];
            if (row[i] != nullptr) {
                MemoryBudget::received(lengths[i]);
                out[i].emplace(row[i], lengths[i]);
                bytes += lengths[i];
            }
        }
        wait = mysql_fetch_row_start(&row, rows.get());
    }

    /// Continues until the step is done (true) or the time is over (false).
    bool run(Clock::time_point until) {
        while (wait != 0) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0 || hasReceivedTooMuch()) {
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
    refusal_ = {mysql_errno(handle_->mysql), printable(mysql_error(handle_->mysql))};
    const auto code = refusal_.code;
    auto message =
        settings_.place() + ": " + what + "error " + std::to_string(code) + ": " + refusal_.message;
    if (code == kPluginNotAllowed) {
        message +=
            "; a server that is not verified gets no password: set `ca` (TLS) or `server_key`, or use the "
            "socket";
    }
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
    } else if (code == kPluginNotAllowed) {
        kind = ErrorKind::denied;
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
    const unsigned long most = kMostBytes;
    mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &most);
    if (settings_.socket.empty()) {
        // The others send the password itself, in clear or encrypted with a key that the server names: any
        // server that is not verified would get it.
        const bool verified = !settings_.ca_file.empty() || !settings_.server_key_file.empty();
        mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH,
                      verified ? "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password"
                               : "mysql_native_password,client_ed25519");
    }
    if (!settings_.server_key_file.empty()) {
        mysql_options(mysql, MYSQL_SERVER_PUBLIC_KEY, settings_.server_key_file.c_str());
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
    boundBuffer(static_cast<int>(mysql_get_socket(handle_->mysql)));
    return {};
}

Expected<void> Connection::settle(Clock::time_point until) {
    auto& handle = *handle_;
    while (handle.step != Handle::Step::idle) {
        if (handle.hasTooManyRows() || !handle.run(until) || handle.hasReceivedTooMuch()) {
            if (handle.hasTooManyRows() || handle.hasReceivedTooMuch()) {
                const auto statement = handle.statement;
                close();
                return fail(ErrorKind::exhausted, settings_.place() + ": an answer of more than " +
                                                      std::to_string(kMostBytes >> 20U) + " MiB to " +
                                                      (statement.empty() ? "the connection" : statement));
            }
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
            if (handle.query_result == 0) {
                handle.beginRows();
            }
        } else {
            handle.keepRow();
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
        handle_->rows.reset();
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
    handle.received_before = handle.received();
    handle.read = 0;
    handle.step = Handle::Step::asking;
    {
        const Reading reading(handle.read, handle.mostRead());
        handle.wait = mysql_real_query_start(&handle.query_result, handle.mysql, handle.statement.data(),
                                             static_cast<unsigned long>(handle.statement.size()));
    }
    if (auto settled = settle(until); !settled) {
        return tl::unexpected(settled.error());
    }
    if (mysql_errno(handle.mysql) != 0) {
        auto error = lastError(statement + ": ");
        handle.rows.reset();
        // A client error (2000 to 2999) means a lost connection. A refused statement leaves it usable.
        if (refusal_.code >= 2000 && refusal_.code < 3000) {
            close();
        }
        return tl::unexpected(std::move(error));
    }
    affected_ = mysql_affected_rows(handle.mysql);
    handle.rows.reset();
    return std::move(handle.table);
}

}  // namespace lapwing::agent::mysql
