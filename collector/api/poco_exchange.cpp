#include "collector/api/poco_exchange.h"

#include <Poco/Timestamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>

#include "common/model/clock.h"

namespace lapwing::api {
namespace {

using Poco::Net::HTTPResponse;

constexpr std::size_t kCompressFrom = 1024;

tl::unexpected<Error> tooLarge(std::size_t limit) {
    return fail(ErrorKind::exhausted, "the body is larger than " + std::to_string(limit) + " bytes");
}

}  // namespace

PocoRequest::PocoRequest(ServerRequest& request, Poco::Net::HTTPServerResponseImpl& response,
                         const std::atomic<bool>& gone)
    : request_(request), response_(response), gone_(gone) {
    method = request.getMethod();
    const std::string& uri = request.getURI();
    const auto mark = uri.find('?');
    path = uri.substr(0, mark);
    if (mark != std::string::npos) {
        query = uri.substr(mark + 1);
    }
    received_us = nowUs();
    unsized = request.getChunkedTransferEncoding() || request.isUnsized();
    complete_ = !unsized && (!request.hasContentLength() || request.getContentLength64() == 0);
}

Expected<std::string> PocoRequest::body(std::size_t limit) {
    std::string out;
    if (!unsized && !request_.hasContentLength()) {
        return fail(ErrorKind::protocol, "a body needs a Content-Length or the chunked encoding");
    }
    if (!unsized) {
        const auto declared = request_.getContentLength64();
        if (declared < 0) {
            return fail(ErrorKind::protocol, "Content-Length is not a number");
        }
        if (static_cast<std::uint64_t>(declared) > limit) {
            return tooLarge(limit);
        }
        out.reserve(static_cast<std::size_t>(declared));
    }
    if (request_.getExpectContinue() && !continued_) {
        continued_ = true;
        response_.sendContinue();
    }
    std::array<char, 8192> buffer{};
    auto& in = request_.stream();
    while (in.good()) {
        in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        out.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
        if (out.size() > limit) {
            return tooLarge(limit);
        }
    }
    if (in.bad() || (!unsized && out.size() != static_cast<std::size_t>(request_.getContentLength64()))) {
        return fail(ErrorKind::protocol, "the body ended early");
    }
    complete_ = true;
    return out;
}

void Cork::set(int value) const {
    // A Unix socket has no such option and does not need it.
    ::setsockopt(fd_, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void PocoResponder::send(int status, const std::string& content_type, std::string_view body) {
    if (body.size() >= kCompressFrom && takesGzip()) {
        stream(status, content_type).write(body.data(), static_cast<std::streamsize>(body.size()));
        return;
    }
    begin(status, content_type);
    const bool without_body = status == 204 || status == 304;
    if (!without_body) {
        response_.setContentLength64(static_cast<Poco::Int64>(body.size()));
    }
    auto& out = response_.send();
    if (!without_body && request_.getMethod() != "HEAD") {
        out.write(body.data(), static_cast<std::streamsize>(body.size()));
    }
    out.flush();
}

std::ostream& PocoResponder::stream(int status, const std::string& content_type) {
    begin(status, content_type);
    if (request_.getVersion() == Poco::Net::HTTPMessage::HTTP_1_1) {
        response_.setChunkedTransferEncoding(true);
    } else {
        response_.setKeepAlive(false);
    }
    const bool compress = takesGzip();
    if (compress) {
        response_.set("Content-Encoding", "gzip");
    }
    response_.set("Vary", "Accept-Encoding");
    cork_.hold();
    if (request_.getMethod() == Poco::Net::HTTPRequest::HTTP_HEAD) {
        response_.setChunkedTransferEncoding(false);
        response_.setKeepAlive(false);
        response_.send();
        return nowhere_;
    }
    auto& out = response_.send();
    if (!compress) {
        return out;
    }
    deflating_.emplace(out, Poco::DeflatingStreamBuf::STREAM_GZIP, 1);
    return *deflating_;
}

void PocoResponder::finish() {
    if (deflating_) {
        deflating_->close();
    }
}

bool PocoResponder::takesGzip() const {
    // Any weight ("gzip;q=0") disables compression: refusals are rare, so their weights are not parsed.
    const std::string accepted = request_.get("Accept-Encoding", "");
    return accepted.find("gzip") != std::string::npos && accepted.find("gzip;q=0") == std::string::npos &&
           request_.getMethod() != "HEAD";
}

void PocoResponder::begin(int status, const std::string& content_type) {
    status_ = status;
    // An unread body would be taken for the next request.
    if (!wrapped_.complete()) {
        response_.setKeepAlive(false);
    }
    response_.setStatusAndReason(static_cast<HTTPResponse::HTTPStatus>(status));
    response_.setDate(Poco::Timestamp());
    if (!content_type.empty()) {
        response_.setContentType(content_type);
    }
}

}  // namespace lapwing::api
