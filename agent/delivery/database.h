#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.h"

namespace lapwing::agent {

/// An SQLite failure. The message is SQLite's own.
struct DatabaseError {
    int code = SQLITE_OK;  ///< primary result code
    std::string message;

    /// The file is not (or no longer) a database: its content is unreliable.
    bool damaged() const { return code == SQLITE_CORRUPT || code == SQLITE_NOTADB; }
    bool full() const { return code == SQLITE_FULL; }
    /// The disk fails or is read-only, which may end: nothing is known about the file's content.
    bool diskFails() const { return code == SQLITE_IOERR || disk_read_only; }
    bool disk_read_only = false;
};

template <class T>
using DatabaseResult = tl::expected<T, DatabaseError>;

/// One prepared statement, for repeated use.
class Statement {
  public:
    Statement() = default;
    Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Statement& operator=(Statement&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Statement() { sqlite3_finalize(handle_); }

    /// Positions count from 1. Texts and blobs must live until reset().
    void bind(int position, std::int64_t value) { sqlite3_bind_int64(handle_, position, value); }
    void bindText(int position, std::string_view value);
    void bindBlob(int position, std::string_view value);
    /// True: there is a row. False: the statement is done.
    DatabaseResult<bool> step();
    void reset();
    /// Runs a statement that returns no rows, and resets it.
    DatabaseResult<void> run();

    std::int64_t integer(int column) const { return sqlite3_column_int64(handle_, column); }
    /// Valid until the next step or reset.
    std::string_view bytes(int column) const;

  private:
    friend class Database;
    sqlite3_stmt* handle_ = nullptr;
};

/// One SQLite file that this process alone uses. Not synchronised.
class Database {
  public:
    static DatabaseResult<Database> open(const std::string& path);
    DatabaseResult<void> execute(const char* sql);
    DatabaseResult<Statement> prepare(const char* sql);
    /// The first column of the first row; 0 without a row.
    DatabaseResult<std::int64_t> integer(const char* sql);

  private:
    struct Close {
        void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace lapwing::agent
