#include "collector/api/connection.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <limits>
#include <stdexcept>

#include "common/model/clock.h"
#include "common/text.h"
#include "common/tls/context.h"

namespace lapwing::api {
namespace {

namespace http = boost::beast::http;

/// Of a head without its URI.
constexpr std::size_t kFieldsLimit = 256U << 10;
/// An idle connection keeps a buffer of this size.
constexpr std::size_t kIdleRead = 1U << 10;
constexpr std::size_t kHeadRead = 8U << 10;
constexpr std::size_t kBodyRead = 64U << 10;
constexpr std::chrono::milliseconds kLook{250};
constexpr std::chrono::milliseconds kLinger{3'000};
constexpr std::size_t kReadOut = 16U << 20;
constexpr unsigned kRetryConnection = 5;
constexpr unsigned kRetryPoll = 30;

struct CertificateDeleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
};

}  // namespace

Connection::Exchange::Exchange(std::shared_ptr<Server::State> of, const std::string& client)
    : server(std::move(of)), responder(request, server->answers, client, server->options.answer_bytes) {}

Connection::Exchange::~Exchange() {
    if (body_room != 0) {
        server->bodies.giveBack(holder, body_room);
    }
}

Connection::Connection(std::shared_ptr<Server::State> server, Socket socket, std::string address, Id id)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      address_(std::move(address)),
      stranger_(strangerAddress(address_)),
      id_(id),
      deadline_(server_->context),
      tick_(server_->context) {}

void Connection::start() {
    arm(server_->options.header_time);
    if (server_->tls) {
        lookAtFirstByte();
    } else {
        readHead();
    }
}

void Connection::arm(Milliseconds time) {
    deadline_.expires_after(time);
    deadline_.async_wait([self = shared_from_this()](ErrorCode) {
        // Also called when the timer is set again.
        if (self->phase_ != Phase::ended &&
            self->deadline_.expiry() <= net::steady_timer::clock_type::now()) {
            self->late();
        }
    });
}

void Connection::late() {
    if (phase_ == Phase::working && !exchange_->claimed.exchange(true)) {
        return refuse(Limit::queue, 503, "too many requests wait for their turn", 1);
    }
    const bool idle = phase_ == Phase::head && !parser_ && buffer_.size() == 0;
    if (!idle && phase_ != Phase::ending) {
        server_->limits.note(Limit::late, client());
    }
    end();
}

void Connection::end() {
    if (phase_ == Phase::ended) {
        return;
    }
    if (poll_counted_) {
        unpark();
    }
    phase_ = Phase::ended;
    if (exchange_) {
        exchange_->request.hung_up = true;
    }
    deadline_.cancel();
    tick_.cancel();
    ErrorCode ignored;
    socket_.close(ignored);
    server_->forget(id_);
}

void Connection::drain() {
    switch (phase_) {
        case Phase::handshake:
        case Phase::head:
        case Phase::body:
        case Phase::ending:
            return end();
        case Phase::parked:
            exchange_->request.hung_up = true;
            tick_.cancel();  // its handler works at once
            break;
        case Phase::working:
            exchange_->request.hung_up = true;
            break;
        case Phase::writing:
            keep_alive_ = false;
            break;
        case Phase::ended:
            break;
    }
}

void Connection::readMore(std::size_t most, void (Connection::*then)(ErrorCode)) {
    auto handler = [self = shared_from_this(), then](ErrorCode error, std::size_t bytes) {
        self->buffer_.commit(bytes);
        if (self->phase_ != Phase::ended) {
            (*self.*then)(error);
        }
    };
    if (tls_) {
        tls_->async_read_some(buffer_.prepare(most), std::move(handler));
    } else {
        socket_.async_read_some(buffer_.prepare(most), std::move(handler));
    }
}

template <class Buffers, class Then>
void Connection::write(const Buffers& buffers, Then then) {
    auto handler = [self = shared_from_this(), then = std::move(then)](ErrorCode error, std::size_t) {
        if (self->phase_ != Phase::ended) {
            then(*self, error);
        }
    };
    if (tls_) {
        net::async_write(*tls_, buffers, std::move(handler));
    } else {
        net::async_write(socket_, buffers, std::move(handler));
    }
}

void Connection::lookAtFirstByte() {
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](ErrorCode error) {
        if (self->phase_ == Phase::ended) {
            return;
        }
        char first = 0;
        const auto peeked =
            error ? -1 : ::recv(self->socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
        if (peeked <= 0) {
            return self->end();
        }
        if (first >= 'A' && first <= 'Z') {
            return self->answerInPlain(
                "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: "
                "close\r\n\r\n"
                "This port speaks HTTPS: the request came without TLS.\n");
        }
        self->shakeHands();
    });
}

