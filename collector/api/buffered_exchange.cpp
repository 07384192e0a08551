#include "collector/api/buffered_exchange.h"

#include <Poco/DateTimeFormat.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/Exception.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Timestamp.h>
#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"

namespace lapwing::api {
namespace {

constexpr std::size_t kCompressFrom = 1024;

tl::unexpected<Error> tooLarge(std::size_t limit) {
    return fail(ErrorKind::exhausted, "the body is larger than " + std::to_string(limit) + " bytes");
}

bool hasBody(int status) {
    return status >= 200 && status != 204 && status != 304;
}

}  // namespace

std::string BufferedRequest::header(const std::string& name) const {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const auto& field) { return equalsIgnoreCase(field.first, name); });
    return found == fields.end() ? "" : found->second;
}

Expected<std::string> BufferedRequest::body(std::size_t limit) {
    if (!unsized && !has_length) {
        return fail(ErrorKind::protocol, "a body needs a Content-Length or the chunked encoding");
    }
    switch (state) {
        case Body::too_large:
            return tooLarge(std::min(limit, longest));
        case Body::ended_early:
            return fail(ErrorKind::protocol, "the body ended early");
        case Body::read:
            break;
    }
    if (text.size() > limit) {
        return tooLarge(limit);
    }
    return std::move(text);
}

BufferedResponder::BufferedResponder(const BufferedRequest& request, Room& room, std::string holder,
                                     std::size_t most)
    : request_(request), body_(room, std::move(holder), most), out_(&body_) {}

void BufferedResponder::header(const std::string& name, const std::string& value) {
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const auto& field) { return equalsIgnoreCase(field.first, name); });
    if (found == fields_.end()) {
        fields_.emplace_back(name, value);
    } else {
        found->second = value;
    }
}

void BufferedResponder::begin(int status, const std::string& content_type) {
    status_ = status;
    if (!content_type.empty()) {
        header("Content-Type", content_type);
    }
}

void BufferedResponder::send(int status, const std::string& content_type, std::string_view body) {
    if (body.size() >= kCompressFrom && takesGzip()) {
        stream(status, content_type).write(body.data(), static_cast<std::streamsize>(body.size()));
        return;
    }
    begin(status, content_type);
    if (hasBody(status)) {
        out_.write(body.data(), static_cast<std::streamsize>(body.size()));
    }
}

std::ostream& BufferedResponder::stream(int status, const std::string& content_type) {
    begin(status, content_type);
    header("Vary", "Accept-Encoding");
    if (!takesGzip()) {
        return out_;
    }
    header("Content-Encoding", "gzip");
    deflating_.emplace(out_, Poco::DeflatingStreamBuf::STREAM_GZIP, 1);
    return *deflating_;
}

void BufferedResponder::finish() {
    if (deflating_) {
        try {
            deflating_->close();
        } catch (const Poco::Exception&) {
            // The body had no room, and says so below.
        }
        deflating_.reset();
    }
    trouble_ = body_.trouble();
    switch (trouble_) {
        case AnswerBody::Trouble::too_large:
            replace(422, "the answer is too large: ask for less, or accept gzip");
            break;
        case AnswerBody::Trouble::no_room:
            replace(503, "too many answers wait for clients that read slowly", 5);
            break;
        case AnswerBody::Trouble::none:
            if (status_ == 0 && !pause_) {
                replace(500, "internal error");
            }
            break;
    }
}

void BufferedResponder::replace(int status, const std::string& text, unsigned retry_after_s) {
    deflating_.reset();
    body_.reset();
    out_.clear();
    pause_.reset();
    std::erase_if(fields_,
                  [](const auto& field) { return equalsIgnoreCase(field.first, "Content-Encoding"); });
    if (retry_after_s != 0) {
        header("Retry-After", std::to_string(retry_after_s));
    }
    begin(status, "text/plain; charset=utf-8");
    out_ << text << '\n';
}

std::string BufferedResponder::head(bool keep_alive) const {
    const auto status = static_cast<Poco::Net::HTTPResponse::HTTPStatus>(status_);
    std::string out =
        "HTTP/1.1 " + std::to_string(status_) + " " + Poco::Net::HTTPResponse::getReasonForStatus(status) +
        "\r\nDate: " + Poco::DateTimeFormatter::format(Poco::Timestamp(), Poco::DateTimeFormat::HTTP_FORMAT) +
        "\r\n";
    for (const auto& [name, value] : fields_) {
        out += fmt::format("{}: {}\r\n", name, value);
    }
    if (hasBody(status_)) {
        out += "Content-Length: " + std::to_string(body_.size()) + "\r\n";
    }
    out += keep_alive ? "Connection: Keep-Alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return out;
}

bool BufferedResponder::takesGzip() const {
    // Any weight ("gzip;q=0") disables compression: refusals are rare, so their weights are not parsed.
    const std::string accepted = request_.header("Accept-Encoding");
    return accepted.find("gzip") != std::string::npos && accepted.find("gzip;q=0") == std::string::npos &&
           request_.method != "HEAD";
}

}  // namespace lapwing::api
