#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent {

/// A line of keepalived.conf and, if braces follow, the lines between them.
struct ConfigEntry {
    std::vector<std::string> words;  ///< at least one; quotes join words
    std::vector<ConfigEntry> block;
};

/// The lines of the file. Comments are left out. Pure.
std::vector<ConfigEntry> keepalivedEntries(std::string_view text);

/// The text of the file with the files that it includes. "" and `error` set to errno where the file cannot be
/// read; `unread` names each included file that cannot be read.
std::string readKeepalived(const std::string& file, int& error, std::vector<std::string>& unread);

}  // namespace lapwing::agent
