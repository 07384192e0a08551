#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::http {

class TimedSocketImpl;

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Response {
    int status = 0;
    double version = 1.1;
    Headers headers;
    std::string body;

    /// The first header of that name (case ignored), or "".
    std::string_view header(std::string_view name) const;
};

/// The request line and the headers of a request. `headers` win over the ones that this adds: Host, and
/// Content-Length where there is a length.
std::string requestHead(std::string_view method, std::string_view target, std::string_view host,
                        const Headers& headers, std::optional<std::size_t> content_length);

/// The most that the head of an answer may have, interim answers and trailers included.
inline constexpr std::size_t kMostHeadBytes = 256U << 10;
inline constexpr std::size_t kMostHeaders = 2000;

/// Reads HTTP/1.0 and 1.1 responses (RFC 9112) off a connection, as tolerantly as browsers and curl do: lines
/// may end with LF alone, a reason phrase may be absent, any status of three digits counts, headers may be
/// folded. For one thread.
class ResponseReader {
  public:
    /// Reads up to `length` bytes; 0 at the end of the connection.
    using Source = std::function<Expected<std::size_t>(char* buffer, std::size_t length)>;
    explicit ResponseReader(Source source) : source_(std::move(source)) {}

    /// The head of the final answer. Interim answers (1xx, but not 101) are skipped. Error `protocol` for
    /// any other text, for a connection that ends within the head, and beyond the limits above; also the
    /// source's errors.
    Expected<Response> readHead();

    /// Appends the body that belongs to the head to head.body. True if it is whole; false if it is longer
    /// than `limit`, and its beginning was read. Error `protocol` if the connection ends within the body.
    Expected<bool> readBody(Response& head, bool answers_head_request, std::size_t limit);

    /// After a failed readHead(): the server began to speak HTTP/2 (RFC 9113, 3.4: with a SETTINGS frame).
    bool sawHttp2() const { return saw_http2_; }
    /// After a whole body: whether the server keeps the connection open for another request.
    bool keepsAlive() const { return keeps_alive_; }

  private:
    Expected<void> fill();
    Expected<std::string> readLine();
    Expected<Response> readOneHead();
    Expected<void> readHeaders(Headers& out);
    Expected<bool> readChunks(std::string& out, std::size_t limit);
    Expected<bool> readLength(std::string& out, std::size_t length, std::size_t limit);
    Expected<bool> readToEnd(std::string& out, std::size_t limit);

    Source source_;
    std::string buffer_;
    std::size_t at_ = 0;          ///< the beginning of the unread part of the buffer
    std::size_t head_bytes_ = 0;  ///< in lines so far
    bool ended_ = false;
    bool keeps_alive_ = false;
    bool saw_http2_ = false;
};

/// The bytes that a socket receives. The socket must outlive the source.
ResponseReader::Source sourceOf(TimedSocketImpl& socket);
/// Sends everything, or as much as the server takes: one that refuses a request may answer before it has read
/// all of it. Error `timeout` or `tls`.
Expected<void> sendAll(TimedSocketImpl& socket, std::string_view bytes);

/// Undoes the codings gzip and deflate of the body (Content-Encoding); a body in another coding stays as it
/// is. With `whole` false the body may end anywhere. At most `limit` bytes come out. Error `protocol` for a
/// body that is not in the coding that its head declares, `exhausted` for one that becomes too long and must
/// not be cut.
enum class TooLong { fail, cut };
Expected<void> decodeContent(Response& response, bool whole, std::size_t limit, TooLong too_long);

}  // namespace lapwing::http