void Connection::answerInPlain(const char* text) {
    out_ = text;
    write(net::buffer(out_), [](Connection& self, ErrorCode error) {
        if (error) {
            return self.end();
        }
        self.linger(false);
    });
}

void Connection::shakeHands() {
    tls_.emplace(socket_, *server_->tls);
    tls_->async_handshake(net::ssl::stream_base::server, [self = shared_from_this()](ErrorCode error) {
        if (self->phase_ == Phase::ended) {
            return;
        }
        if (error) {
            ++self->server_->failed_handshakes;
            spdlog::debug("{}: TLS with {}: {}", self->server_->options.name, self->address_,
                          error.message());
            return self->linger(false);
        }
        if (self->server_->options.want_agent) {
            self->introduce();
        }
        self->readHead();
    });
}

void Connection::introduce() {
    const std::unique_ptr<X509, CertificateDeleter> certificate(
        ::SSL_get1_peer_certificate(tls_->native_handle()));
    if (!certificate) {
        return;
    }
    agent_ = tls::commonNameOf(certificate.get());
    certificate_ = tls::fingerprint(certificate.get());
    validity_ = tls::validityOf(certificate.get());
    member_ = agent_;
    const auto admitted = server_->table.admit(id_, member_);
    server_->endFor(admitted.ended, Limit::idle);
    server_->countConnections();
    if (admitted.result != ConnectionTable::Admission::admitted) {
        refused_ = admitted.result;
    }
}

void Connection::readHead() {
    phase_ = Phase::head;
    if (buffer_.size() > 0) {
        return parseHead();
    }
    buffer_.shrink_to_fit();
    readMore(kIdleRead, &Connection::headArrived);
}

void Connection::headArrived(ErrorCode error) {
    if (error) {
        if (parser_ || buffer_.size() > 0) {
            return refuseHead(http::error::partial_message);
        }
        return end();
    }
    server_->table.setIdle(id_, false);
    if (!head_begun_ && keep_alive_) {
        arm(server_->options.header_time);
    }
    head_begun_ = true;
    parseHead();
}

void Connection::parseHead() {
    if (!parser_) {
        // As RFC 9112 asks, empty lines before the request are ignored.
        const auto* begin = static_cast<const char*>(buffer_.data().data());
        const auto blank = static_cast<std::size_t>(
            std::find_if(begin, begin + buffer_.size(), [](char c) { return c != '\r' && c != '\n'; }) -
            begin);
        buffer_.consume(blank);
        if (buffer_.size() == 0) {
            return readMore(kIdleRead, &Connection::headArrived);
        }
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(server_->options.uri_bytes + kFieldsLimit));
        // parseBody() limits the body. Boost 1.74 takes boost::none for zero.
        parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
    }
    ErrorCode error;
    try {
        buffer_.consume(parser_->put(buffer_.data(), error));
    } catch (const std::length_error&) {
        // Boost 1.74 has no error for a line that is longer than its 16 bits can say.
        error = http::error::bad_field;
    }
    if (error && error != http::error::need_more) {
        return refuseHead(error);
    }
    if (parser_->is_header_done()) {
        return takeHead();
    }
    readMore(kHeadRead, &Connection::headArrived);
}

