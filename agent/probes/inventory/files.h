#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/probes/probe.h"

namespace lapwing::agent::inventory {

/// Files that are compared between hosts.
struct FileSet {
    std::string name;                  ///< "nginx", "application"
    std::vector<std::string> paths;    ///< files, and directories with everything below
    std::vector<std::string> exclude;  ///< shell patterns for a file's name or its whole path
    bool operator==(const FileSet&) const = default;
};

/// Digests of files, cached while a file's inode, size and times stay the same. Not synchronised.
class FileDigests {
  public:
    /// "SHA256  PATH" or "unreadable  PATH" for each file of the set, sorted by path; empty for a set
    /// without files. Errors: `timeout` (digests read so far are kept: the next call goes on from there),
    /// `exhausted` (too many files).
    Expected<std::vector<std::string>> list(const FileSet& set, const Deadline& deadline);
    /// Forgets the files that list() has not returned since the last call.
    void forgetOthers();

  private:
    struct Known {
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modified_ns = 0;
        std::int64_t changed_ns = 0;
        std::string digest;
        bool named = true;
    };
    std::string digestOf(const std::string& path);
    std::map<std::string, Known> known_;
};

}  // namespace lapwing::agent::inventory
