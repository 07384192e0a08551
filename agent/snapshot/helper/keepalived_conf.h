#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/snapshot/keepalived.h"

namespace lapwing::agent {

/// Reads the text of keepalived.conf (man keepalived.conf), `include` lines expanded already. Conditional
/// lines (`@NAME ...`) and parameters (`$NAME`) are not evaluated: they are named in `unread`. Pure.
KeepalivedConfig parseKeepalived(std::string_view text);

/// The text of the file with the files that it includes. "" and `error` set to errno where the file cannot be
/// read; `unread` names each included file that cannot be read.
std::string readKeepalived(const std::string& file, int& error, std::vector<std::string>& unread);

}  // namespace lapwing::agent
