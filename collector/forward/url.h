#pragma once

#include <string>

namespace lapwing::forward {

/// The parts of an http:// or https:// URL as its text has them. (Poco::URI decodes the path, so that "%2F"
/// would reach the server as "/".)
struct UrlParts {
    std::string authority;  ///< host and port, and credentials if it has any; "" if the text is no such URL
    std::string target;     ///< path and query; begins with "/"
};
UrlParts splitUrl(const std::string& url);

}  // namespace lapwing::forward
