#pragma once

#include <string_view>

namespace lapwing::agent::inventory {

/// Orders two versions of Debian packages as dpkg does (deb-version(7)): negative if `a` is the older one, 0
/// if they are equal, positive if `a` is the newer one. Any text is taken. Pure.
int compareVersions(std::string_view a, std::string_view b);

}  // namespace lapwing::agent::inventory
