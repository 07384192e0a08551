#include "common/http/http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "common/http/timed_socket.h"
#include "common/text.h"

namespace lapwing::http {
namespace {

struct SessionFree {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
struct CallbacksFree {
    void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};

/// The state of the one stream. nghttp2 calls the functions below with a pointer to it.
struct Stream {
    Http2Answer answer;
    std::size_t limit = 0;
    std::size_t head_bytes = 0;
    const std::function<void()>* on_head = nullptr;
    bool has_head = false;
    bool closed = false;
    std::uint32_t reset = NGHTTP2_NO_ERROR;
    std::string failure;  ///< why this side ends the exchange
};

std::string_view viewOf(const std::uint8_t* data, std::size_t length) {
    return {reinterpret_cast<const char*>(data), length};
}

int onHeader(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, const std::uint8_t* name,
             std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
             std::uint8_t /*flags*/, void* user) {
    auto& stream = *static_cast<Stream*>(user);
    auto& response = stream.answer.response;
    stream.head_bytes += name_length + value_length;
    if (stream.head_bytes > kMostHeadBytes || response.headers.size() == kMostHeaders) {
        stream.failure = "the answer's head is larger than " + std::to_string(kMostHeadBytes >> 10) +
                         " KiB or " + std::to_string(kMostHeaders) + " headers";
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (stream.has_head) {
        return 0;  // trailers
    }
    const auto text = viewOf(value, value_length);
    if (viewOf(name, name_length) == ":status") {
        std::from_chars(text.data(), text.data() + text.size(), response.status);
    } else {
        response.headers.emplace_back(viewOf(name, name_length), text);
    }
    return 0;
}

int onFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    auto& stream = *static_cast<Stream*>(user);
    if (frame->hd.type != NGHTTP2_HEADERS || stream.has_head) {
        return 0;
    }
    auto& response = stream.answer.response;
    if (response.status >= 100 && response.status < 200) {
        response.status = 0;
        response.headers.clear();
        return 0;
    }
    stream.has_head = true;
    (*stream.on_head)();
    return 0;
}

int onData(nghttp2_session* /*session*/, std::uint8_t /*flags*/, std::int32_t /*id*/,
           const std::uint8_t* data, std::size_t length, void* user) {
    auto& stream = *static_cast<Stream*>(user);
    auto& body = stream.answer.response.body;
    const auto room = std::min(length, stream.limit - body.size());
    body.append(viewOf(data, room));
    stream.answer.whole = stream.answer.whole && room == length;
    return 0;
}

int onClose(nghttp2_session* /*session*/, std::int32_t /*id*/, std::uint32_t error, void* user) {
    auto& stream = *static_cast<Stream*>(user);
    stream.closed = true;
    stream.reset = error;
    return 0;
}

nghttp2_nv field(std::string& name, std::string& value) {
    return {reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()),
            name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

/// HTTP/2 has no headers about the connection (RFC 9113, 8.2.2).
bool isOfConnection(std::string_view name) {
    return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
           name == "transfer-encoding" || name == "upgrade";
}

bool submit(nghttp2_session* session, const Http2Request& request) {
    Headers fields = {{":method", request.method},
                      {":scheme", request.tls ? "https" : "http"},
                      {":authority", request.authority},
                      {":path", request.target}};
    for (const auto& [name, value] : request.headers) {
        auto small = lower(name);
        if (small == "host") {
            fields[2].second = value;
        } else if (!isOfConnection(small)) {
            fields.emplace_back(std::move(small), value);
        }
    }
    std::vector<nghttp2_nv> list;
    list.reserve(fields.size());
    for (auto& [name, value] : fields) {
        list.push_back(field(name, value));
    }
    const nghttp2_settings_entry no_push = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    return nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &no_push, 1) == 0 &&
           nghttp2_submit_request(session, nullptr, list.data(), list.size(), nullptr, nullptr) > 0;
}

Expected<void> sendPending(nghttp2_session* session, TimedSocketImpl& socket) {
    const std::uint8_t* data = nullptr;
    for (auto length = nghttp2_session_mem_send(session, &data); length != 0;
         length = nghttp2_session_mem_send(session, &data)) {
        if (length < 0) {
            return fail(ErrorKind::protocol,
                        std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(length)));
        }
        if (auto sent = sendAll(socket, viewOf(data, static_cast<std::size_t>(length))); !sent) {
            return sent;
        }
    }
    return {};
}

Error resetBy(std::uint32_t code) {
    if (code == NGHTTP2_HTTP_1_1_REQUIRED) {
        return {ErrorKind::unavailable, "HTTP/2: the server demands HTTP/1.1"};
    }
    return {ErrorKind::protocol,
            std::string("HTTP/2: the server reset the stream (") + nghttp2_http2_strerror(code) + ")"};
}

Expected<void> converse(nghttp2_session* session, TimedSocketImpl& socket, Stream& stream) {
    const auto source = sourceOf(socket);
    std::array<char, 16'384> buffer{};
    while (!stream.closed && stream.answer.whole) {
        if (auto sent = sendPending(session, socket); !sent) {
            return sent;
        }
        const auto got = source(buffer.data(), buffer.size());
        if (!got) {
            return tl::unexpected(got.error());
        }
        if (*got == 0) {
            return fail(ErrorKind::protocol, socket.received() == 0
                                                 ? "the connection was closed without an answer"
                                                 : "the connection ended within the answer");
        }
        const auto read =
            nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(buffer.data()), *got);
        if (!stream.failure.empty()) {
            return fail(ErrorKind::protocol, stream.failure);
        }
        if (read < 0) {
            return fail(ErrorKind::protocol,
                        std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(read)));
        }
        if (!stream.closed && nghttp2_session_want_read(session) == 0) {
            return fail(ErrorKind::protocol, "HTTP/2: the server ended the connection");
        }
    }
    return {};
}

}  // namespace

