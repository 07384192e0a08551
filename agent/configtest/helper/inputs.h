#pragma once

#include <set>
#include <string>
#include <vector>

namespace lapwing::agent::configtest {

/// The files that a test reads, as far as they are known.
struct Inputs {
    std::string digest;   ///< changes with their sizes, times and names
    std::string refused;  ///< why root must not test them; "" if it may
};

/// Of the main files and what they include; of all files below the directories of the main files, at most
/// 4000. Refused: what trust.h refuses. Others would choose what root's program reads, creates and runs, and
/// when.
Inputs inputsOf(const std::string& program, const std::vector<std::string>& main_files);

/// The files that HAProxy reads for an `-f`: the file, or the directory and its files.
std::set<std::string> filesOfHaproxy(const std::string& path);

/// A line that changes with the file: its path, device, inode, size and times.
std::string stateOf(const std::string& path);

}  // namespace lapwing::agent::configtest
