#pragma once

#include <string>

#include "collector/analysis/evidence/databases.h"

namespace lapwing::analysis::replication {

/// The replication statements of one server's SQL: MariaDB's SLAVE, MySQL's REPLICA from 8.0.22 on.
struct Dialect {
    bool mariadb = false;
    bool replica_words = false;
    std::string channel;

    Dialect(const evidence::Database& server, const std::string& channel_name);

    /// "START SLAVE SQL_THREAD", "START REPLICA SQL_THREAD FOR CHANNEL 'c1'"; `verb` is START or STOP,
    /// `thread` "" for both.
    std::string thread(const char* verb, const char* thread) const;
    /// The statements that stop the channel and forget it.
    std::string forget() const;
    /// The statement that shows the replica's status.
    std::string status() const;
    /// The statement that makes `host` the replica's primary, with `...` for the account.
    std::string changeSource(const std::string& host) const;
    /// A shell command: sudo mariadb -e '...'.
    std::string command(const std::string& statement) const;
};

}  // namespace lapwing::analysis::replication
