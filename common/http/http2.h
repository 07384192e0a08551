#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "common/error.h"
#include "common/http/message.h"

namespace lapwing::http {

class TimedSocketImpl;

/// A request without a body, for HTTP/2.
struct Http2Request {
    std::string method = "GET";
    bool tls = true;
    std::string authority;  ///< "host:port"
    std::string target;     ///< path and query
    Headers headers;        ///< Host among them takes the place of `authority`
};

struct Http2Answer {
    Response response;
    bool whole = true;  ///< false: the body is longer than the limit, and its beginning was read
};

/// One exchange over HTTP/2 (RFC 9113) on a connected socket whose peer chose "h2" in the TLS handshake, or
/// that is known to speak nothing else. Calls `on_head` when the head of the final answer has come. Errors:
/// the socket's; `protocol` for a violation of HTTP/2, a stream that the server resets, a connection that
/// ends within the answer, and a head beyond the limits of message.h; `unavailable` where the server demands
/// HTTP/1.1 for this request.
Expected<Http2Answer> exchangeHttp2(TimedSocketImpl& socket, const Http2Request& request, std::size_t limit,
                                    const std::function<void()>& on_head);

}  // namespace lapwing::http
