#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lapwing::agent::mysql {

class FamilyList;

/// Global transaction identifiers in the notations of MySQL and MariaDB. Pure functions; malformed parts are
/// left out.

/// MySQL: "UUID:1-5:7,UUID:TAG:1-3", blanks and newlines anywhere between.
struct GtidCount {
    double transactions = 0;  ///< in all intervals
    double last = 0;          ///< the highest number
};
/// By source: "UUID" (lower case), or "UUID:TAG".
std::map<std::string, GtidCount> parseGtidSet(std::string_view text);

/// MariaDB: "0-1-5,1-2-9": domain, server, sequence number.
struct Gtid {
    std::string domain;
    std::string server;
    double sequence = 0;
};
/// At most 200 positions.
std::vector<Gtid> parseGtidList(std::string_view text);

struct GtidPosition {
    std::string server;
    double sequence = 0;
};
/// Merges a list into earlier ones: by domain, the highest sequence number and its server.
void mergeGtidList(std::string_view text, std::map<std::string, GtidPosition>& domains);

/// Adds lapwing_mysql_gtid_sequence and, for MySQL, lapwing_mysql_gtid_last; `set` is "executed", or
/// "received" with the channel.
void addGtids(const std::map<std::string, GtidCount>& sources, const char* set, FamilyList& families,
              const std::string& channel = "");
void addGtids(const std::map<std::string, GtidPosition>& domains, const char* set, FamilyList& families,
              const std::string& channel = "");

}  // namespace lapwing::agent::mysql
