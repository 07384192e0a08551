#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/parse.h"

namespace lapwing::agent::mysql {

/// Finds appliers that make no progress, though they run and have transactions to apply. Not synchronised.
class Stalls {
  public:
    using Clock = std::chrono::steady_clock;
    /// Seconds since each such channel last moved, from the second call on; other channels are left out.
    std::map<std::string, double> update(const std::vector<ChannelState>& channels, Clock::time_point now);

  private:
    struct Seen {
        std::string applied;
        Clock::time_point since;
    };
    std::map<std::string, Seen> seen_;
};

/// The blocker of an applier. "" is unknown.
struct Blocker {
    std::optional<std::string> channel;  ///< nothing: the server does not tell
    std::string kind;                    ///< transaction (row locks), metadata_lock, lock
    std::string id;                      ///< the blocking connection: KILL's argument
    std::string user;
    std::string host;
    std::string statement;  ///< without its literals
    std::string object;     ///< "app.orders"
    std::string waiter;     ///< the waiting connection; "" if the server answered for appliers alone
};
/// Reads the answer to blockerStatement(). Pure.
std::vector<Blocker> parseBlockers(const Table& table);
/// Completes them from the list of processes: keeps the transactions that block appliers, with the account of
/// their connection, and adds the locks that appliers wait for by their state. Pure.
void nameAppliersBlockers(const std::vector<Process>& processes, std::vector<Blocker>& blockers);
/// Reads the answer to metadataLocksStatement(): a client's connection is the blocker if it alone holds such
/// locks. Pure.
void nameHolder(const Table& locks, const std::vector<Process>& processes, std::vector<Blocker>& blockers);

/// Reports lapwing_mysql_applier_blocked_seconds and, for each blocker, a document of kind "mysql_blocker".
/// A blocker keeps its first document while it blocks. Not synchronised.
class Blockings {
  public:
    void add(const std::map<std::string, double>& stalled, const std::vector<Blocker>& blockers,
             ProbeResult& out);

  private:
    std::map<std::string, std::string> documents_;
};

/// A statement for people: strings and numbers as "?", blanks joined, at most 500 bytes. Pure.
std::string withoutLiterals(std::string_view statement);

}  // namespace lapwing::agent::mysql
