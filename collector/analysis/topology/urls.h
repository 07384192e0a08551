#pragma once

#include <string>

namespace lapwing::analysis::topology {

/// The host of "https://www.example.org:8443/path", without the brackets of an IPv6 address.
std::string hostOfUrl(const std::string& url);
/// The port of a URL, given or its scheme's.
int portOfUrl(const std::string& url);

}  // namespace lapwing::analysis::topology
