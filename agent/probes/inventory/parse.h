#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent::inventory {

/// The paths that `ssl_certificate` names in a text of Nginx's configuration, as they stand there; paths with
/// a variable are left out. Pure.
std::vector<std::string> nginxCertificates(std::string_view config);

/// "VERSION  NAME" of each installed package of /var/lib/dpkg/status that serves a site, sorted by name.
/// Pure.
std::vector<std::string> servingPackages(std::string_view dpkg_status);

}  // namespace lapwing::agent::inventory
