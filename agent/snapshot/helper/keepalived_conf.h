#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "agent/snapshot/helper/keepalived_text.h"
#include "agent/snapshot/keepalived.h"

namespace lapwing::agent {

/// The facts about scripts that keepalived.conf does not show.
struct ScriptFacts {
    /// Why keepalived would not run the program of a command; "" if it would. See scriptFault().
    std::function<std::string(const std::string& command, bool security)> fault = {};
    bool keepalived_script = false;  ///< this user exists: keepalived runs scripts as it by default
};

/// Reads the text of keepalived.conf (man keepalived.conf), `include` lines expanded already. Conditional
/// lines (`@NAME ...`) and parameters (`$NAME`) are not evaluated: they are named in `unread`. Pure, if
/// `facts` is.
KeepalivedConfig parseKeepalived(std::string_view text, const ScriptFacts& facts = {});

}  // namespace lapwing::agent
