#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::storage {

/// Maps SQLite's result code to an Error: `unavailable` for a full disk, an I/O error or a lock (a later
/// attempt may work), else `internal`. The message is `doing`, a colon and SQLite's message. Damage is also
/// noted beside the database (markDamaged()).
Error sqliteError(sqlite3* db, int code, std::string_view doing);

/// A prepared statement. Columns and parameters are numbered as SQLite does: columns from 0, parameters
/// from 1. Not synchronised. Bound texts and blobs must stay alive until the statement has been stepped.
class Statement {
  public:
    Statement() = default;
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

    Statement& bind(int parameter, std::int64_t value);
    Statement& bindNull(int parameter);
    Statement& bindText(int parameter, std::string_view value);
    Statement& bindBlob(int parameter, std::string_view value);

    /// True if there is a row. After the last row, or an error, the statement can be bound again.
    Expected<bool> step();
    /// Steps to the end, for statements without rows.
    Expected<void> run();
    /// Calls `use()`, which returns Expected<void>, for each row. Ends with the first error. Afterwards the
    /// statement can be bound again.
    template <typename Use>
    Expected<void> eachRow(const Use& use) {
        for (;;) {
            const auto row = step();
            if (!row) {
                return tl::unexpected(row.error());
            }
            if (!*row) {
                return {};
            }
            if (Expected<void> used = use(); !used) {
                reset();
                return used;
            }
        }
    }
    void reset() { sqlite3_reset(statement_.get()); }

    std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
    /// Valid until the next step.
    std::string_view bytes(int column) const;

  private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One connection. Not synchronised: one thread at a time.
class Connection {
  public:
    /// `flags` are those of sqlite3_open_v2.
    static Expected<Connection> open(const std::string& path, int flags);

    sqlite3* get() const { return db_.get(); }
    Expected<void> exec(const char* sql);
    Expected<Statement> prepare(std::string_view sql, bool kept = true);
    /// The first column of the first row; error `not_found` without a row.
    Expected<std::int64_t> integer(std::string_view sql);
    /// Rolls back the open transaction, if there is one. Never fails.
    void rollback();

  private:
    struct Close {
        void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
    };
    std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace lapwing::storage
