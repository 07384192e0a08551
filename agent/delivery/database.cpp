#include "agent/delivery/database.h"

#include <sys/statvfs.h>

#include <cerrno>

namespace lapwing::agent {
namespace {

bool isOnReadOnlyDisk(const std::string& file) {
    const auto slash = file.rfind('/');
    struct statvfs disk {};
    return statvfs(slash == std::string::npos ? "." : file.substr(0, slash + 1).c_str(), &disk) == 0 &&
           (disk.f_flag & ST_RDONLY) != 0;
}

DatabaseError errorOf(sqlite3* handle, int code) {
    std::string message = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    code &= 0xff;
    // SQLite reports a full disk as an I/O error in these places.
    const int cause = handle != nullptr ? sqlite3_system_errno(handle) : 0;
    const bool no_room = cause == ENOSPC || cause == EDQUOT;
    if (no_room && (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)) {
        code = SQLITE_FULL;
    }
    // SQLite opens a file for reading if it cannot write it, and then refuses each write.
    const char* file = handle != nullptr ? sqlite3_db_filename(handle, "main") : nullptr;
    const bool refused = code == SQLITE_READONLY || code == SQLITE_CANTOPEN;
    return {code, std::move(message),
            refused && (cause == EROFS || (file != nullptr && isOnReadOnlyDisk(file)))};
}

}  // namespace

void Statement::bindText(int position, std::string_view value) {
    sqlite3_bind_text(handle_, position, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
}

void Statement::bindBlob(int position, std::string_view value) {
    sqlite3_bind_blob(handle_, position, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
}

DatabaseResult<bool> Statement::step() {
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    const DatabaseError error = errorOf(sqlite3_db_handle(handle_), code);
    reset();
    return tl::unexpected(error);
}

void Statement::reset() {
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
}

DatabaseResult<void> Statement::run() {
    auto result = step();
    reset();
    if (!result) {
        return tl::unexpected(result.error());
    }
    return {};
}

std::string_view Statement::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_, column));
    return data == nullptr
               ? std::string_view()
               : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column)));
}

DatabaseResult<Database> Database::open(const std::string& path) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database;
    database.handle_.reset(raw);
    if (code != SQLITE_OK) {
        auto error = errorOf(raw, code);
        error.disk_read_only = error.disk_read_only || isOnReadOnlyDisk(path);
        return tl::unexpected(error);
    }
    return database;
}

DatabaseResult<void> Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return tl::unexpected(errorOf(handle_.get(), code));
    }
    return {};
}

DatabaseResult<Statement> Database::prepare(const char* sql) {
    Statement statement;
    const int code =
        sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement.handle_, nullptr);
    if (code != SQLITE_OK) {
        return tl::unexpected(errorOf(handle_.get(), code));
    }
    return statement;
}

DatabaseResult<std::int64_t> Database::integer(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return tl::unexpected(statement.error());
    }
    auto row = statement->step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    return *row ? statement->integer(0) : 0;
}

}  // namespace lapwing::agent
