#include "collector/api/server_request.h"

#include <Poco/Net/HTTPChunkedStream.h>
#include <Poco/Net/HTTPFixedLengthStream.h>
#include <Poco/Net/HTTPStream.h>
#include <Poco/Net/NetException.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>

namespace lapwing::api {
namespace {

using Poco::Net::MessageException;

constexpr int kEof = std::char_traits<char>::eof();
/// Of a head without its URI.
constexpr std::size_t kFieldsLimit = 256U << 10;

/// Appends a line with its end. False if it would make `out` longer than `limit`.
bool readLine(ServerSession& session, std::size_t limit, std::string& out) {
    for (int c = session.next(); c != kEof; c = session.next()) {
        if (out.size() == limit) {
            return false;
        }
        out += static_cast<char>(c);
        if (c == '\n') {
            return true;
        }
    }
    if (out.empty()) {
        throw Poco::Net::NoMessageException();
    }
    throw MessageException("the head ended early");
}

bool isBlank(const std::string& line, std::size_t from = 0) {
    return line.find_first_not_of("\r\n", from) == std::string::npos;
}

/// Removes the first word of the line and the spaces behind it.
std::string takeWord(std::string_view& line) {
    const std::string word(line.substr(0, line.find_first_of(" \t\r\n")));
    line.remove_prefix(word.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return word;
}

}  // namespace

ServerRequest::ServerRequest(Poco::Net::HTTPServerResponse& response, ServerSession& session,
                             Poco::Net::HTTPServerParams& params, std::size_t uri_limit)
    : response_(response), params_(params) {
    readHead(session, uri_limit);
    client_ = session.clientAddress();
    server_ = session.serverAddress();
    secure_ = session.socket().secure();
    if (getChunkedTransferEncoding()) {
        body_ = std::make_unique<Poco::Net::HTTPChunkedInputStream>(session);
    } else if (hasContentLength()) {
        body_ = std::make_unique<Poco::Net::HTTPFixedLengthInputStream>(session, getContentLength64());
    } else if (getMethod() != HTTP_POST && getMethod() != HTTP_PUT) {
        body_ = std::make_unique<Poco::Net::HTTPFixedLengthInputStream>(session, 0);
    } else {
        unsized_ = !getKeepAlive();
        body_ = std::make_unique<Poco::Net::HTTPInputStream>(session);
    }
}

void ServerRequest::readHead(ServerSession& session, std::size_t uri_limit) {
    std::string line;
    // As RFC 9112 asks, an empty line before the request is ignored.
    do {
        line.clear();
        if (!readLine(session, uri_limit + kFieldsLimit, line)) {
            throw UriTooLong{uri_limit};
        }
    } while (isBlank(line));
    std::string_view rest(line);
    const auto method = takeWord(rest);
    const auto uri = takeWord(rest);
    const auto version = takeWord(rest);
    if (uri.size() > uri_limit) {
        throw UriTooLong{uri_limit};
    }
    if (method.empty() || uri.empty() || !version.starts_with("HTTP/1.")) {
        throw MessageException("it does not begin with a line of HTTP/1.1");
    }
    std::string fields;
    for (std::size_t begin = 0;; begin = fields.size()) {
        if (!readLine(session, kFieldsLimit, fields)) {
            throw MessageException("its head is longer than " + std::to_string(kFieldsLimit) + " bytes");
        }
        if (isBlank(fields, begin)) {
            break;
        }
    }
    std::istringstream in(fields);
    HTTPMessage::read(in);
    setMethod(method);
    setURI(uri);
    setVersion(version);
}

}  // namespace lapwing::api
