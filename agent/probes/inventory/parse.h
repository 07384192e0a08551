#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent::inventory {

/// "VERSION  NAME" of each installed package of /var/lib/dpkg/status that serves a site, sorted by name.
/// Pure.
std::vector<std::string> servingPackages(std::string_view dpkg_status);

}  // namespace lapwing::agent::inventory
