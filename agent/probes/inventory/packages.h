#pragma once

#include <functional>
#include <istream>
#include <string>
#include <vector>

namespace lapwing::agent::inventory {

/// A paragraph of dpkg's status file, or of a list of apt (deb822(5)); absent fields are empty.
struct Package {
    std::string name;
    std::string version;
    std::string architecture;
    bool installed = false;  ///< the status file alone says so
};

/// Gives each paragraph that has a name to `take`. A paragraph that the end of the file cuts off counts.
void forEachPackage(std::istream& in, const std::function<void(const Package&)>& take);

/// "VERSION  NAME" of each installed package of dpkg's status file that serves a site, sorted by name.
std::vector<std::string> servingPackages(std::istream& dpkg_status);

}  // namespace lapwing::agent::inventory
