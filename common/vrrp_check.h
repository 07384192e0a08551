#pragma once

#include <array>

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

}  // namespace lapwing::vrrp
