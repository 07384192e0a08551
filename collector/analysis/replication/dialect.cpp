#include "collector/analysis/replication/dialect.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace lapwing::analysis::replication {

namespace {

/// MySQL from 8.0.22 on says REPLICA.
bool hasReplicaWords(const std::string& version) {
    char* end = nullptr;
    const long major = std::strtol(version.c_str(), &end, 10);
    const long minor = *end == '.' ? std::strtol(end + 1, &end, 10) : 0;
    const long patch = *end == '.' ? std::strtol(end + 1, &end, 10) : 0;
    return major > 8 || (major == 8 && (minor > 0 || patch >= 22));
}

/// The name if it needs no escaping between quotes in a command, else "..." for the reader to fill in.
std::string quotable(const std::string& name) {
    const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
    });
    return plain ? name : "...";
}

}  // namespace

Dialect::Dialect(const evidence::Database& server, const std::string& channel_name)
    : mariadb(server.mariadb),
      replica_words(!server.mariadb && hasReplicaWords(server.version)),
      channel(quotable(channel_name)) {}

std::string Dialect::thread(const char* verb, const char* thread) const {
    std::string out = std::string(verb) + (replica_words ? " REPLICA" : " SLAVE");
    if (mariadb && !channel.empty()) {
        out += " \"" + channel + "\"";
    }
    if (*thread != 0) {
        out += std::string(" ") + thread;
    }
    if (!mariadb && !channel.empty()) {
        out += " FOR CHANNEL \"" + channel + "\"";
    }
    return out;
}

std::string Dialect::forget() const {
    const std::string name = channel.empty() ? "" : "\"" + channel + "\"";
    const std::string reset = mariadb ? "RESET SLAVE " + (name.empty() ? "" : name + " ") + "ALL"
                                      : std::string(replica_words ? "RESET REPLICA ALL" : "RESET SLAVE ALL") +
                                            (name.empty() ? "" : " FOR CHANNEL " + name);
    return thread("STOP", "") + "; " + reset;
}

std::string Dialect::status() const {
    return mariadb         ? "SHOW ALL SLAVES STATUS\\G"
           : replica_words ? "SHOW REPLICA STATUS\\G"
                           : "SHOW SLAVE STATUS\\G";
}

std::string Dialect::changeSource(const std::string& host) const {
    const std::string name = channel.empty() ? "" : "\"" + channel + "\"";
    if (mariadb) {
        return "CHANGE MASTER " + (name.empty() ? "" : name + " ") + "TO MASTER_HOST=\"" + quotable(host) +
               "\", MASTER_USER=..., MASTER_USE_GTID=slave_pos";
    }
    const std::string tail = name.empty() ? "" : " FOR CHANNEL " + name;
    return replica_words ? "CHANGE REPLICATION SOURCE TO SOURCE_HOST=\"" + quotable(host) +
                               "\", SOURCE_USER=..., "
                               "SOURCE_AUTO_POSITION=1" +
                               tail
                         : "CHANGE MASTER TO MASTER_HOST=\"" + quotable(host) +
                               "\", MASTER_USER=..., MASTER_AUTO_POSITION=1" + tail;
}

std::string Dialect::command(const std::string& statement) const {
    return std::string(mariadb ? "sudo mariadb" : "sudo mysql") + " -e '" + statement + "'";
}

}  // namespace lapwing::analysis::replication
