#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/probes/mysql/parse.h"

namespace lapwing::agent::mysql {

/// Which appliers do not get on, though they run and have something to apply. Not synchronised.
class Stalls {
  public:
    using Clock = std::chrono::steady_clock;
    /// Seconds since each such channel last moved, from the second look on; others are left out.
    std::map<std::string, double> update(const std::vector<ChannelState>& channels, Clock::time_point now);

  private:
    struct Seen {
        std::string applied;
        Clock::time_point since;
    };
    std::map<std::string, Seen> seen_;
};

/// What an applier waits for. "" is unknown.
struct Blocker {
    std::optional<std::string> channel;  ///< nothing: the server does not tell which
    std::string kind;                    ///< transaction (row locks), metadata_lock, lock
    std::string id;                      ///< the connection that holds it: what KILL takes
    std::string user;
    std::string host;
    std::string statement;  ///< without its literals
    std::string object;     ///< "app.orders"
};
/// blockerStatement()'s answer. Pure.
std::vector<Blocker> parseBlockers(const Table& table);
/// metadataLocksStatement()'s answer: where one connection alone holds such locks, it is the blocker. Pure.
void nameHolder(const Table& locks, std::vector<Blocker>& blockers);

/// lapwing_mysql_applier_blocked_seconds and, for each blocker, a document of kind "mysql_blocker". A blocker
/// keeps the document it was first seen with, as long as it blocks. Not synchronised.
class Blockings {
  public:
    void add(const std::map<std::string, double>& stalled, const std::vector<Blocker>& blockers,
             ProbeResult& out);

  private:
    std::map<std::string, std::string> documents_;
};

/// A statement for people: strings and numbers as "?", blanks joined, 500 bytes at most. Pure.
std::string withoutLiterals(std::string_view statement);

}  // namespace lapwing::agent::mysql
