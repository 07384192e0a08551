#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::mysql {

/// The address and account of a server.
struct Settings {
    std::string socket;  ///< of a server on this host; "" for TCP
    std::string host;
    std::uint16_t port = 3306;
    std::string user;           ///< "" means the name of the OS user, unless the defaults file has one
    std::string password_file;  ///< "" means no password
    std::string defaults_file;  ///< an option file whose group [client] is read; "" for none
    std::string ca_file;        ///< for TCP: TLS is required and verified against it
    /// For TCP: the RSA key of the server, in PEM. Without it and without `ca_file` the plugins
    /// caching_sha2_password and sha256_password are refused.
    std::string server_key_file;

    /// "unix:/run/mysqld/mysqld.sock" or "10.77.0.11:3306"
    std::string place() const;
};

/// A result as text; no value where a column is NULL.
struct Table {
    std::vector<std::string> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;

    /// The index of a column, or nothing.
    std::optional<std::size_t> find(std::string_view column) const;
};

/// A server's refusal of a statement.
struct Refusal {
    unsigned code = 0;    ///< the server's or (from 2000 to 2999) the client library's number
    std::string message;  ///< the server's own words
};

/// One connection to one server, kept open, with at most one statement under way. A statement that is not
/// answered within a call's time stays under way, and the next call waits for it first, so a server that
/// hangs holds one connection, however often it is asked. Built on libmariadb's non-blocking calls. Not
/// synchronised, but calls may come from different threads.
class Connection {
  public:
    using Clock = std::chrono::steady_clock;

    explicit Connection(Settings settings);
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    /// Waits for the step that an earlier call left under way, and connects if there is no connection.
    /// Errors: `timeout`, `refused`, `unreachable`, `denied` (the server refuses the account or the address,
    /// with a hint; or a password file that others may read), `exhausted` (the server is full), `not_found`
    /// (no such socket), `tls`, `protocol`.
    Expected<void> ready(Clock::time_point until);

    /// Runs one statement, after ready(). An answer of more than 4 MiB is `exhausted`. A refusal by the
    /// server is `denied` where a privilege is missing (with the GRANT that helps), `execution` otherwise,
    /// and the connection stays. Other Errors close the connection.
    Expected<Table> query(const std::string& statement, Clock::time_point until);

    /// Ends the session; ready() begins a new one.
    void close();

    const Settings& settings() const { return settings_; }
    /// The server's refusal of the last connection or statement, in its own words; number 0 if it refused
    /// neither.
    const Refusal& refusal() const { return refusal_; }
    /// A statement or a connection is under way: ready() waits for it.
    bool busy() const;
    /// The last statement. While it is under way, the server has not answered it.
    const std::string& statement() const;
    /// The server's number of this connection, as its list of processes shows it; 0 without a connection.
    unsigned long thread() const;
    /// The number of rows that the last statement changed.
    std::uint64_t affected() const { return affected_; }
    /// True if the given session is connected and idle: query() may be called.
    bool idle(unsigned session) const;
    /// The number of connections begun so far: a new number means a new session.
    unsigned session() const { return session_; }
    /// "lapwing@localhost": our account by the server's name for it, for messages; set by the probe.
    void setAccount(std::string account) { account_ = std::move(account); }

  private:
    struct Handle;
    Expected<void> begin(Clock::time_point until);
    Expected<void> finishConnecting();
    Expected<void> settle(Clock::time_point until);
    Error lastError(const std::string& what);

    Settings settings_;
    std::unique_ptr<Handle> handle_;
    Refusal refusal_;
    unsigned session_ = 0;
    std::uint64_t affected_ = 0;
    std::string account_;
};

}  // namespace lapwing::agent::mysql