void Connection::refuseHead(ErrorCode error) {
    const std::size_t limit = server_->options.uri_bytes;
    const auto uri_bytes = parser_ ? parser_->get().target().size() : 0;
    exchange_ = std::make_shared<Exchange>(server_, client());
    complete_ = false;
    if (error == http::error::header_limit && (uri_bytes == 0 || uri_bytes > limit)) {
        exchange_->responder.replace(
            414, "the URI is longer than " + std::to_string(limit) + " bytes: send a form by POST");
    } else if (error == http::error::header_limit) {
        exchange_->responder.replace(400, "the request cannot be understood: its head is longer than " +
                                              std::to_string(kFieldsLimit) + " bytes");
    } else if (error == http::error::bad_content_length) {
        exchange_->responder.replace(400,
                                     "the request cannot be understood: its Content-Length is not a number");
    } else {
        exchange_->responder.replace(400, "the request cannot be understood: " + error.message());
    }
    respond();
}

void Connection::takeHead() {
    const auto& head = parser_->get();
    const auto target = head.target();
    if (target.size() > server_->options.uri_bytes) {
        return refuseHead(http::error::header_limit);
    }
    exchange_ = std::make_shared<Exchange>(server_, client());
    auto& request = exchange_->request;
    request.method = std::string(head.method_string());
    const std::string uri(target);
    const auto mark = uri.find('?');
    request.path = uri.substr(0, mark);
    if (mark != std::string::npos) {
        request.query = uri.substr(mark + 1);
    }
    std::size_t fields_bytes = 0;
    for (const auto& field : head) {
        fields_bytes += field.name_string().size() + field.value().size();
        request.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    if (fields_bytes > kFieldsLimit) {
        return refuseHead(http::error::header_limit);
    }
    request.agent = agent_;
    request.certificate = certificate_;
    request.certificate_issued = validity_.issued;
    request.certificate_ends = validity_.ends;
    request.address = address_;
    request.received_us = nowUs();
    request.started = std::chrono::steady_clock::now();
    request.longest = server_->options.body_bytes;
    keep_alive_ = parser_->keep_alive();
    const bool posts = request.method == "POST" || request.method == "PUT";
    request.has_length = parser_->content_length().has_value();
    until_end_ = posts && !request.has_length && !parser_->chunked() && !keep_alive_;
    request.unsized = parser_->chunked() || until_end_;
    // A POST without a length has no body, but its sender may believe otherwise: its connection ends.
    complete_ = parser_->is_done() && !(posts && !request.has_length && !parser_->chunked());
    arm(exchangeTime());
    if (refused_ == ConnectionTable::Admission::member_full) {
        return refuse(Limit::member, 429, "too many connections of " + client(), kRetryConnection);
    }
    if (refused_ == ConnectionTable::Admission::full) {
        return refuse(Limit::members, 503, "too many connections", kRetryConnection);
    }
    if (server_->options.gate) {
        return dispatch(server_->quick, &Connection::workAtGate);
    }
    afterGate(true);
}

void Connection::dispatch(WorkQueue& queue, void (Connection::*work)()) {
    phase_ = Phase::working;
    exchange_->claimed = false;
    const bool posted = queue.post(client(), [self = shared_from_this(), exchange = exchange_, work] {
        if (!exchange->claimed.exchange(true)) {
            (*self.*work)();
        }
    });
    if (!posted) {
        return refuse(Limit::queue, 503, "too many requests wait for their turn", 1);
    }
    watchPeer();
}

/// Notices a client that hangs up while its answer is computed.
void Connection::watchPeer() {
    tick_.expires_after(kLook);
    tick_.async_wait([self = shared_from_this()](ErrorCode error) {
        if (error || self->phase_ != Phase::working) {
            return;
        }
        if (self->hungUp()) {
            self->exchange_->request.hung_up = true;
        } else {
            self->watchPeer();
        }
    });
}

bool Connection::hungUp() {
    pollfd state{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&state, 1, 0) > 0 && state.revents != 0;
}

void Connection::workAtGate() {
    bool admitted = false;
    try {
        admitted = server_->options.gate(exchange_->request, exchange_->responder);
    } catch (const std::exception& e) {
        spdlog::error("{} {}: {}", exchange_->request.method, exchange_->request.path, e.what());
        exchange_->responder.replace(500, "internal error");
    }
    net::post(server_->context, [self = shared_from_this(), admitted] {
        if (self->phase_ != Phase::ended) {
            self->afterGate(admitted);
        }
    });
}

void Connection::afterGate(bool admitted) {
    tick_.cancel();
    if (!admitted) {
        return answered();
    }
    if (!admit()) {
        return;
    }
    if (complete_) {
        return handle();
    }
    startBody();
}

bool Connection::admit() {
    if (server_->options.want_agent) {
        return true;
    }
    const auto& user = exchange_->request.user;
    const std::string member = user.empty() ? stranger_ : user;
    const auto admitted = server_->table.admit(id_, member);
    server_->endFor(admitted.ended, Limit::idle);
    server_->countConnections();
    switch (admitted.result) {
        case ConnectionTable::Admission::admitted:
            member_ = member;
            return true;
        case ConnectionTable::Admission::member_full:
            refuse(Limit::member, 429, "too many connections of " + member, kRetryConnection);
            return false;
        case ConnectionTable::Admission::full:
            refuse(Limit::members, 503, "too many connections", kRetryConnection);
            return false;
    }
    return false;
}

void Connection::startBody() {
    auto& request = exchange_->request;
    const auto declared = parser_->content_length();
    const bool bodiless = !until_end_ && !parser_->chunked() && !declared;
    if (declared && *declared > server_->options.body_bytes) {
        request.state = BufferedRequest::Body::too_large;
        return handle();
    }
    if (bodiless) {
        return handle();  // which knows that a length is missing
    }
    phase_ = Phase::body;
    arm(exchangeTime());
    if (equalsIgnoreCase(request.header("Expect"), "100-continue") && buffer_.size() == 0) {
        out_ = "HTTP/1.1 100 Continue\r\n\r\n";
        return write(net::buffer(out_), [](Connection& self, ErrorCode error) {
            if (error) {
                return self.end();
            }
            self.parseBody();
        });
    }
    parseBody();
}

bool Connection::bodyHasRoom(std::size_t size) {
    const std::size_t more = size - exchange_->body_room;
    if (more == 0) {
        return true;
    }
    exchange_->holder = client();
    switch (server_->bodies.take(exchange_->holder, exchange_->body_room, more)) {
        case Room::Grant::granted:
            exchange_->body_room = size;
            return true;
        case Room::Grant::holder_full:
            refuse(Limit::bodies, 429, "too many bytes of " + client() + " at once", 1);
            return false;
        case Room::Grant::full:
            refuse(Limit::bodies, 503, "too many bytes of all senders at once", 1);
            return false;
    }
    return false;
}

void Connection::parseBody() {
    auto& request = exchange_->request;
    auto& text = until_end_ ? request.text : parser_->get().body();
    ErrorCode error;
    if (until_end_) {
        text.append(static_cast<const char*>(buffer_.data().data()), buffer_.size());
        buffer_.consume(buffer_.size());
    } else {
        // One call ends at each border between chunks.
        while (buffer_.size() > 0 && !parser_->is_done() && !error && text.size() <= request.longest) {
            buffer_.consume(parser_->put(buffer_.data(), error));
        }
    }
    if (text.size() > request.longest) {
        request.state = BufferedRequest::Body::too_large;
        text.clear();
        text.shrink_to_fit();
        return handle();
    }
    if (!bodyHasRoom(text.size())) {
        return;
    }
    if (error && error != http::error::need_more) {
        exchange_->responder.replace(400, "the request cannot be understood: " + error.message());
        return respond();
    }
    if (!until_end_ && parser_->is_done()) {
        complete_ = true;
        request.text = std::move(text);
        return handle();
    }
    readMore(kBodyRead, &Connection::bodyArrived);
}

void Connection::bodyArrived(ErrorCode error) {
    if (!error) {
        return parseBody();
    }
    if (until_end_ && (error == net::error::eof || error == net::ssl::error::stream_truncated)) {
        complete_ = true;
        return handle();
    }
    if (error != net::error::eof) {
        return end();
    }
    exchange_->request.state = BufferedRequest::Body::ended_early;
    handle();
}

void Connection::handle() {
    const bool slow = server_->options.is_slow && server_->options.is_slow(exchange_->request);
    dispatch(slow ? server_->slow : server_->quick, &Connection::workAtHandler);
}

void Connection::workAtHandler() {
    auto& request = exchange_->request;
    auto& responder = exchange_->responder;
    try {
        server_->handler(request, responder);
        responder.finish();
    } catch (const std::exception& e) {
        // An exception that escapes a handler, Poco's or the standard library's, is our own fault.
        spdlog::error("{} {}: {}", request.method, request.path, e.what());
        responder.replace(500, "internal error");
    }
    net::post(server_->context, [self = shared_from_this()] {
        if (self->phase_ != Phase::ended) {
            self->answered();
        }
    });
}

void Connection::answered() {
    tick_.cancel();
    auto& responder = exchange_->responder;
    if (const auto pause = responder.takePause()) {
        return park(*pause);
    }
    if (responder.trouble() != AnswerBody::Trouble::none) {
        server_->limits.note(Limit::answers, client());
    }
    if (!responder.sent()) {
        responder.replace(500, "internal error");
    }
    respond();
}

void Connection::park(Milliseconds pause) {
    std::size_t& polls = server_->polls[client()];
    if (polls >= server_->options.polls_per_member) {
        return refuse(Limit::polls, 429, "too many requests of " + client() + " wait for an answer",
                      kRetryPoll);
    }
    ++polls;
    poll_counted_ = true;
    phase_ = Phase::parked;
    tick_.expires_after(pause);
    tick_.async_wait([self = shared_from_this()](ErrorCode) {
        if (self->phase_ != Phase::parked) {
            return;
        }
        self->unpark();
        if (!self->server_->stopping && self->hungUp()) {
            return self->end();
        }
        self->handle();
    });
}

void Connection::unpark() {
    poll_counted_ = false;
    const auto polls = server_->polls.find(client());
    if (--polls->second == 0) {
        server_->polls.erase(polls);
    }
}

void Connection::refuse(Limit limit, int status, const std::string& text, unsigned retry_after_s) {
    server_->limits.note(limit, client());
    exchange_->responder.replace(status, text, retry_after_s);
    respond();
}

void Connection::respond() {
    phase_ = Phase::writing;
    auto& responder = exchange_->responder;
    keep_alive_ = keep_alive_ && complete_ && !refused_ && !server_->stopping && !isStranger();
    out_ = responder.head(keep_alive_);
    if (exchange_->request.method == "HEAD") {
        responder.body().reset();
    }
    if (server_->options.answered) {
        server_->options.answered(responder.status());
    }
    arm(exchangeTime());
    if (!responder.body().empty()) {
        out_ += responder.body().front();
        responder.body().pop();
    }
    write(net::buffer(out_), [](Connection& self, ErrorCode error) { self.writeNext(error); });
}

void Connection::writeNext(ErrorCode error) {
    if (error) {
        return end();
    }
    out_.clear();
    auto& body = exchange_->responder.body();
    if (body.empty()) {
        return next();
    }
    out_ = body.front();
    body.pop();
    write(net::buffer(out_), [](Connection& self, ErrorCode failed) { self.writeNext(failed); });
}

void Connection::next() {
    exchange_.reset();
    parser_.reset();
    out_ = std::string();
    if (!keep_alive_) {
        return linger(true);
    }
    complete_ = true;
    head_begun_ = false;
    if (buffer_.size() == 0) {
        server_->table.setIdle(id_, true);
        arm(server_->options.keep_alive);
    } else {
        arm(server_->options.header_time);
    }
    readHead();
}

/// Ends the connection in order: closing with unread bytes would reset it, and the client might never see the
/// answer (or the TLS alert) that explains the failure.
void Connection::linger(bool say_goodbye) {
    phase_ = Phase::ending;
    server_->table.setIdle(id_, true);
    left_to_read_out_ = kReadOut;
    arm(kLinger);
    if (tls_ && say_goodbye) {
        tls_->async_shutdown([self = shared_from_this()](ErrorCode) {
            if (self->phase_ != Phase::ended) {
                self->readOut();
            }
        });
        return;
    }
    readOut();
}

void Connection::readOut() {
    ErrorCode ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    buffer_.consume(buffer_.size());
    socket_.async_read_some(buffer_.prepare(kHeadRead),
                            [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
                                if (self->phase_ == Phase::ended) {
                                    return;
                                }
                                if (error || bytes >= self->left_to_read_out_) {
                                    return self->end();
                                }
                                self->left_to_read_out_ -= bytes;
                                self->readOut();
                            });
}

}  // namespace lapwing::api
