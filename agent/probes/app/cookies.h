#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/http/url.h"

namespace lapwing::agent::app {

/// The cookies of one run (RFC 6265), so that a redirect that tests for cookies finds its own. Not
/// synchronised.
class CookieJar {
  public:
    /// Keeps the cookie of a header Set-Cookie in an answer from this URL, or forgets it where the header
    /// says so. Ignores a cookie for a domain that the URL's host is not in.
    void take(const http::Url& from, std::string_view set_cookie);
    /// The value of the header Cookie for a request to this URL; "" if no cookie is for it.
    std::string headerFor(const http::Url& to) const;

  private:
    struct Cookie {
        std::string name;
        std::string value;
        std::string domain;
        std::string path;
        bool host_only = true;
        bool secure = false;
    };
    std::vector<Cookie> cookies_;
};

}  // namespace lapwing::agent::app