Expected<Http2Answer> exchangeHttp2(TimedSocketImpl& socket, const Http2Request& request, std::size_t limit,
                                    const std::function<void()>& on_head) {
    Stream stream;
    stream.limit = limit;
    stream.on_head = &on_head;
    stream.answer.response.version = 2;
    nghttp2_session_callbacks* made_callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&made_callbacks) != 0) {
        return fail(ErrorKind::internal, "HTTP/2: no memory");
    }
    const std::unique_ptr<nghttp2_session_callbacks, CallbacksFree> callbacks(made_callbacks);
    nghttp2_session_callbacks_set_on_header_callback(made_callbacks, onHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made_callbacks, onFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made_callbacks, onData);
    nghttp2_session_callbacks_set_on_stream_close_callback(made_callbacks, onClose);
    nghttp2_session* made_session = nullptr;
    if (nghttp2_session_client_new(&made_session, made_callbacks, &stream) != 0) {
        return fail(ErrorKind::internal, "HTTP/2: no memory");
    }
    const std::unique_ptr<nghttp2_session, SessionFree> session(made_session);
    if (!submit(made_session, request)) {
        return fail(ErrorKind::internal, "HTTP/2: the request cannot be made");
    }
    if (auto done = converse(made_session, socket, stream); !done) {
        return tl::unexpected(done.error());
    }
    // A server may end the stream with NO_ERROR before it has read a request, after a whole answer.
    if (stream.answer.whole && (!stream.has_head || stream.reset != NGHTTP2_NO_ERROR)) {
        return tl::unexpected(resetBy(stream.reset));
    }
    if (nghttp2_session_terminate_session(made_session, NGHTTP2_NO_ERROR) == 0) {
        (void)sendPending(made_session, socket);  // a farewell, as TLS has one
    }
    return std::move(stream.answer);
}

}  // namespace lapwing::http
