#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::api {

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// One request as a handler sees it. Used by one thread.
class Request {
  public:
    virtual ~Request() = default;

    std::string method;
    std::string path;                     ///< without the query; still percent-encoded
    std::string query;                    ///< the encoded text after '?'
    std::string agent;                    ///< the common name of the client's certificate; "" without one
    std::string certificate;              ///< the fingerprint of that certificate; "" without one
    std::int64_t certificate_issued = 0;  ///< seconds since 1970
    std::int64_t certificate_ends = 0;    ///< likewise
    std::string user;                     ///< set by a Gate: the user who has logged in; "" without a login
    std::string address;                  ///< of the client; "" for a Unix socket
    bool unsized = false;  ///< a body without a declared length: chunked, or until the connection ends
    std::int64_t received_us = 0;  ///< when the header had been read, microseconds since 1970
    std::chrono::steady_clock::time_point started;  ///< the same on the monotonic clock

    /// "" if the request has no such header; the case of the name is ignored.
    virtual std::string header(const std::string& name) const = 0;
    /// The whole body, which the server has read before; call it once. Errors: `exhausted` if it is longer
    /// than `limit` (a body whose declared length is too large is not read), `protocol` if there is no
    /// length, or if the body ends early.
    virtual Expected<std::string> body(std::size_t limit) = 0;
    /// Becomes true when the answer is no longer wanted: the client has hung up, or the server stops. Long
    /// work checks it. Valid as long as the request.
    virtual const std::atomic<bool>& gone() const = 0;
};

/// The answer to one request: headers first, then exactly one of send(), stream() and later(). The server
/// buffers the answer and writes it after the handler has returned, so a slow client holds no thread and
/// nothing that the handler holds.
class Responder {
  public:
    virtual ~Responder() = default;

    virtual void header(const std::string& name, const std::string& value) = 0;
    virtual void send(int status, const std::string& content_type, std::string_view body) = 0;
    /// For long answers; compressed if the client accepts that. Valid until the handler returns. If the
    /// answer exceeds the server's room for answers, the stream fails and the client gets an error instead.
    virtual std::ostream& stream(int status, const std::string& content_type) = 0;
    /// No answer yet: the server calls the handler again after the pause, with the same request. No thread
    /// waits meanwhile. The handler must answer once gone() is true.
    virtual void later(std::chrono::milliseconds pause) = 0;
};

using Handler = std::function<void(Request&, Responder&)>;
/// Judges a request by its head, before its body is read. False: it has sent an answer.
using Gate = std::function<bool(Request&, Responder&)>;

}  // namespace lapwing::api
