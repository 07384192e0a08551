#include "collector/analysis/topology/urls.h"

#include <cstdlib>

namespace lapwing::analysis::topology {

std::string hostOfUrl(const std::string& url) {
    const auto scheme = url.find("://");
    auto rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
    rest = rest.substr(0, rest.find('/'));
    if (rest.starts_with('[')) {
        return rest.substr(1, rest.find(']') - 1);
    }
    return rest.substr(0, rest.find(':'));
}

int portOfUrl(const std::string& url) {
    const auto scheme = url.find("://");
    auto rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
    rest = rest.substr(0, rest.find('/'));
    const auto colon = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0);
    const int otherwise = url.starts_with("https:") ? 443 : 80;
    const int given = colon == std::string::npos ? 0 : std::atoi(rest.c_str() + colon + 1);
    return given > 0 && given <= 65535 ? given : otherwise;
}

}  // namespace lapwing::analysis::topology
