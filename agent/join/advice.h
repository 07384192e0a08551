#pragma once

#include <string>
#include <string_view>

namespace lapwing::agent {

/// The programs of this host.
struct Installed {
    bool nginx = false;
    bool haproxy = false;
    bool mariadb = false;
    bool mysql = false;

    static Installed here();
};

/// What a running agent watches and what it cannot, for a person who has just joined: one line a probe, and
/// for each service whose data it cannot read the commands that change this, to be run as root. `status` is
/// the answer of the status socket, `directory` that of the configuration's fragments. Pure.
std::string adviceOf(std::string_view status, const Installed& installed, const std::string& directory);

/// Whether the status says that the collector at `url` has acknowledged samples of the agent.
bool hasDelivered(std::string_view status, const std::string& url);
/// Whether each probe has run once.
bool hasProbed(std::string_view status);
/// What hinders the delivery, in the agent's words; "" for nothing.
std::string troubleOf(std::string_view status);

}  // namespace lapwing::agent
