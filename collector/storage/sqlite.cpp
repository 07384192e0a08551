#include "collector/storage/sqlite.h"

#include "collector/storage/salvage.h"

namespace lapwing::storage {

Error sqliteError(sqlite3* db, int code, std::string_view doing) {
    ErrorKind kind = ErrorKind::internal;
    switch (code & 0xff) {
        case SQLITE_FULL:
        case SQLITE_IOERR:
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_NOMEM:
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PROTOCOL:
            kind = ErrorKind::unavailable;
            break;
        case SQLITE_CORRUPT:
            if (db != nullptr && sqlite3_db_filename(db, "main") != nullptr) {
                markDamaged(sqlite3_db_filename(db, "main"));
            }
            break;
        default:
            break;
    }
    std::string message(doing);
    message += ": ";
    message += db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    return Error{kind, std::move(message)};
}

Statement& Statement::bind(int parameter, std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), parameter, value);
    return *this;
}

Statement& Statement::bindNull(int parameter) {
    sqlite3_bind_null(statement_.get(), parameter);
    return *this;
}

Statement& Statement::bindText(int parameter, std::string_view value) {
    sqlite3_bind_text64(statement_.get(), parameter, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
}

Statement& Statement::bindBlob(int parameter, std::string_view value) {
    // A null pointer would bind NULL, and an empty blob is not NULL.
    sqlite3_bind_blob64(statement_.get(), parameter, value.empty() ? "" : value.data(), value.size(),
                        SQLITE_STATIC);
    return *this;
}

Expected<bool> Statement::step() {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        reset();
        return false;
    }
    Error error = sqliteError(sqlite3_db_handle(statement_.get()), code, "database");
    reset();
    return tl::unexpected(std::move(error));
}

Expected<void> Statement::run() {
    return eachRow([] { return Expected<void>(); });
}

std::string_view Statement::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return data == nullptr ? std::string_view() : std::string_view(data, static_cast<std::size_t>(size));
}

Expected<Connection> Connection::open(const std::string& path, int flags) {
    Connection connection;
    sqlite3* db = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    connection.db_.reset(db);
    if (code != SQLITE_OK) {
        return tl::unexpected(sqliteError(db, code, "open " + path));
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 5000);
    return connection;
}

Expected<void> Connection::exec(const char* sql) {
    const int code = sqlite3_exec(get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return tl::unexpected(sqliteError(get(), code, "database"));
    }
    return {};
}

Expected<Statement> Connection::prepare(std::string_view sql, bool kept) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(get(), sql.data(), static_cast<int>(sql.size()),
                                        kept ? SQLITE_PREPARE_PERSISTENT : 0U, &statement, nullptr);
    if (code != SQLITE_OK) {
        return tl::unexpected(sqliteError(get(), code, "database"));
    }
    return Statement(statement);
}

Expected<std::int64_t> Connection::integer(std::string_view sql) {
    auto statement = prepare(sql, false);
    if (!statement) {
        return tl::unexpected(statement.error());
    }
    const auto row = statement->step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    if (!*row) {
        return fail(ErrorKind::not_found, "database: no row");
    }
    return statement->integer(0);
}

void Connection::rollback() {
    if (sqlite3_get_autocommit(get()) == 0) {
        sqlite3_exec(get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

}  // namespace lapwing::storage
