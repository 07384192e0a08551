#pragma once

#include <string>

#include "collector/analysis/replication/facts.h"

namespace lapwing::analysis::replication {

/// "0.4 s", "12 s", "3 min", "5 h"
std::string duration(double seconds);

/// Statements as this server takes them: MariaDB's SLAVE, MySQL's REPLICA from 8.0.22 on.
struct Dialect {
    bool mariadb = false;
    bool replica_words = false;
    std::string channel;

    Dialect(const DatabaseFacts& server, const std::string& channel_name);

    /// "START SLAVE SQL_THREAD", "START REPLICA SQL_THREAD FOR CHANNEL 'c1'"; `verb` is START or STOP,
    /// `thread` "" for both.
    std::string thread(const char* verb, const char* thread) const;
    std::string status() const;
    /// How to say to the replica where its primary is.
    std::string changeSource(const std::string& host) const;
    /// A shell command: sudo mariadb -e '...'.
    std::string command(const std::string& statement) const;
};

}  // namespace lapwing::analysis::replication
