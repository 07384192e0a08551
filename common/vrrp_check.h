#pragma once

#include <array>
#include <string>

#include "common/enum_names.h"

namespace lapwing::vrrp {

/// The subject of a check that keepalived tracks.
enum class Watched {
    unknown,  ///< a script whose content is not evaluated
    program,  ///< a process of exactly this name, or the systemd service of this name
    pattern,  ///< processes whose names contain this text
    port,     ///< "ADDRESS:PORT": a program answers there
    other,    ///< no program of this host
};

/// As the agents' label `watches` names them.
inline constexpr std::array kWatchedNames{
    EnumName<Watched>{Watched::unknown, "unknown"}, EnumName<Watched>{Watched::program, "program"},
    EnumName<Watched>{Watched::pattern, "pattern"}, EnumName<Watched>{Watched::port, "port"},
    EnumName<Watched>{Watched::other, "other"},
};

/// A check that keepalived tracks: its failure changes the priority of an instance, or stops it.
struct Check {
    std::string kind;  ///< "script", "process", "file", "interface"
    std::string name;
    int weight = 0;        ///< 0: a failure puts the instance into the state FAULT
    bool reverse = false;  ///< the priority changes in the other direction
    Watched watched = Watched::unknown;
    std::string target = {};   ///< "haproxy", "127.0.0.1:80"; of an unknown script its program; else ""
    std::string ignored = {};  ///< why keepalived ignores this check; "" if it does not
    bool operator==(const Check&) const = default;
};

}  // namespace lapwing::vrrp
