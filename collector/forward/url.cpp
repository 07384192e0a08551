#include "collector/forward/url.h"

namespace lapwing::forward {

UrlParts splitUrl(const std::string& url) {
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
        return {};
    }
    const auto start = url.find("//") + 2;
    const auto end = url.find_first_of("/?#", start);
    UrlParts parts;
    parts.authority = url.substr(start, end - start);
    parts.target = end == std::string::npos ? "" : url.substr(end);
    if (!parts.target.starts_with('/')) {
        parts.target.insert(0, "/");
    }
    return parts;
}

}  // namespace lapwing::forward
